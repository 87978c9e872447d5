"""The spool's disk, in threads of its own: whatever comes at once shares a wait for it."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from edge_agent.snapshots.upload.mailbox import Mailbox, all_ended
from edge_agent.snapshots.upload.record import Record
from edge_agent.snapshots.upload.spool import Spool, Writing

__all__ = ["Rounds"]

T = TypeVar("T")
# While one of them writes, the others wait for the disk.
_THREADS: Final = 4
# So many new ones, and so many bytes, share a round: while it waits for the disk, others have theirs.
_AT_ONCE: Final = 4
_BYTES_AT_ONCE: Final = 1_000_000


@dataclass(slots=True, eq=False)
class _New:
    """An upload that is to be kept, and who is told when it is, or why it is not."""

    record: Record
    content: bytes | Path
    ended: Callable[[BaseException | None], None]
    writing: Writing | None = None


class Rounds:
    """Carries out what is asked of a spool; made and used on one event loop.

    In a round a thread writes down what is new, and publishes what its round before has written: so one wait
    for the disk makes the former whole and the latter last, and all that came meanwhile goes together in the
    next. One thread at a time takes what is new, and hands its turn on when it comes to wait for the disk.
    `room` says why one of some bytes must not be written, and is asked by that thread only.

    The threads are daemons: where they are stuck in the kernel they do not keep the process from ending.
    """

    def __init__(self, *, spool: Spool, room: Callable[[int], Exception | None]) -> None:
        self._spool = spool
        self._room = room
        self._asked: queue.SimpleQueue[_New | Callable[[], None] | None] = queue.SimpleQueue()
        self._turn = threading.Lock()
        self._threads = [
            threading.Thread(target=self._work, name=f"upload-disk-{number}", daemon=True)
            for number in range(_THREADS)
        ]

    def start(self) -> None:
        """Begin."""
        self._loop = asyncio.get_running_loop()
        self._mailbox = Mailbox()
        for thread in self._threads:
            thread.start()

    async def stop(self, timeout_s: float) -> bool:
        """Let the threads end after what was asked; tell whether they did in time."""
        for _ in self._threads:
            self._asked.put(None)
        return await all_ended(self._threads, timeout_s)

    def keep(
        self, record: Record, content: bytes | Path, ended: Callable[[BaseException | None], None]
    ) -> None:
        """Put an upload on disk for good and have `ended` called, with an error where nothing of it stays."""
        self._asked.put(_New(record, content, ended))

    def run(self, job: Callable[[], T]) -> asyncio.Future[T]:
        """Return the future of what `job` returns or raises. Cancelling it does not end the job."""
        future: asyncio.Future[T] = self._loop.create_future()

        def carry_out() -> None:
            try:
                result = job()
            except BaseException as error:  # noqa: BLE001 - it is the asker's
                self._mailbox.post(partial(_resolve, future, None, error))
            else:
                self._mailbox.post(partial(_resolve, future, result, None))

        self._asked.put(carry_out)
        return future

    def _work(self) -> None:
        written: list[_New] = []
        is_ending = False
        while written or not is_ending:
            begun: list[_New] = []
            job: Callable[[], None] | None = None
            # Who has something to publish does not wait for it until there is something new.
            if not is_ending and self._turn.acquire(blocking=not written):
                try:
                    new, job, is_ending = self._taken(waits=not written)
                    # All are begun with before the first is waited for: a journalling file system has them
                    # all in one commit then, and waiting for the others takes none of its own.
                    begun = self._each(new, self._begin)
                finally:
                    self._turn.release()
            written = self._round(begun, written)
            if job is not None:
                # It may take long, and those that are written wait for their publishing only.
                written = self._round([], written)
                job()

    def _taken(self, *, waits: bool) -> tuple[list[_New], Callable[[], None] | None, bool]:
        """Return what is to be kept, what else is to be done then, and whether that is all there will be."""
        new: list[_New] = []
        size_bytes = 0
        while len(new) < _AT_ONCE and size_bytes < _BYTES_AT_ONCE:
            try:
                asked = self._asked.get(block=waits and not new)
            except queue.Empty:
                break
            if not isinstance(asked, _New):
                return new, asked, asked is None
            new.append(asked)
            size_bytes += asked.record.picture.size_bytes
        return new, None, False

    def _round(self, begun: list[_New], written: list[_New]) -> list[_New]:
        """Publish what was written, and wait for the disk; return what is written now."""
        published = self._each(written, lambda upload: self._spool.publish(_of(upload)))
        written = self._each(begun, lambda upload: self._spool.flush(_of(upload)))
        if published:
            try:
                self._spool.sync()
            except Exception as error:  # noqa: BLE001 - it is the askers'
                for upload in published:
                    self._fail(upload, error)
            else:
                for upload in published:
                    self._mailbox.post(partial(upload.ended, None))
        return written

    def _begin(self, upload: _New) -> None:
        why_not = self._room(upload.record.picture.size_bytes)
        if why_not is not None:
            raise why_not
        upload.writing = self._spool.begin(upload.record, upload.content)

    def _each(self, uploads: Iterable[_New], step: Callable[[_New], None]) -> list[_New]:
        """Take a step with each, and return those with which it went well; the others are told."""
        well = []
        for upload in uploads:
            try:
                step(upload)
            except Exception as error:  # noqa: BLE001 - it is the asker's
                self._fail(upload, error)
            else:
                well.append(upload)
        return well

    def _fail(self, upload: _New, error: Exception) -> None:
        self._spool.discard(upload.record)
        self._mailbox.post(partial(upload.ended, error))


def _of(upload: _New) -> Writing:
    if upload.writing is None:
        raise RuntimeError("it was not begun with")
    return upload.writing


def _resolve(future: asyncio.Future[T], result: Any, error: BaseException | None) -> None:
    if future.cancelled():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
