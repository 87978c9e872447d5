"""The quick form of what befalls the broker, and who is who; `make machine-faults` is the slow one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.machine_faults.catalogue import Fault, quick_ones

pytestmark = pytest.mark.timeout(150)


@pytest.mark.parametrize("fault", quick_ones("brokers", "identity"), ids=lambda fault: fault.name)
def test_the_agent_says_what_was_wrong_and_is_well_again(fault: Fault, tmp_path: Path) -> None:
    if (why := fault.impossible()) is not None:
        pytest.skip(why)
    fault.quick(tmp_path)
