"""When a time-lapse takes its pictures: at every interval from its beginning on, inside its hours.

The times are counted from the beginning, never from the last picture: so none drifts, however long taking
one lasts.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Annotated, Any, Final, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

__all__ = ["NAME", "Plan"]

NAME: Final = r"^[a-z0-9][a-z0-9_-]{0,63}$"
_HOURS: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_DAY: Final = timedelta(days=1)
# An interval of whole days may pass the hours by for ever.
_MAX_DAYS: Final = 1500

Hours = Annotated[str, Field(pattern=rf"^{_HOURS.pattern}$")]


class Plan(BaseModel):
    """One time-lapse. `snapshot` holds what each picture's `snapshot` command is given."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = Field(pattern=NAME)
    interval_s: float = Field(ge=1, le=604_800)
    begins_at: AwareDatetime
    ends_at: AwareDatetime | None = None
    count: int | None = Field(None, ge=1, le=10_000_000)
    between_from: Hours | None = None
    between_until: Hours | None = None
    snapshot: dict[str, Any] = {}

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if (self.between_from is None) != (self.between_until is None):
            raise ValueError("give between_from and between_until, or neither")
        if self.between_from is not None and self.between_from == self.between_until:
            raise ValueError("between_from and between_until are the same: that is no time at all")
        if self.ends_at is not None and self.ends_at <= self.begins_at:
            raise ValueError("ends_at is not after begins_at")
        return self

    def due(self, number: int) -> datetime:
        """Return the time of the interval with this number, the first being 0, whatever the hours."""
        return self.begins_at.astimezone(UTC) + number * timedelta(seconds=self.interval_s)

    def number_at(self, moment: datetime) -> int:
        """Return the number of the last interval at or before `moment`, -1 before the first."""
        # Integers: after a year of seconds a division of floats is off by one.
        elapsed_us = (moment - self.begins_at) // timedelta(microseconds=1)
        return max(-1, elapsed_us // round(self.interval_s * 1_000_000))

    def next_number(self, after: int, timezone: tzinfo) -> int | None:
        """Return the first number above `after` that is inside the hours; None after the end, or never."""
        number = after + 1
        for _ in range(_MAX_DAYS):
            if self.ends_at is not None and self.due(number) > self.ends_at:
                return None
            opens = self._opening(self.due(number), timezone)
            if opens is None:
                return number
            number = self.number_at(opens)
            number += self.due(number) < opens
        return None

    def wanted_between(self, first: int, last: int, timezone: tzinfo) -> int:
        """Return how many of the numbers `first` to `last` are inside the hours."""
        wanted, number = 0, first
        while number <= last:
            opening = self.next_number(number - 1, timezone)
            if opening is None or opening > last:
                break
            # One step for each day, not for each picture: there may be millions.
            number = last + 1
            if self.between_from is not None:
                closes = self._next(self.between_until, self.due(opening), timezone)
                number = min(number, self.number_at(closes) + (self.due(self.number_at(closes)) < closes))
            wanted += number - opening
        return wanted

    def _opening(self, moment: datetime, timezone: tzinfo) -> datetime | None:
        """Return when the hours open next; None where they are open at `moment`."""
        if self.between_from is None:
            return None
        opens, closes = _clock_time(self.between_from), _clock_time(self.between_until)
        now = moment.astimezone(timezone).time()
        # Over midnight, 22:00 to 04:00, it is open outside the span from the end to the beginning.
        is_open = opens <= now < closes if opens < closes else now >= opens or now < closes
        return None if is_open else self._next(self.between_from, moment, timezone)

    def _next(self, clock_time: str | None, after: datetime, timezone: tzinfo) -> datetime:
        wanted, local = _clock_time(clock_time), after.astimezone(timezone)
        day = local.date() if local.time() < wanted else local.date() + _DAY
        return datetime.combine(day, wanted, tzinfo=timezone).astimezone(UTC)


def _clock_time(text: str | None) -> time:
    hours, _, minutes = (text or "00:00").partition(":")
    return time(int(hours), int(minutes))
