"""The spool's disk, in a thread of its own: whatever comes at once shares a wait for it."""

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
# So many new ones, and so many bytes, share a round: the first do not wait for all that come at once.
_AT_ONCE: Final = 16
_BYTES_AT_ONCE: Final = 4_000_000


@dataclass(slots=True, eq=False)
class _New:
    """An upload that is to be kept, and who is told when it is, or why it is not."""

    record: Record
    content: bytes | Path
    ended: Callable[[BaseException | None], None]
    writing: Writing | None = None


class Rounds:
    """Carries out what is asked of a spool, in order of asking; made and used on one event loop.

    Each round writes down what is new, and publishes what the round before has written: so one wait for the
    disk makes the former whole and the latter last, and a stream of pictures takes one wait for each round
    in place of two. `room` says why one of some bytes must not be written.

    The thread is a daemon: where it is stuck in the kernel it does not keep the process from ending.
    """

    def __init__(self, *, spool: Spool, room: Callable[[int], Exception | None]) -> None:
        self._spool = spool
        self._room = room
        self._asked: queue.SimpleQueue[_New | Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="upload-disk", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._loop = asyncio.get_running_loop()
        self._mailbox = Mailbox()
        self._thread.start()

    async def stop(self, timeout_s: float) -> bool:
        """Let the thread end after what was asked; tell whether it did in time."""
        self._asked.put(None)
        return await all_ended([self._thread], timeout_s)

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
            new: list[_New] = []
            job: Callable[[], None] | None = None
            size_bytes = 0
            while len(new) < _AT_ONCE and size_bytes < _BYTES_AT_ONCE and not is_ending:
                try:
                    # Where something is to be published, that is all there is to wait for.
                    asked = self._asked.get(block=not (new or written))
                except queue.Empty:
                    break
                if isinstance(asked, _New):
                    new.append(asked)
                    size_bytes += asked.record.picture.size_bytes
                    continue
                is_ending, job = asked is None, asked
                break
            written = self._round(new, written)
            if job is not None:
                job()

    def _round(self, new: list[_New], written: list[_New]) -> list[_New]:
        """Write what is new, and publish what was written; return what is written now."""
        # All are begun with before the first is waited for: a journalling file system has them all in one
        # commit then, and waiting for the others takes none of its own.
        begun = self._each(new, self._begin)
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
