"""On which days a schedule is in force: days of the week, a season, exceptions."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

from edge_agent.schedules.schedule import Schedule
from edge_agent.schedules.words import Day, as_day, as_days, as_period

__all__ = ["Days"]

# Eight years without a 29th of February are the longest that anyone will wait for a day.
_LOOK_AHEAD: Final = timedelta(days=9 * 366)
_FIRST: Final = Day(0, 1, 1)
_LAST: Final = Day(0, 12, 31)


class Days:
    """Says whether a day is one of the schedule's, and which one is the next."""

    def __init__(self, schedule: Schedule) -> None:
        self._week = as_days(schedule.days) if schedule.days is not None else frozenset(range(7))
        self._season = _season(schedule.from_, schedule.until)
        self._except = [as_period(text) for text in schedule.except_ or ()]
        self.all = len(self._week) == 7 and self._season is None and not self._except

    def holds(self, day: date) -> bool:
        """Whether the schedule is in force on this day."""
        if self.all:
            return True
        return (
            day.weekday() in self._week
            and (self._season is None or _within(day, *self._season))
            and not any(_within(day, *period) for period in self._except)
        )

    def next_from(self, day: date) -> date | None:
        """Return the first day of the schedule's at or after `day`, None where there is none for years."""
        end = day + _LOOK_AHEAD
        while day < end:
            if self.holds(day):
                return day
            day += timedelta(days=1)
        return None

    def over(self, day: date) -> bool:
        """Whether the last of its days lies before this one."""
        return self._season is not None and bool(self._season[1].year) and not _until(day, self._season[1])


def _season(begin: str | None, end: str | None) -> tuple[Day, Day] | None:
    if begin is None and end is None:
        return None
    first = as_day(begin) if begin else None
    last = as_day(end) if end else None
    if first is None and last is not None:
        first = Day(1, 1, 1) if last.year else _FIRST
    if last is None and first is not None:
        last = Day(9999, 12, 31) if first.year else _LAST
    return (first, last) if first and last else None


def _within(day: date, first: Day, last: Day) -> bool:
    if first.year:
        return (first.year, first.month, first.day) <= (day.year, day.month, day.day) and _until(day, last)
    here, begin, end = (day.month, day.day), (first.month, first.day), (last.month, last.day)
    # A season may go over the new year.
    return begin <= here <= end if begin <= end else here >= begin or here <= end


def _until(day: date, last: Day) -> bool:
    return (day.year, day.month, day.day) <= (last.year, last.month, last.day)
