"""Schedules: when which profile, as YAML.

    at_dawn:
      cron: "0 7 * * *"
      profile: day

`cron` has five fields (minute, hour, day of the month, month, day of the week); with six the first one is
the second. Week days are those of crontab: 0 and 7 are Sunday, ranges may go over the week's end. APScheduler
computes the times. A time that the change to summer time leaves out comes an hour later; one that the change
back repeats comes once, unless minute or hour hold a `*`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from edge_agent.contract.validation import validate
from edge_agent.errors import ConfigError, RefusedError
from edge_agent.profiles.yaml_file import read_mapping

if TYPE_CHECKING:
    from apscheduler.triggers.cron import CronTrigger

__all__ = ["Schedule", "last_fire", "load_schedules", "next_fire", "trigger_of"]

_FIELDS: Final = ("second", "minute", "hour", "day", "month", "day_of_week")
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_DAY: Final = r"[0-7]|sun|mon|tue|wed|thu|fri|sat"
_DAYS_PART: Final = re.compile(rf"(?:\*|(?P<first>{_DAY})(?:-(?P<last>{_DAY}))?)(?:/(?P<step>[1-7]))?")
_LOOK_BACK: Final = timedelta(days=367)
_SECOND: Final = timedelta(seconds=1)
# Before every schedule's times: whether there are any is asked from here on.
_LONG_AGO: Final = datetime(2024, 1, 1, tzinfo=UTC)


class Schedule(BaseModel):
    """One switch that repeats."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")
    cron: str = Field(max_length=256)
    profile: str
    enabled: bool = True
    description: str = ""


def trigger_of(schedule: Schedule, timezone: tzinfo) -> CronTrigger:
    """Return the schedule's times. Raises ConfigError that says which field is wrong."""
    from apscheduler.triggers.cron import CronTrigger  # noqa: PLC0415 - only where schedules run

    def wrong(reason: str) -> ConfigError:
        return ConfigError(
            f"schedule '{schedule.name}': cron '{schedule.cron}'{reason}", field="cron", value=schedule.cron
        )

    fields = schedule.cron.lower().split()
    if len(fields) not in (len(_FIELDS) - 1, len(_FIELDS)):
        raise wrong(
            f" has {len(fields)} fields; right are five: minute hour day month day_of_week, "
            "as in '0 7 * * mon-fri'"
        )
    if len(fields) == len(_FIELDS) - 1:
        fields = ["0", *fields]
    named = dict(zip(_FIELDS, fields, strict=True))
    try:
        named["day_of_week"] = _week_days(named["day_of_week"])
        trigger = CronTrigger(timezone=timezone, **named)
    except ValueError as error:
        raise wrong(f": {error}") from error
    if trigger.get_next_fire_time(None, _LONG_AGO.astimezone(timezone)) is None:
        raise wrong(": there is no such day")
    return trigger


def _week_days(text: str) -> str:
    """Return crontab's days, counted from Sunday, as names, which mean the same to APScheduler."""
    days: set[int] = set()
    for part in text.split(","):
        match = _DAYS_PART.fullmatch(part)
        if match is None:
            raise ValueError(f"'{part}' is no day of the week: 0 to 7 or sun to sat, as in 1-5 or sat,sun")
        first, last, step = match["first"], match["last"], int(match["step"] or 1)
        begin = _day(first) if first else 0
        end = _day(last) if last else begin if first and not match["step"] else 6
        if end < begin:
            end += 7
        days.update(day % 7 for day in range(begin, end + 1, step))
    return "*" if len(days) == len(_DAYS) else ",".join(_DAYS[day] for day in sorted(days))


def _day(text: str) -> int:
    return int(text) if text.isdigit() else _DAYS.index(text)


def next_fire(trigger: CronTrigger, after: datetime) -> datetime | None:
    """Return the first time after `after`, in UTC."""
    start = after.astimezone(UTC).replace(microsecond=0) + _SECOND
    while True:
        local: datetime | None = trigger.get_next_fire_time(None, start.astimezone(trigger.timezone))
        if local is None:
            return None
        found = local.astimezone(UTC)
        if not _is_repetition(trigger, found):
            return found
        start = found + _SECOND


def _is_repetition(trigger: CronTrigger, moment: datetime) -> bool:
    fields = {field.name: str(field) for field in trigger.fields}
    if "*" in fields["minute"] + fields["hour"]:
        return False
    local = moment.astimezone(trigger.timezone)
    return local.fold == 1 and local.utcoffset() != local.replace(fold=0).utcoffset()


def last_fire(trigger: CronTrigger, now: datetime) -> datetime | None:
    """Return the last time at or before `now`, in UTC, looking back a year at most."""
    end = now.astimezone(UTC) + _SECOND
    last: datetime | None = None
    begin = end - _LOOK_BACK
    # Halving takes some thirty steps, walking would take one for each minute of a year.
    while end - begin > _SECOND:
        middle = begin + (end - begin) / 2
        found = next_fire(trigger, middle)
        if found is not None and found <= now:
            last = begin = found
        else:
            end = middle
    found = next_fire(trigger, begin)
    return found if found is not None and found <= now else last


def load_schedules(directories: Iterable[Path]) -> tuple[list[Schedule], list[str]]:
    """Read every `*.yaml` right in the directories; return also what is wrong, each with its file."""
    found: dict[str, Schedule] = {}
    problems: list[str] = []
    for directory in directories:
        for path in sorted(directory.glob("*.yaml")):
            try:
                entries = read_mapping(path, what="schedule")
            except ConfigError as error:
                problems.append(error.message)
                continue
            for name, fields in entries.items():
                _take(found, problems, path, name, fields)
    return list(found.values()), problems


def _take(found: dict[str, Schedule], problems: list[str], path: Path, name: str, fields: Any) -> None:
    if not isinstance(fields, Mapping):
        problems.append(f"{path}: schedule '{name}' is no mapping")
        return
    try:
        found[name] = validate(Schedule, {**fields, "name": name})
    except RefusedError as error:
        problems.append(f"{path}: schedule '{name}': {error.message}")
