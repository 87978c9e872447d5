"""Whether the server reads, told by what waits at it: the one evidence that needs no API."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

from edge_agent.stream.sockets import Connection

__all__ = ["Backlog"]

_STUCK_AFTER_S: Final = 5.0
_WINDOW_S: Final = 8.0
_STUCK_SHARE: Final = 0.6
_READS_FOR_S: Final = 3.0


class Backlog:
    """Compares what was written with what waits, look by look. Times are monotonic seconds.

    A server that reads leaves little waiting, or less than before; at one that hangs everything that is
    written stays. A connection that is too slow for the picture lies between: it gets most of it through, or
    blocks the publisher's write in the end, which is noticed elsewhere.
    """

    def __init__(self) -> None:
        self._marks: deque[tuple[float, int, int]] = deque()
        self._read_at_s: float | None = None
        self.stuck = False

    def clear(self) -> None:
        """Forget everything, as at the end of a session."""
        self._marks.clear()
        self._read_at_s = None
        self.stuck = False

    def note(self, connections: Sequence[Connection], written_bytes: int, now_s: float) -> None:
        """Take in a look at the publisher's connections."""
        pending = sum(connection.pending_bytes for connection in connections)
        if self._marks:
            _, pending_before, written_before = self._marks[-1]
            wrote = written_bytes > written_before
            if pending < pending_before or (pending == pending_before and wrote):
                self.clear()
                if all(connection.here for connection in connections):
                    self._read_at_s = now_s
        self._marks.append((now_s, pending, written_bytes))
        while len(self._marks) > 2 and now_s - self._marks[1][0] >= _STUCK_AFTER_S:
            self._marks.popleft()
        while len(self._marks) > 1 and now_s - self._marks[0][0] > _WINDOW_S:
            self._marks.popleft()
        self.stuck = self.stuck or self._all_of_it_waits()

    def reads(self, now_s: float) -> bool:
        """Whether the server has just been seen reading; of one on another machine that is never known."""
        return self._read_at_s is not None and now_s - self._read_at_s < _READS_FOR_S

    def _all_of_it_waits(self) -> bool:
        if len(self._marks) < 3:
            return False
        (begin_s, first, written_before), (end_s, last, written) = self._marks[0], self._marks[-1]
        sent = written - written_before
        return end_s - begin_s >= _STUCK_AFTER_S and sent > 0 and last - first >= sent * _STUCK_SHARE
