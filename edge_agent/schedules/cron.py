"""A crontab's line, read as crontab reads it, for APScheduler.

Five fields (minute, hour, day of the month, month, day of the week); with six the first one is the second.
Week days are those of crontab: 0 and 7 are Sunday, ranges may go over the week's end.
"""

from __future__ import annotations

import re
from datetime import UTC, tzinfo
from typing import Final

from apscheduler.triggers.cron import CronTrigger

from edge_agent.errors import ConfigError

__all__ = ["cron_trigger", "is_repeated"]

_FIELDS: Final = ("second", "minute", "hour", "day", "month", "day_of_week")
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_DAY: Final = r"[0-7]|sun|mon|tue|wed|thu|fri|sat"
_DAYS_PART: Final = re.compile(rf"(?:\*|(?P<first>{_DAY})(?:-(?P<last>{_DAY}))?)(?:/(?P<step>[1-7]))?")


def cron_trigger(line: str, timezone: tzinfo) -> CronTrigger:
    """Return the line's times. Raises ConfigError that says which field is wrong."""

    def wrong(reason: str) -> ConfigError:
        return ConfigError(f"cron '{line}'{reason}", field="cron", value=line)

    fields = line.lower().split()
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
        return CronTrigger(timezone=timezone, **named)
    except ValueError as error:
        reason = str(error).rpartition("Error validating expression ")[2]
        raise wrong(f": {_culprit(named)}{reason}") from error


def _culprit(named: dict[str, str]) -> str:
    """Return the field that APScheduler refuses, where it is one of them alone."""
    for name, text in named.items():
        try:
            CronTrigger(timezone=UTC, **{name: text})
        except ValueError:
            return f"{name} "
    return ""


def is_repeated(line: str) -> bool:
    """Whether it goes on within the day, so that an hour that comes twice has its times twice."""
    fields = line.split()
    return "*" in fields[-5] + fields[-4]


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
