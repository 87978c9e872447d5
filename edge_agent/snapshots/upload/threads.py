"""Threads of one's own for what blocks: a bounded number, so that a disk that hangs holds up nobody else."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, cast

__all__ = ["Threads"]

logger = logging.getLogger(__name__)

T = TypeVar("T")
_Ended = Callable[[Any, BaseException | None], None]
_Job = tuple[Callable[[], Any], _Ended]
_End = tuple[_Ended, Any, BaseException | None]


class Threads:
    """Carries out jobs in order of asking, `count` at once; made and used on one event loop.

    The threads are daemons: one that is stuck in the kernel does not keep the process from ending.
    """

    def __init__(self, *, name: str, count: int) -> None:
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._ended: deque[_End] = deque()
        self._is_told = False
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True)
            for number in range(count)
        ]

    def start(self) -> None:
        """Begin."""
        self._loop = asyncio.get_running_loop()
        for thread in self._threads:
            thread.start()

    def run(self, job: Callable[[], T]) -> asyncio.Future[T]:
        """Return the future of what `job` returns or raises. Cancelling it does not end the job."""
        future: asyncio.Future[T] = self._loop.create_future()
        self.call(job, partial(_resolve, future))
        return future

    def call(self, job: Callable[[], T], ended: Callable[[T | None, BaseException | None], None]) -> None:
        """Have `ended` called on the loop with what `job` returned, or with what it raised."""
        self._jobs.put((job, ended))

    async def stop(self, timeout_s: float) -> bool:
        """Let the threads end after what was asked; tell whether they did in time."""
        for _ in self._threads:
            self._jobs.put(None)
        until = self._loop.time() + timeout_s
        while any(thread.is_alive() for thread in self._threads):
            if self._loop.time() >= until:
                return False
            await asyncio.sleep(0.005)
        return True

    def _work(self) -> None:
        while (found := self._jobs.get()) is not None:
            job, ended = found
            result: Any = None
            error: BaseException | None = None
            try:
                result = job()
            except BaseException as raised:  # noqa: BLE001 - it is the asker's
                error = raised
            self._ended.append((ended, result, error))
            # One word is enough for all that end before the loop hears it.
            if not self._is_told:
                self._is_told = True
                # The loop may be gone: then nobody waits any more.
                with contextlib.suppress(RuntimeError):
                    self._loop.call_soon_threadsafe(self._tell)
            del found, job, ended, result, error

    def _tell(self) -> None:
        self._is_told = False
        while self._ended:
            ended, result, error = self._ended.popleft()
            try:
                ended(result, error)
            except Exception:
                logger.exception("What follows a job failed")


def _resolve(future: asyncio.Future[T], result: T | None, error: BaseException | None) -> None:
    if future.cancelled():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(cast("T", result))
