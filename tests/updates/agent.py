"""`edge-agent` with another helper: `python -m tests.updates.agent run --config FILE`.

UPDATE_SOCKET and UPDATE_RESULT say where that is.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from edge_agent.cli import main
from edge_agent.updates import feature
from edge_agent.updates.helper import Helper

if __name__ == "__main__":
    places = {"socket": Path(os.environ["UPDATE_SOCKET"]), "result": Path(os.environ["UPDATE_RESULT"])}
    setattr(feature, "Helper", partial(Helper, **places))  # noqa: B010 - a partial for a class
    main()
