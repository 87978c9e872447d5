"""How times, days and durations are written in a schedule, and what they mean."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final

from edge_agent.errors import nearest

__all__ = [
    "WEEK_DAYS",
    "Day",
    "as_clock_time",
    "as_day",
    "as_days",
    "as_duration",
    "as_moment",
    "as_offset",
    "as_period",
    "local",
    "told",
]

WEEK_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DURATION: Final = re.compile(r"(?:(\d{1,4})d)?(?:(\d{1,5})h)?(?:(\d{1,6})m)?(?:(\d{1,8})s)?")
_CLOCK_TIME: Final = re.compile(r"(\d{1,2}):(\d\d)(?::(\d\d))?")
# The hour as people write it, which ISO 8601 does not know.
_ONE_DIGIT: Final = re.compile(r"^(\d{4}-\d\d-\d\d[ T])(?=\d:)")
_DAY: Final = re.compile(r"(?:(\d{4})-)?(\d\d)-(\d\d)")
# A year that has all days.
_LEAP_YEAR: Final = 2000
# YAML's older rules read 7:00 as a number of base 60, and on and off as yes and no.
_QUOTES: Final = "; a time like 7:00 in a YAML list needs quotes: '7:00'"


@dataclass(frozen=True, order=True)
class Day:
    """A day of one year, or with `year` 0 of every year."""

    year: int
    month: int
    day: int

    def __str__(self) -> str:
        return f"{self.year}-{self.month:02}-{self.day:02}" if self.year else f"{self.month:02}-{self.day:02}"


def as_duration(text: object) -> timedelta:
    """Return what `1h30m` means. Raises ValueError."""
    match = _DURATION.fullmatch(text.replace(" ", "")) if isinstance(text, str) else None
    if match is None or not match[0]:
        shown = f"'{text}'"
        if str(text).strip().isdigit():
            raise ValueError(f"{shown} has no unit; right is {text}s, {text}m, {text}h or 1h30m")
        raise ValueError(f"{shown} is no duration; right is one like 90s, 15m, 1h30m or 2d")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def as_offset(text: object) -> timedelta:
    """Return what `-30m` or `+1h` means. Raises ValueError."""
    if isinstance(text, str) and text[:1] in ("-", "+"):
        length = as_duration(text[1:])
        return -length if text[0] == "-" else length
    return as_duration(text)


def as_clock_time(text: object) -> time:
    """Return what `7:00` or `19:30:15` means. Raises ValueError."""
    match = _CLOCK_TIME.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"'{text}' is no time of day; right is one like '7:00' or '19:30'")
    try:
        return time(int(match[1]), int(match[2]), int(match[3] or 0))
    except ValueError as error:
        raise ValueError(f"there is no time {text}; right is 0:00 to 23:59") from error


def as_day(text: object) -> Day:
    """Return what `12-24` or `2026-12-24` means. Raises ValueError."""
    match = _DAY.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"'{text}' is no date; right is month and day like '12-24', or '2026-12-24'")
    year, month, day = (int(part or 0) for part in match.groups())
    try:
        date(year or _LEAP_YEAR, month, day)
    except ValueError as error:
        raise ValueError(f"there is no date {text}") from error
    return Day(year, month, day)


def as_period(text: object) -> tuple[Day, Day]:
    """Return the first and the last day of `12-24`, or of `12-24..01-06`. Raises ValueError."""
    first, dots, last = str(text).partition("..")
    if not dots:
        return as_day(text), as_day(text)
    begin, end = as_day(first.strip()), as_day(last.strip())
    if bool(begin.year) != bool(end.year):
        raise ValueError(f"'{text}' has a year on one side only")
    if begin.year and end < begin:
        raise ValueError(f"'{text}' ends before it begins")
    return begin, end


def as_days(words: Sequence[object]) -> frozenset[int]:
    """Return the days of the week, Monday is 0, that `mon-fri` and `sun` mean. Raises ValueError."""
    days: set[int] = set()
    for word in words:
        first, dash, last = str(word).lower().partition("-")
        begin = _week_day(first, word)
        end = _week_day(last, word) if dash else begin
        days.update(day % 7 for day in range(begin, (end if end >= begin else end + 7) + 1))
    return frozenset(days)


def _week_day(text: str, word: object) -> int:
    if text not in WEEK_DAYS:
        match = nearest(text[:3], WEEK_DAYS)
        hint = f"; did you mean '{match}'?" if match else ""
        raise ValueError(f"'{word}' is no day of the week; right are mon to sun, and mon-fri{hint}")
    return WEEK_DAYS.index(text)


def as_moment(text: object, timezone: tzinfo) -> datetime:
    """Return the moment, in UTC, of `2026-12-24 18:00` by the clock there, or of RFC 3339.

    A time that the change to summer time leaves out is an hour later. Raises ValueError.
    """
    if not isinstance(text, str):
        hint = _QUOTES if isinstance(text, int) else ""
        raise ValueError(  # noqa: TRY004 - pydantic wants a ValueError
            f"'{text}' is no date with a time, like '2026-12-24 18:00'{hint}"
        )
    try:
        moment = datetime.fromisoformat(_ONE_DIGIT.sub(r"\g<1>0", text.strip().replace("z", "Z")))
    except ValueError as error:
        # Python's own words are right where a day or an hour does not exist.
        reason = f": {error}" if "must be in" in str(error) or "out of range" in str(error) else ""
        raise ValueError(
            f"'{text}' is no date with a time, like '2026-12-24 18:00' or 2026-12-24T17:00:00Z{reason}"
        ) from error
    if moment.time() == time() and ":" not in text:
        raise ValueError(f"'{text}' has no time; right is one like '{text.strip()} 18:00'")
    if moment.tzinfo is None:
        moment = local(moment.date(), moment.time(), timezone)
    return moment.astimezone(UTC).replace(microsecond=0)


def local(day: date, at: time, timezone: tzinfo) -> datetime:
    """Return the moment, in UTC, of a time by the clock of a place.

    One that the change to summer time leaves out is an hour later, of one that comes twice it is the first.
    """
    return datetime.combine(day, at, tzinfo=timezone).astimezone(UTC)


def told(length: timedelta) -> str:
    """Return a duration as it would be written."""
    seconds = int(length.total_seconds())
    if seconds < 0:
        return f"-{told(-length)}"
    parts = []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"
