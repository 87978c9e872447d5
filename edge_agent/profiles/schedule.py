"""Schedules: when which profile, as YAML.

    at_dawn:
      cron: "0 7 * * *"
      profile: day

`cron` has five fields (minute, hour, day of the month, month, day of the week); with six the first one is
the second. APScheduler computes and runs the times.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge_agent.contract.validation import refusal
from edge_agent.errors import ConfigError

if TYPE_CHECKING:
    from apscheduler.triggers.cron import CronTrigger

__all__ = ["Schedule", "last_fire", "load_schedules", "trigger_of"]

_MAX_FILE_BYTES: Final = 1024 * 1024
_FIELDS: Final = ("second", "minute", "hour", "day", "month", "day_of_week")
# The last time is looked for in ever longer stretches of the past, so that a schedule of every minute
# does not walk through a year.
_STRETCHES: Final = tuple(timedelta(hours=hours) for hours in (1, 25, 8 * 24, 32 * 24, 367 * 24))


class Schedule(BaseModel):
    """One switch that repeats."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")
    cron: str
    profile: str
    enabled: bool = True
    description: str = ""


def trigger_of(schedule: Schedule, timezone: tzinfo) -> CronTrigger:
    """Return the schedule's times. Raises ConfigError that says which field is wrong."""
    from apscheduler.triggers.cron import CronTrigger  # noqa: PLC0415 - only where schedules run

    fields = schedule.cron.split()
    if len(fields) == len(_FIELDS) - 1:
        fields = ["0", *fields]
    if len(fields) != len(_FIELDS):
        raise ConfigError(
            f"schedule '{schedule.name}': cron '{schedule.cron}' has {len(schedule.cron.split())} fields; "
            "right are five: minute hour day month day_of_week, as in '0 7 * * mon-fri'",
            field="cron",
            value=schedule.cron,
        )
    named = dict(zip(_FIELDS, fields, strict=True))
    # APScheduler counts its weekdays from Monday, crontab from Sunday: names mean the same to both.
    named["day_of_week"] = _week_days(named["day_of_week"])
    try:
        return CronTrigger(timezone=timezone, **named)
    except ValueError as error:
        raise ConfigError(
            f"schedule '{schedule.name}': cron '{schedule.cron}': {error}", field="cron", value=schedule.cron
        ) from error


def _week_days(field: str) -> str:
    names = ("sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")
    return ",".join(
        "-".join(
            names[int(day)] if day.isdigit() and int(day) < len(names) else day for day in part.split("-")
        )
        for part in field.split(",")
    )


def last_fire(trigger: CronTrigger, now: datetime) -> datetime | None:
    """Return the last time at or before `now`, looking back a year at most."""
    for stretch in _STRETCHES:
        last: datetime | None = None
        candidate = trigger.get_next_fire_time(None, now - stretch)
        while candidate is not None and candidate <= now:
            last = candidate
            candidate = trigger.get_next_fire_time(last, last + timedelta(microseconds=1))
        if last is not None:
            return last
    return None


def load_schedules(directories: Iterable[Path]) -> tuple[list[Schedule], list[str]]:
    """Read every `*.yaml` right in the directories; return also what is wrong, each with its file."""
    found: dict[str, Schedule] = {}
    problems: list[str] = []
    for directory in directories:
        for path in sorted(directory.glob("*.yaml")):
            try:
                document = yaml.safe_load(path.read_bytes()[:_MAX_FILE_BYTES])
            except OSError as error:
                problems.append(f"{path}: {error.strerror}")
                continue
            except yaml.YAMLError as error:
                mark = getattr(error, "problem_mark", None)
                problems.append(f"{path}{f', line {mark.line + 1}' if mark else ''}: not YAML")
                continue
            if not isinstance(document, Mapping):
                problems.append(f"{path}: a file of schedules maps names to schedules")
                continue
            for name, fields in document.items():
                _take(found, problems, path, str(name), fields)
    return list(found.values()), problems


def _take(found: dict[str, Schedule], problems: list[str], path: Path, name: str, fields: Any) -> None:
    try:
        found[name] = Schedule.model_validate(
            {"name": name, **(fields if isinstance(fields, Mapping) else {})}
        )
    except ValidationError as error:
        problems.append(f"{path}: schedule '{name}': {refusal(Schedule, error).message}")
