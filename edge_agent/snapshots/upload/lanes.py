"""Which picture goes next, and when: one lane for each server, with one backoff for all that wait in it."""

from __future__ import annotations

import bisect
import heapq
from dataclasses import dataclass
from random import Random
from typing import Final, Literal

__all__ = ["Entry", "Lane", "Lanes", "full_jitter"]

_MAX_DOUBLINGS: Final = 30
# Among so many of those whose turn it is, the one that has tried least is looked for.
_CHOICE: Final = 100


def full_jitter(*, random: Random, base_s: float, cap_s: float, failures: int) -> float:
    """Return a wait between nothing and a ceiling that doubles with every failure."""
    return random.uniform(0.0, min(cap_s, base_s * 2.0 ** min(failures, _MAX_DOUBLINGS)))


@dataclass(slots=True, eq=False)
class Entry:
    """What is kept in memory of an upload. `doubtful`: its server may have it already.

    `attempts` are those that count, `tries` all of them.
    """

    ticket: str
    picture_id: str
    content_name: str
    time: str
    size_bytes: int
    origin: str
    state: Literal["waiting", "sending", "confirmed", "changing", "parked"] = "waiting"
    tries: int = 0
    attempts: int = 0
    doubtful: bool = False


class Lane:
    """The pictures that wait for one server. Times are monotonic seconds.

    While the server fails, one picture at a time tries, each time one that has tried least: so neither do
    all hammer at it, nor does one picture that it never takes hold up the rest.
    """

    def __init__(self, *, newest_first: bool, base_s: float, cap_s: float, random: Random) -> None:
        self._newest_first = newest_first
        self._base_s = base_s
        self._cap_s = cap_s
        self._random = random
        self._ready: list[tuple[str, Entry]] = []
        self._delayed: list[tuple[float, str, Entry]] = []
        self._not_before_s = 0.0
        self.failures = 0
        self.trouble: str | None = None
        self.under_way = 0

    def put(self, entry: Entry, *, not_before_s: float | None = None) -> None:
        """Let an entry wait, for its turn or until its time."""
        entry.state = "waiting"
        if not_before_s is None:
            bisect.insort(self._ready, (entry.ticket, entry), key=_ticket)
        else:
            heapq.heappush(self._delayed, (not_before_s, entry.ticket, entry))

    def take(self, now_s: float) -> Entry | None:
        """Return the entry whose turn it is, now under way; None where nothing may go."""
        if now_s < self._not_before_s or (self.failures and self.under_way):
            return None
        while self._delayed and self._delayed[0][0] <= now_s:
            _, ticket, entry = heapq.heappop(self._delayed)
            bisect.insort(self._ready, (ticket, entry), key=_ticket)
        if not self._ready:
            return None
        index = -1 if self._newest_first else 0
        if self.failures:
            order = range(len(self._ready))[:: index or 1]
            index = min(order[:_CHOICE], key=lambda place: self._ready[place][1].tries)
        _, entry = self._ready.pop(index)
        entry.state = "sending"
        entry.tries += 1
        self.under_way += 1
        return entry

    def next_s(self) -> float | None:
        """Return when something may go next; None where that takes an event."""
        if self.failures and self.under_way:
            return None
        if self._ready:
            return self._not_before_s
        return max(self._delayed[0][0], self._not_before_s) if self._delayed else None

    def ended(self) -> None:
        """Note that an entry is no longer under way."""
        self.under_way -= 1

    def failed(self, now_s: float, *, why: str, began_with: int, retry_after_s: float | None) -> None:
        """Let all wait.

        `began_with` is what `failures` was when the attempt began: of several that failed together, one
        counts.
        """
        self.trouble = why
        wait_s = full_jitter(
            random=self._random, base_s=self._base_s, cap_s=self._cap_s, failures=self.failures
        )
        if retry_after_s is not None:
            wait_s = retry_after_s + self._random.uniform(0.0, self._base_s)
        if began_with == self.failures:
            self.failures += 1
            self._not_before_s = now_s + wait_s
        elif retry_after_s is not None:
            self._not_before_s = max(self._not_before_s, now_s + wait_s)

    def answered(self) -> None:
        """Note that the server is there and takes pictures, or says why not."""
        self.failures = 0
        self.trouble = None
        self._not_before_s = 0.0

    def oldest(self) -> str | None:
        """Return the time of the oldest picture that waits."""
        times = [entry.time for _, _, entry in self._delayed]
        return min([*times, self._ready[0][1].time] if self._ready else times, default=None)

    def __len__(self) -> int:
        return len(self._ready) + len(self._delayed)

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits here and nothing is under way."""
        return not (self._ready or self._delayed or self.under_way)


class Lanes:
    """The lanes by server, taken from in turn."""

    def __init__(self, *, newest_first: bool, base_s: float, cap_s: float, random: Random) -> None:
        self._newest_first = newest_first
        self._base_s = base_s
        self._cap_s = cap_s
        self._random = random
        self._lanes: dict[str, Lane] = {}

    def lane(self, origin: str) -> Lane:
        """Return a server's lane."""
        if origin not in self._lanes:
            self._lanes[origin] = Lane(
                newest_first=self._newest_first,
                base_s=self._base_s,
                cap_s=self._cap_s,
                random=self._random,
            )
        return self._lanes[origin]

    def take(self, now_s: float) -> tuple[Lane, Entry] | None:
        """Return the next entry and its lane, which then comes last in turn."""
        for origin, lane in list(self._lanes.items()):
            entry = lane.take(now_s)
            if entry is not None:
                self._lanes[origin] = self._lanes.pop(origin)
                return lane, entry
            if lane.is_empty:
                del self._lanes[origin]
        return None

    def next_s(self) -> float | None:
        """Return when something may go next; None where that takes an event."""
        return min((at for lane in self._lanes.values() if (at := lane.next_s()) is not None), default=None)

    def __len__(self) -> int:
        return sum(len(lane) for lane in self._lanes.values())

    def oldest(self) -> str | None:
        """Return the time of the oldest picture that waits for its turn."""
        return min((time for lane in self._lanes.values() if (time := lane.oldest())), default=None)

    def trouble(self, *, failures: int = 1) -> str | None:
        """Return why pictures wait for a server that failed so often in a row; None where none do."""
        for lane in self._lanes.values():
            if lane.failures >= failures and not lane.is_empty:
                return lane.trouble
        return None


def _ticket(item: tuple[str, Entry]) -> str:
    return item[0]
