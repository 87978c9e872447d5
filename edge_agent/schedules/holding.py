"""Which profile should hold at a moment, and why, where several schedules want one.

A time without an end is the ground: it holds until the next such time, whosever that is. A time with an end
(`for`, `until_time`) lies over the ground and over others of lower priority; when it ends, what lies below
holds again. Of equal priority the newest holds, and of two at the same second the one that is written later.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from edge_agent.schedules.plan import Planned

__all__ = ["Hold", "Wish", "holding"]


@dataclass(frozen=True)
class Hold:
    """A schedule whose time `at` has come and which holds since `since`."""

    planned: Planned
    at: datetime
    since: datetime
    ends: datetime | None
    ended: Planned | None = None

    @property
    def key(self) -> tuple[str, datetime]:
        """What tells this time from all others."""
        return self.planned.name, self.at

    @property
    def because(self) -> str:
        """Why it holds, in words."""
        schedule = self.planned.schedule
        text = schedule.when if self.ended is None else f"'{self.ended.name}' has ended: {schedule.when}"
        return f"{text}, priority {schedule.priority}" if schedule.priority else text


@dataclass(frozen=True)
class Wish:
    """The last time of one schedule, and until when it lies over others; None makes it ground."""

    planned: Planned
    at: datetime
    ends: datetime | None

    @property
    def rank(self) -> tuple[int, datetime, int]:
        """Which one holds: the highest."""
        return self.planned.schedule.priority, self.at, self.planned.order

    @property
    def age(self) -> tuple[datetime, int, int]:
        """Which one is the ground: the newest."""
        return self.at, self.planned.schedule.priority, self.planned.order


def holding(wishes: Iterable[Wish], now: datetime) -> Hold | None:
    """Return what should hold now, of the last time of each schedule."""
    ground: Wish | None = None
    layers: list[Wish] = []
    over: list[Wish] = []
    for wish in wishes:
        if wish.ends is None:
            if ground is None or wish.age > ground.age:
                ground = wish
        elif wish.ends > now:
            layers.append(wish)
        else:
            over.append(wish)
    candidates = [*layers, *([ground] if ground else [])]
    if not candidates:
        return None
    best = max(candidates, key=lambda wish: wish.rank)
    since, ended = best.at, None
    for wish in over:
        # It covered the best one until it ended.
        if wish.ends is not None and wish.ends > since and wish.rank > best.rank:
            since, ended = wish.ends, wish.planned
    return Hold(best.planned, best.at, since, best.ends, ended)
