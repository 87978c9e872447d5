"""Threads of one's own for what blocks: a bounded number, so that a disk that hangs holds up nobody else."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, cast

from edge_agent.snapshots.upload.mailbox import Mailbox, all_ended

__all__ = ["Threads"]

T = TypeVar("T")
_Ended = Callable[[Any, BaseException | None], None]
_Job = tuple[Callable[[], Any], _Ended]


class Threads:
    """Carries out jobs in order of asking, `count` at once; made and used on one event loop.

    The threads are daemons: one that is stuck in the kernel does not keep the process from ending.
    """

    def __init__(self, *, name: str, count: int) -> None:
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True)
            for number in range(count)
        ]

    def start(self) -> None:
        """Begin."""
        self._loop = asyncio.get_running_loop()
        self._mailbox = Mailbox()
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
        return await all_ended(self._threads, timeout_s)

    def _work(self) -> None:
        while (found := self._jobs.get()) is not None:
            job, ended = found
            result: Any = None
            error: BaseException | None = None
            try:
                result = job()
            except BaseException as raised:  # noqa: BLE001 - it is the asker's
                error = raised
            self._mailbox.post(partial(ended, result, error))
            del found, job, ended, result, error


def _resolve(future: asyncio.Future[T], result: T | None, error: BaseException | None) -> None:
    if future.cancelled():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(cast("T", result))
