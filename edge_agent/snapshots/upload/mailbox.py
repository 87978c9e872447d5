"""What threads have to say to the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

__all__ = ["Mailbox", "all_ended"]

logger = logging.getLogger(__name__)

_LOOK_S: Final = 0.005


class Mailbox:
    """Has calls of any thread made on the event loop, in order; made on that loop.

    To wake the loop costs more than most of what it is then told, so one wake-up does for all that is posted
    before the loop comes to it. No more is in it than there is under way in the threads that post.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._calls: deque[Callable[[], object]] = deque()
        self._is_told = False

    def post(self, call: Callable[[], object]) -> None:
        """Have `call` made on the loop; from any thread."""
        self._calls.append(call)
        if not self._is_told:
            self._is_told = True
            # The loop may be gone: then nobody waits any more.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self.empty)

    def empty(self) -> None:
        """Make all calls that were posted; on the loop."""
        # First: what is posted from here on is either made below or told anew.
        self._is_told = False
        while self._calls:
            call = self._calls.popleft()
            try:
                call()
            except Exception:
                logger.exception("What follows a job failed")


async def all_ended(threads: Sequence[threading.Thread], timeout_s: float) -> bool:
    """Wait until threads have ended; tell whether they did in time."""
    loop = asyncio.get_running_loop()
    until = loop.time() + timeout_s
    while any(thread.is_alive() for thread in threads):
        if loop.time() >= until:
            return False
        await asyncio.sleep(_LOOK_S)
    return True
