"""What was written a moment ago, kept in memory, too: sent soon, it need not be read back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from edge_agent.snapshots.upload.addressing import Destination
from edge_agent.snapshots.upload.record import Record

__all__ = ["Fresh", "Freshest"]

_UPLOADS: Final = 100
_BYTES: Final = 4_000_000
_FRESH_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Fresh:
    """A record, where its picture goes, and the picture itself where there was room for it in memory.

    A picture that is read in place of that need not be compared with what was written: it comes out of the
    kernel's memory. Until `until_s` (monotonic).
    """

    record: Record
    destination: Destination
    content: bytes | None
    until_s: float


class Freshest:
    """The latest uploads, by ticket, as many as there is room for; for any thread."""

    def __init__(self, *, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        # In the order of their times.
        self._held: dict[str, Fresh] = {}
        self._bytes = 0

    def put(self, record: Record, destination: Destination, content: bytes | None) -> None:
        """Hold what was written just now, where there is room for it."""
        now_s = self._monotonic()
        with self._lock:
            self._pop(record.ticket)
            while self._held and now_s > next(iter(self._held.values())).until_s:
                self._pop(next(iter(self._held)))
            if len(self._held) >= _UPLOADS:
                return
            if content is not None and self._bytes + len(content) > _BYTES:
                content = None
            self._bytes += len(content or b"")
            self._held[record.ticket] = Fresh(record, destination, content, until_s=now_s + _FRESH_S)

    def take(self, ticket: str) -> Fresh | None:
        """Return one that is still fresh, for once."""
        with self._lock:
            found = self._pop(ticket)
        return None if found is None or self._monotonic() > found.until_s else found

    def _pop(self, ticket: str) -> Fresh | None:
        found = self._held.pop(ticket, None)
        if found is not None:
            self._bytes -= len(found.content or b"")
        return found
