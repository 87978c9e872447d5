"""Threads for what blocks while a connection is opened: one each, so that one that hangs holds up no other.

A look-up whose name server does not answer takes longer than an attempt may and cannot be broken off: it is
left alone, the next attempt begins beside it, and the end of the process does not wait for it either.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Final

from edge_agent.errors import LinkError

__all__ = ["Attempts"]

_MOST: Final = 6


class Attempts:
    """Runs attempts, of which a bounded number may hang; made and used on one event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._under_way = 0

    async def run(self, attempt: Callable[[], None]) -> None:
        """Run it and wait for its end; cancelling leaves it alone. Raises what it raises, and LinkError."""
        if self._under_way >= _MOST:
            raise LinkError(
                f"{self._under_way} earlier attempts still hang in the look-up of the broker's name; "
                "check the network and the DNS",
                code="dns",
            )
        ended: asyncio.Future[None] = self._loop.create_future()
        # A daemon, unlike the threads of an executor, for which Python waits at its end.
        thread = threading.Thread(target=self._work, args=(attempt, ended), name="mqtt-connect", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            raise LinkError(f"no connection can be opened: {error}") from error
        self._under_way += 1
        await ended

    def _work(self, attempt: Callable[[], None], ended: asyncio.Future[None]) -> None:
        error: BaseException | None = None
        try:
            attempt()
        except BaseException as raised:  # noqa: BLE001 - it is the asker's
            error = raised
        # The loop may be gone: then nobody waits any more.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._tell, ended, error)

    def _tell(self, ended: asyncio.Future[None], error: BaseException | None) -> None:
        self._under_way -= 1
        if ended.done():
            return
        if error is None:
            ended.set_result(None)
        else:
            ended.set_exception(error)
