"""The timetable: which schedule's time has come, by a wall clock that may jump."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Final

from edge_agent.errors import ConfigError
from edge_agent.schedules.schedule import Schedule, last_fire, next_fire, trigger_of

if TYPE_CHECKING:
    from apscheduler.triggers.cron import CronTrigger

__all__ = ["Due", "Timetable"]

# Less is a clock that is being slewed; more was set, or the machine slept.
_JUMP_S: Final = 2.0


@dataclass(frozen=True)
class Due:
    """A schedule and when its time came. `missed` tells that nobody was looking then."""

    at: datetime
    schedule: Schedule
    missed: bool


class Timetable:
    """The enabled schedules and their times. `wrong` holds what is wrong with the others."""

    def __init__(self, *, schedules: Iterable[Schedule], timezone: tzinfo) -> None:
        self.wrong: list[str] = []
        self._triggers: list[tuple[Schedule, CronTrigger]] = []
        self._next: dict[str, datetime | None] = {}
        self._offset_s: float | None = None
        for schedule in schedules:
            if not schedule.enabled:
                continue
            try:
                self._triggers.append((schedule, trigger_of(schedule, timezone)))
            except ConfigError as error:
                self.wrong.append(error.message)

    def next_of(self, name: str) -> datetime | None:
        """Return when a schedule is due, None where it is not in force or nobody has looked yet."""
        return self._next.get(name)

    def look(self, now: datetime, monotonic_s: float) -> Due | None:
        """Return what has come due since the last look, the newest if there are several.

        At the first look and after the wall clock has jumped this is the last time before now, which may
        have been acted on already.
        """
        offset_s = now.timestamp() - monotonic_s
        jumped = self._offset_s is None or abs(offset_s - self._offset_s) > _JUMP_S
        self._offset_s = offset_s
        due: Due | None = None
        for schedule, trigger in self._triggers:
            coming = self._next.get(schedule.name)
            if not jumped and (coming is None or coming > now):
                continue
            fired = last_fire(trigger, now)
            self._next[schedule.name] = next_fire(trigger, now)
            # Of two at the same time the one that is written last holds.
            if fired is not None and (due is None or fired >= due.at):
                due = Due(fired, schedule, missed=jumped)
        return due
