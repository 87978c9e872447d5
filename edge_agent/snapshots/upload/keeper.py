"""The uploads that are kept: in memory what there is to know at any moment, on disk what must last."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from edge_agent.errors import RefusedError, StorageError, suggestion
from edge_agent.snapshots.upload.lanes import Entry
from edge_agent.snapshots.upload.record import Parked, Record
from edge_agent.snapshots.upload.rounds import Rounds
from edge_agent.snapshots.upload.spool import Found, Spool

__all__ = ["Keeper"]

_MB: Final = 1_000_000
# Each is some hundred bytes in memory and two files on disk.
_MAX_UPLOADS: Final = 5_000
# The disk is asked what is free each so many pictures; between, they are counted.
_FREE_EVERY: Final = 10


class Keeper:
    """The spool for the event loop: the disk has threads of its own, and what comes at once shares a wait.

    Everything raises StorageError where the disk refuses.
    """

    def __init__(self, *, spool: Spool, limit_mb: int, min_free_mb: int) -> None:
        self._spool = spool
        self._limit_bytes = limit_mb * _MB
        self._min_free_bytes = min_free_mb * _MB
        self._disk = Rounds(spool=spool, room=self._without_room)
        self._entries: dict[str, Entry] = {}
        self._parked: dict[str, Entry] = {}
        self._promised = 0
        self._kept_bytes = 0
        self._free = (0, 0)
        self._promised_bytes = 0

    @property
    def size_bytes(self) -> int:
        """What all that is kept takes."""
        return self._kept_bytes

    def start(self) -> None:
        """Start the threads."""
        self._disk.start()

    async def stop(self, timeout_s: float) -> bool:
        """End them; tell whether the disk was done in time."""
        return await self._disk.stop(timeout_s)

    async def open(self) -> Found:
        """Read what is on disk; the records are to be entered by `enter`."""
        return await self._disk.run(self._spool.open)

    def __len__(self) -> int:
        return len(self._entries)

    def all_parked(self) -> list[Entry]:
        """Return what is parked."""
        return list(self._parked.values())

    def find(self, ticket: str) -> Entry | None:
        """Return an upload."""
        return self._entries.get(ticket)

    def parked(self, ticket: str) -> Entry:
        """Return a parked upload. Raises RefusedError `not_parked`."""
        entry = self._parked.get(ticket)
        if entry is None:
            parked = list(self._parked)[:100]
            what = "not parked" if ticket in self._entries else f"not known{suggestion(ticket, parked)}"
            raise RefusedError(
                f"the upload '{ticket[:80]}' is {what}",
                code="not_parked",
                field="ticket",
                allowed=parked[:20],
            )
        return entry

    def park(self, entry: Entry) -> None:
        """Note that an upload is parked."""
        entry.state = "parked"
        self._parked[entry.ticket] = entry

    def unpark(self, entry: Entry) -> None:
        """Note that it is not parked any more, nor waiting yet."""
        entry.state = "changing"
        self._parked.pop(entry.ticket, None)

    def enter(self, record: Record, *, origin: str, doubtful: bool) -> Entry:
        """Note what is on disk."""
        entry = Entry(
            ticket=record.ticket,
            picture_id=record.picture.id,
            content_name=record.content_name,
            time=record.picture.time,
            size_bytes=record.picture.size_bytes,
            origin=origin,
            doubtful=doubtful,
        )
        self._entries[entry.ticket] = entry
        self._kept_bytes += entry.size_bytes
        if record.parked is not None:
            self.park(entry)
        return entry

    def keep(
        self, record: Record, content: bytes | Path, ended: Callable[[BaseException | None], None]
    ) -> None:
        """Put an upload on disk for good and have `ended` called, with the error where nothing of it stays.

        Raises StorageError `spool_full` where there is no room.
        """
        size_bytes = record.picture.size_bytes
        self._must_fit(size_bytes)
        # Counted from here on: those that come at once must fit together.
        self._promised += 1
        self._promised_bytes += size_bytes

        def kept(error: BaseException | None) -> None:
            self._promised -= 1
            self._promised_bytes -= size_bytes
            ended(error)

        self._disk.keep(record, content, kept)

    async def remove(self, entries: Iterable[Entry]) -> None:
        """Remove uploads for good, and forget them."""
        known = list(entries)
        names = {entry.ticket: entry.content_name for entry in known}
        await self._disk.run(partial(self._spool.remove, names))
        self._forget(known)

    async def rewrite(self, entries: Sequence[Entry], parked: Parked | None) -> None:
        """Write down that uploads are parked, or with None that they are not."""

        def rewrite() -> None:
            for entry in entries:
                record = self._spool.read(entry.ticket)
                self._spool.rewrite(record.model_copy(update={"parked": parked}))
            self._spool.sync()

        await self._disk.run(rewrite)

    async def set_aside(self, entry: Entry) -> None:
        """Move a damaged upload out of the way, and forget it."""
        await self._disk.run(partial(self._spool.set_aside, entry.ticket, entry.content_name))
        self._forget([entry])

    def _must_fit(self, size_bytes: int) -> None:
        taken = self._kept_bytes + self._promised_bytes
        if taken + size_bytes > self._limit_bytes:
            full = f"{taken} of {self._limit_bytes} bytes (upload.limit_mb)"
        elif len(self._entries) + self._promised >= _MAX_UPLOADS:
            full = f"{_MAX_UPLOADS} pictures"
        else:
            return
        raise StorageError(
            f"the upload spool is full: {full} wait or are parked; they are kept, this one is not taken",
            code="spool_full",
            value=taken,
        )

    def _without_room(self, size_bytes: int) -> Exception | None:
        """Return why a new one must not be written, None where there is room on the disk."""
        try:
            free = self._free_bytes(size_bytes)
        except StorageError as error:
            return error
        if free >= self._min_free_bytes:
            return None
        return StorageError(
            f"the disk of {self._spool.directory} is full: {free} bytes are free, "
            f"{self._min_free_bytes} are to stay free (upload.min_free_mb); what waits is kept, "
            "this one is not taken: free some space",
            code="disk_full",
            value=free,
        )

    def _free_bytes(self, size_bytes: int) -> int:
        """Return what is free with so much more on the disk; asked anew only now and then."""
        free, unasked = self._free
        if unasked == 0 or free - size_bytes < self._min_free_bytes:
            free, unasked = self._spool.free_bytes(), _FREE_EVERY
        self._free = (free - size_bytes, unasked - 1)
        return free - size_bytes

    def _forget(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            if self._entries.pop(entry.ticket, None) is not None:
                self._kept_bytes -= entry.size_bytes
