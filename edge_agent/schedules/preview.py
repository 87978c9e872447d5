"""What will be: the coming days of a configuration, with what holds when, each switch, and the sun."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final, get_args

from edge_agent.clock import rfc3339
from edge_agent.schedules.holding import Hold
from edge_agent.schedules.place import Place
from edge_agent.schedules.plan import Planned
from edge_agent.schedules.schedule import SunEvent
from edge_agent.schedules.timetable import Timetable
from edge_agent.schedules.words import local

__all__ = ["Bar", "Day", "Often", "Preview", "Switch", "look_ahead"]

# More than this many times a day are told in a line, not each.
_OFTEN: Final = 24
_MAX_SWITCHES: Final = 20_000
_DAY: Final = timedelta(days=1)
_MIDNIGHT: Final = time(0)


@dataclass(frozen=True)
class Bar:
    """A stretch of time in which one profile holds; None is nobody's wish."""

    begin: datetime
    end: datetime
    profile: str | None
    schedule: str | None
    because: str | None


@dataclass(frozen=True)
class Switch:
    """A time at which something is done, or would be: `holds` is False where another profile lies over it."""

    at: datetime
    schedule: str
    does: str
    because: str
    profile: str | None = None
    holds: bool = True


@dataclass(frozen=True)
class Often:
    """A command's schedule that comes too often to be shown each time."""

    schedule: str
    does: str
    when: str
    times_a_day: int


@dataclass(frozen=True)
class Day:
    """One day by the clock there."""

    date: date
    begin: datetime
    end: datetime
    sun: Mapping[str, datetime | None]
    bars: list[Bar] = field(default_factory=list)
    switches: list[Switch] = field(default_factory=list)

    @property
    def hours(self) -> int:
        """How many hours it has: 23 or 25 where the clocks change."""
        return round((self.end - self.begin) / timedelta(hours=1))


@dataclass(frozen=True)
class Preview:
    """Some days. `cut` tells where there were too many switches to go on."""

    place: Place
    days: list[Day]
    often: list[Often]
    cut: datetime | None = None

    @property
    def profiles(self) -> list[str]:
        """The profiles that hold at some time, in the order in which they come."""
        return list(dict.fromkeys(bar.profile for day in self.days for bar in day.bars if bar.profile))

    def document(self) -> dict[str, Any]:
        """Return it for machines; times are RFC 3339 in UTC."""
        place = self.place
        return {
            "timezone": str(place.timezone),
            "place": {"latitude": place.latitude, "longitude": place.longitude},
            "cut": rfc3339(self.cut) if self.cut else None,
            "days": [
                {
                    "date": day.date.isoformat(),
                    "hours": day.hours,
                    "sun": {name: rfc3339(at) if at else None for name, at in day.sun.items()},
                    "holds": [
                        {
                            "from": rfc3339(bar.begin),
                            "to": rfc3339(bar.end),
                            "profile": bar.profile,
                            "schedule": bar.schedule,
                            "because": bar.because,
                        }
                        for bar in day.bars
                    ],
                    "switches": [
                        {
                            "time": rfc3339(switch.at),
                            "schedule": switch.schedule,
                            "does": switch.does,
                            "because": switch.because,
                            "holds": switch.holds,
                        }
                        for switch in day.switches
                    ],
                }
                for day in self.days
            ],
            "often": [
                {
                    "schedule": often.schedule,
                    "does": often.does,
                    "when": often.when,
                    "times_a_day": often.times_a_day,
                }
                for often in self.often
            ],
        }


def look_ahead(plans: Iterable[Planned], *, place: Place, first: date, days: int) -> Preview:
    """Return what will be on `days` days from `first` on."""
    shown = [_day(place, first + _DAY * number) for number in range(days)]
    begin, end = shown[0].begin, shown[-1].end
    often, walked = _sorted_out(plans, begin)
    timetable = Timetable(walked)
    timetable.start(begin - timedelta(seconds=1))
    hold = timetable.holds(begin - timedelta(seconds=1))
    since, count = begin, 0
    while (wake := timetable.wake()) is not None and wake < end and count < _MAX_SWITCHES:
        due = timetable.take(wake)
        now = timetable.holds(wake)
        if now is None or hold is None or now.key != hold.key:
            _add_bars(shown, since, wake, hold)
            since = wake
        restored = now is not None and (hold is None or now.key != hold.key) and now.since == wake
        for one in due:
            count += 1
            schedule = one.planned.schedule
            holds = schedule.profile is None or (now is not None and now.key == (one.planned.name, one.at))
            restored = restored and not (holds and schedule.profile is not None)
            _add(
                shown,
                Switch(wake, one.planned.name, schedule.does, schedule.when, schedule.profile, holds=holds),
            )
        if restored and now is not None:
            _add(shown, _restored(wake, now))
        hold = now
    stopped = wake if wake is not None and wake < end else None
    _add_bars(shown, since, stopped or end, hold)
    return Preview(place=place, days=shown, often=often, cut=stopped)


def _restored(at: datetime, hold: Hold) -> Switch:
    schedule = hold.planned.schedule
    return Switch(at, schedule.name, schedule.does, hold.because, schedule.profile)


def _day(place: Place, day: date) -> Day:
    begin, end = (local(at, _MIDNIGHT, place.timezone) for at in (day, day + _DAY))
    sun: dict[str, datetime | None] = {}
    if place.has_sun:
        for event in get_args(SunEvent):
            moment = place.sun(event, day)
            sun[event] = moment if isinstance(moment, datetime) else None
    return Day(date=day, begin=begin, end=end, sun=sun)


def _sorted_out(plans: Iterable[Planned], begin: datetime) -> tuple[list[Often], list[Planned]]:
    often: list[Often] = []
    walked: list[Planned] = []
    for planned in plans:
        schedule = planned.schedule
        count, at = 0, begin
        while schedule.command and count <= _OFTEN:
            following = planned.next_after(at)
            if following is None or following > begin + _DAY:
                break
            count, at = count + 1, following
        if count <= _OFTEN:
            walked.append(planned)
            continue
        # From the distance of the first ones: exact for what comes evenly.
        times = round(_DAY / ((at - begin) / count))
        often.append(Often(schedule.name, schedule.does, schedule.when, times))
    return often, walked


def _add_bars(days: list[Day], begin: datetime, end: datetime, hold: Hold | None) -> None:
    for day in days:
        start, stop = max(begin, day.begin), min(end, day.end)
        if start < stop:
            planned = hold.planned if hold else None
            day.bars.append(
                Bar(
                    start.astimezone(UTC),
                    stop.astimezone(UTC),
                    planned.schedule.profile if planned else None,
                    planned.name if planned else None,
                    hold.because if hold else None,
                )
            )


def _add(days: list[Day], switch: Switch) -> None:
    for day in days:
        if day.begin <= switch.at < day.end:
            day.switches.append(switch)
