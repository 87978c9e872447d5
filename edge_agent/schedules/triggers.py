"""Triggers of our own, beside APScheduler's: given moments, and the sun's."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from apscheduler.triggers.base import BaseTrigger

from edge_agent.schedules.days import Days
from edge_agent.schedules.place import Place
from edge_agent.schedules.schedule import Sun
from edge_agent.schedules.words import as_clock_time, as_offset, local

__all__ = ["MomentsTrigger", "SunTrigger"]

_DAY: Final = timedelta(days=1)
# An evening's bound before this hour is meant after midnight.
_NIGHT_ENDS_HOUR: Final = 6
_YEAR_DAYS: Final = 366


class MomentsTrigger(BaseTrigger):  # type: ignore[misc]  # it has no types
    """Comes at each of the moments given, once."""

    def __init__(self, moments: Sequence[datetime]) -> None:
        self._moments = sorted(set(moments))

    def get_next_fire_time(self, _previous: datetime | None, now: datetime) -> datetime | None:
        """Return the first moment at or after `now`."""
        index = bisect_left(self._moments, now)
        return self._moments[index] if index < len(self._moments) else None


class SunTrigger(BaseTrigger):  # type: ignore[misc]  # it has no types
    """Comes once on each solar day that is one of `days`.

    Where the sun does not come to that height all day long there is no such moment. It then counts as later
    than any time, or earlier, by what the sun does: with a bound on that side it comes at the bound, without
    one not at all.
    """

    def __init__(self, *, sun: Sun, place: Place, days: Days) -> None:
        self._sun = sun
        self._place = place
        self._days = days
        self._offset = as_offset(sun.offset)
        # A day's moment may lie two days from it, by a late sunset and a long offset.
        self._slack = timedelta(days=2) + abs(self._offset)
        self._evening = sun.event in ("sunset", "dusk")

    def get_next_fire_time(self, _previous: datetime | None, now: datetime) -> datetime | None:
        """Return the first such moment at or after `now`, None where there is none for a year."""
        day: date | None = (now.astimezone(self._place.timezone) - self._slack).date()
        for _ in range(_YEAR_DAYS + 2 * self._slack.days):
            day = self._days.next_from(day) if day is not None else None
            if day is None:
                return None
            moment = self.on(day)
            if moment is not None and moment >= now:
                return moment
            day += _DAY
        return None

    def last_at(self, moment: datetime, earliest: datetime) -> datetime | None:
        """Return the last such moment at or before `moment`, not before `earliest`."""
        day = (moment.astimezone(self._place.timezone) + self._slack).date()
        while True:
            if self._days.holds(day):
                found = self.on(day)
                if found is not None and found <= moment:
                    return found if found >= earliest else None
            day -= _DAY
            if datetime.combine(day, time(0), tzinfo=UTC) < earliest - self._slack:
                return None

    def on(self, day: date) -> datetime | None:
        """Return the moment of one solar day, in UTC."""
        event = self._place.sun(self._sun.event, day)
        earliest = self._bound(self._sun.not_before, day)
        latest = self._bound(self._sun.not_after, day)
        if not isinstance(event, datetime):
            # Evenings come late where the sun stays up, mornings where it stays away.
            late = (event == "above") == self._evening
            return latest if late else earliest
        moment = event + self._offset
        if earliest is not None and moment < earliest:
            return earliest
        if latest is not None and moment > latest:
            return latest
        return moment

    def _bound(self, text: str | None, day: date) -> datetime | None:
        if text is None:
            return None
        at = as_clock_time(text)
        if self._evening and at.hour < _NIGHT_ENDS_HOUR:
            day += _DAY
        return local(day, at, self._place.timezone).astimezone(UTC)
