"""Writing down what has to outlive a restart, also with a disk that is full or read-only for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from edge_agent.clock import Clock
from edge_agent.errors import StorageError

__all__ = ["RETRY_EVERY_S", "Saving"]

# Each try writes a little, also where it fails: flash wears out.
RETRY_EVERY_S: Final = 10.0


class Saving:
    """Writes one thing, always the latest; where the disk refuses, again until it takes it.

    `problem` hears what is wrong, which says that `what` would not survive a restart, and None when it is
    not any more.
    """

    def __init__(self, *, what: str, clock: Clock, problem: Callable[[str | None], None]) -> None:
        self._what = what
        self._clock = clock
        self._problem = problem
        self._writing = asyncio.Lock()
        self._unsaved: Callable[[], None] | None = None
        self._retrying: asyncio.Task[None] | None = None

    async def save(self, write: Callable[[], None]) -> None:
        """Have `write` write it on a thread, in the order of the calls; what StorageError it raises is told.

        It returns when it was tried once.
        """
        async with self._writing:
            self._unsaved = write
            await self._try(write)
        if self._unsaved is not None and (self._retrying is None or self._retrying.done()):
            loop = asyncio.get_running_loop()
            self._retrying = loop.create_task(self._retry(), name=f"saving {self._what}")

    async def close(self) -> None:
        """Try no more than once more."""
        if self._retrying is not None:
            self._retrying.cancel()
            await asyncio.gather(self._retrying, return_exceptions=True)
        async with self._writing:
            if self._unsaved is not None:
                await self._try(self._unsaved)

    async def _retry(self) -> None:
        while self._unsaved is not None:
            await self._clock.sleep(RETRY_EVERY_S)
            async with self._writing:
                if self._unsaved is not None:
                    await self._try(self._unsaved)

    async def _try(self, write: Callable[[], None]) -> None:
        try:
            await asyncio.to_thread(write)
        except StorageError as error:
            self._problem(f"{self._what} would not survive a restart: {error.message}")
        else:
            self._unsaved = None
            self._problem(None)
