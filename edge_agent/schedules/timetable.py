"""The timetable: what has come due, by a wall clock that may jump, and what should hold."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from edge_agent.schedules.holding import Hold, Wish, holding
from edge_agent.schedules.plan import Planned

__all__ = ["Due", "Ends", "Timetable"]


@dataclass(frozen=True)
class Due:
    """A schedule whose time has come."""

    at: datetime
    planned: Planned


@dataclass(frozen=True)
class Ends:
    """A schedule whose profile does not lie over others any longer."""

    at: datetime
    planned: Planned


class Timetable:
    """The times of all schedules in force. It knows no clock: it is told what time it is."""

    def __init__(self, plans: Iterable[Planned]) -> None:
        self.plans = {planned.name: planned for planned in plans}
        self._profiles = [planned for planned in self.plans.values() if planned.schedule.profile]
        self._last: dict[str, Wish] = {}
        self._next: dict[str, datetime] = {}
        self._queue: list[tuple[datetime, int, str]] = []
        self._ends: list[tuple[datetime, int, str]] = []
        self._coming: list[Due | Ends] | None = None

    def start(self, now: datetime, seen: Mapping[str, datetime] | None = None) -> None:
        """Compute everything anew: the next time of each, and of the profiles' the last one, too.

        `seen` are times up to which schedules were seen to already, by a clock that was set back. It takes a
        millisecond a schedule or so: call it away from the event loop.
        """
        self._queue, self._ends, self._next, self._last = [], [], {}, {}
        for planned in self.plans.values():
            self._queue_next(planned, max(now, (seen or {}).get(planned.name, now)))
        for planned in self._profiles:
            if (at := planned.last_at(now)) is not None:
                self._take_last(planned, at, now)

    def take(self, now: datetime) -> list[Due]:
        """Return what has come due since the last call, the oldest first, of each schedule the newest."""
        due: dict[str, Due] = {}
        while self._queue and self._queue[0][0] <= now:
            at, _, name = heapq.heappop(self._queue)
            planned = self.plans[name]
            following = planned.next_after(at)
            if following is not None and following <= now:
                at = planned.last_at(now) or at
            due.pop(name, None)
            due[name] = Due(at, planned)
            if planned.schedule.profile:
                self._take_last(planned, at, now)
            self._queue_next(planned, at)
        while self._ends and self._ends[0][0] <= now:
            heapq.heappop(self._ends)
            self._coming = None
        return sorted(due.values(), key=lambda one: (one.at, one.planned.order))

    def holds(self, now: datetime) -> Hold | None:
        """Return which profile should hold."""
        return holding(self._last.values(), now)

    def next_of(self, name: str) -> datetime | None:
        """Return when a schedule comes next, None where it does not."""
        return self._next.get(name)

    def wake(self) -> datetime | None:
        """Return when something is due or ends next."""
        times = [self._queue[0][0]] if self._queue else []
        ends = [self._ends[0][0]] if self._ends else []
        return min([*times, *ends], default=None)

    def coming(self, count: int) -> list[Due | Ends]:
        """Return the next times, and the ends of those that lie over others."""
        if self._coming is None or len(self._coming) < count:
            self._coming = self._look_ahead(count)
        return self._coming[:count]

    def _look_ahead(self, count: int) -> list[Due | Ends]:
        queue = heapq.nsmallest(count, self._queue)
        ends = heapq.nsmallest(count, self._ends)
        found: list[Due | Ends] = []
        while len(found) < count and (queue or ends):
            if ends and (not queue or ends[0][0] <= queue[0][0]):
                at, order, name = heapq.heappop(ends)
                found.append(Ends(at, self.plans[name]))
                continue
            at, order, name = heapq.heappop(queue)
            planned = self.plans[name]
            found.append(Due(at, planned))
            if (following := planned.next_after(at)) is not None:
                heapq.heappush(queue, (following, order, name))
            if planned.schedule.profile and (end := planned.ends(at)) is not None:
                heapq.heappush(ends, (end, order, name))
        return found

    def _queue_next(self, planned: Planned, after: datetime) -> None:
        self._coming = None
        following = planned.next_after(after)
        if following is None:
            self._next.pop(planned.name, None)
            return
        self._next[planned.name] = following
        heapq.heappush(self._queue, (following, planned.order, planned.name))

    def _take_last(self, planned: Planned, at: datetime, now: datetime) -> None:
        ends = planned.ends(at)
        self._last[planned.name] = Wish(planned, at, ends)
        if ends is not None and ends > now:
            heapq.heappush(self._ends, (ends, planned.order, planned.name))
