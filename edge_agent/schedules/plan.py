"""A schedule with its times: when it comes next, when it came last, how long it lies over others.

A time that the change to summer time leaves out comes an hour later; one that the change back repeats comes
once, unless a cron line's minute or hour hold a `*`. Intervals go by elapsed time.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from edge_agent.errors import ConfigError
from edge_agent.schedules.days import Days
from edge_agent.schedules.place import Place
from edge_agent.schedules.schedule import Schedule
from edge_agent.schedules.words import as_clock_time, as_duration, as_moment, local

if TYPE_CHECKING:
    from apscheduler.triggers.base import BaseTrigger

    from edge_agent.schedules.triggers import SunTrigger

__all__ = ["Planned"]

_SECOND: Final = timedelta(seconds=1)
_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)
_LOOK_BACK: Final = timedelta(days=367)
_LOOK_AHEAD: Final = timedelta(days=9 * 366)
# Before every schedule's times: whether there are any is asked from here on.
_LONG_AGO: Final = datetime(2024, 1, 1, tzinfo=UTC)
# A Monday: where intervals are counted from, at its midnight.
_COUNTED_FROM: Final = "2024-01-01 00:00"
_MAX_STEPS: Final = 5000
_FIRST_LOOK_BACK: Final = timedelta(seconds=90)
_WALK: Final = 8
_NEVER: Final = {
    "sunrise": "the sun never rises",
    "sunset": "the sun never sets",
    "dawn": "there is no civil dawn",
    "dusk": "there is no civil dusk",
}


class Planned:
    """One schedule at one place. Moments are in UTC, to the second.

    Raises ConfigError, with the field that is wrong, for one that can never come.
    """

    def __init__(self, schedule: Schedule, *, place: Place, order: int = 0) -> None:
        self.schedule = schedule
        self.order = order
        self._place = place
        self._days = Days(schedule)
        self._once_a_day = False
        self._sun: SunTrigger | None = None
        self._trigger = self._new_trigger()
        self._refuse_never()

    @property
    def name(self) -> str:
        """The schedule's name."""
        return self.schedule.name

    def next_after(self, moment: datetime) -> datetime | None:
        """Return the first time after `moment`, None where there is none for years."""
        start = moment.astimezone(UTC).replace(microsecond=0) + _SECOND
        horizon = start + _LOOK_AHEAD
        timezone = self._place.timezone
        for _ in range(_MAX_STEPS):
            there: datetime | None = self._trigger.get_next_fire_time(None, start.astimezone(timezone))
            if there is None:
                return None
            there = there.astimezone(timezone)
            found = there.astimezone(UTC)
            if found > horizon:
                return None
            if self._once_a_day and there.fold and there.utcoffset() != there.replace(fold=0).utcoffset():
                start = found + _SECOND
            elif self.schedule.sun is not None or self._days.holds(there.date()):
                return found  # the sun's trigger minds the days itself: an evening may end after midnight
            else:
                day = self._days.next_from(there.date() + _DAY)
                if day is None:
                    return None
                start = max(found + _SECOND, local(day, as_clock_time("0:00"), timezone))
        return None

    def last_at(self, moment: datetime) -> datetime | None:
        """Return the last time at or before `moment`, looking back a year at most."""
        end = moment.astimezone(UTC).replace(microsecond=0)
        earliest = end - _LOOK_BACK
        if self._sun is not None:
            return self._sun.last_at(end, earliest)
        end = self._last_day_until(end)
        # Most come once a day: that is asked first. Others come more often, or much less.
        back = _DAY + _HOUR if self._once_a_day else _FIRST_LOOK_BACK
        while True:
            begin = max(end - back, earliest)
            found = self.next_after(begin)
            if found is not None and found <= end:
                return self._last_between(found, end)
            if begin == earliest:
                return None
            back *= 4

    def _last_day_until(self, moment: datetime) -> datetime:
        """Return the moment, or the end of the last of the schedule's days before it."""
        if self._days.all:
            return moment
        timezone = self._place.timezone
        day = moment.astimezone(timezone).date()
        for _ in range(_LOOK_BACK.days):
            if self._days.holds(day):
                break
            day -= _DAY
        return min(moment, local(day + _DAY, as_clock_time("0:00"), timezone) - _SECOND)

    def ends(self, fire: datetime) -> datetime | None:
        """Return until when a time's profile lies over others, None where it is the ground for the next."""
        schedule = self.schedule
        if schedule.for_ is not None:
            return fire + as_duration(schedule.for_)
        if schedule.until_time is None:
            return None
        at, timezone = as_clock_time(schedule.until_time), self._place.timezone
        day = fire.astimezone(timezone).date()
        end = local(day, at, timezone)
        return end if end > fire else local(day + _DAY, at, timezone)

    def _last_between(self, found: datetime, end: datetime) -> datetime:
        for _ in range(_WALK):
            following = self.next_after(found)
            if following is None or following > end:
                return found
            found = following
        late = end + _SECOND
        while late - found > _SECOND:
            middle = found + (late - found) / 2
            following = self.next_after(middle)
            if following is not None and following <= end:
                found = following
            else:
                late = middle
        return self._stepped(found, end)

    def _stepped(self, found: datetime, end: datetime) -> datetime:
        following = self.next_after(found)
        return following if following is not None and following <= end else found

    def _new_trigger(self) -> BaseTrigger:
        # Loaded where schedules run, and not for a node that has none.
        from apscheduler.triggers.interval import IntervalTrigger  # noqa: PLC0415 - see above

        from edge_agent.schedules.cron import cron_trigger, is_repeated  # noqa: PLC0415 - see above
        from edge_agent.schedules.triggers import MomentsTrigger, SunTrigger  # noqa: PLC0415 - see above

        schedule, timezone = self.schedule, self._place.timezone
        if schedule.cron is not None:
            trigger = cron_trigger(schedule.cron, timezone)
            self._once_a_day = not is_repeated(schedule.cron)
            return trigger
        if schedule.interval is not None:
            every = as_duration(schedule.interval.every)
            start = as_moment(schedule.interval.start or _COUNTED_FROM, timezone)
            return IntervalTrigger(seconds=int(every.total_seconds()), start_date=start, timezone=UTC)
        if schedule.sun is not None:
            if not self._place.has_sun:
                raise ConfigError(
                    "'sun' needs to know where this is: set profiles.latitude and profiles.longitude",
                    field="sun",
                )
            self._sun = SunTrigger(sun=schedule.sun, place=self._place, days=self._days)
            return self._sun
        return MomentsTrigger([as_moment(text, timezone) for text in schedule.at or ()])

    def _refuse_never(self) -> None:
        schedule = self.schedule
        if schedule.interval is not None and self._days.all:
            return
        if self.next_after(_LONG_AGO) is not None:
            return
        if schedule.cron is not None:
            days = "" if self._days.all else " among those of 'days', 'from', 'until' and 'except'"
            raise ConfigError(
                f"cron '{schedule.cron}': there is no such day{days}", field="cron", value=schedule.cron
            )
        if schedule.sun is not None:
            days = "" if self._days.all else " on the days of this schedule"
            does = _NEVER[schedule.sun.event]
            raise ConfigError(
                f"sun: at {self._place} {does}{days}; 'not_before' and 'not_after' would say when instead",
                field="sun.event",
                value=schedule.sun.event,
            )
        if self._days.all and schedule.at is not None:
            return  # it is over
        raise ConfigError(
            "it never comes: none of its times is on a day that 'days', 'from', 'until' and 'except' leave",
            field="days" if schedule.days else "from" if schedule.from_ else "except",
        )
