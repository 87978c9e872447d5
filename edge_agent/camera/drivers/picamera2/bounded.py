"""Calls that can hang for ever, with a bound.

It holds for what hangs in Python or lets go of the interpreter's lock. libcamera's own stop does not: where
that hangs, all of this process stands still, and only the agent's kill is a bound.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

__all__ = ["bounded"]

logger = logging.getLogger(__name__)


def bounded(what: str, call: Callable[[], object], timeout_s: float) -> bool:
    """Run `call` on a thread of its own and wait for `timeout_s`; whether it ended without an error.

    Never raises. A call that hangs is left behind: only the end of the process ends it.
    """
    errors: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:  # noqa: BLE001 - it is told, and nothing else can be done
            errors.append(error)

    thread = threading.Thread(target=run, name=what, daemon=True)
    thread.start()
    thread.join(timeout_s)
    if thread.is_alive():
        logger.error("The camera hangs: '%s' did not end within %g s", what, timeout_s)
        return False
    if errors:
        logger.warning("'%s' failed: %s: %s", what, type(errors[0]).__name__, errors[0])
        return False
    return True
