"""A schedule, declared once: its file, its command over MQTT and its documentation follow from this.

    evening:
      sun: {event: sunset, offset: "-30m", not_before: "17:00"}
      profile: night

Exactly one of `cron`, `interval`, `at` and `sun` says when; `profile` or `command` says what.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, timedelta
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from edge_agent.schedules.words import (
    as_clock_time,
    as_day,
    as_days,
    as_duration,
    as_moment,
    as_offset,
    as_period,
)

__all__ = ["NAME", "TRIGGERS", "Definition", "Interval", "RunIfWithin", "Schedule", "Sun", "SunEvent"]

NAME: Final = r"^[a-z0-9][a-z0-9_-]{0,63}$"
TRIGGERS: Final = ("cron", "interval", "at", "sun")
_MAX_LIST: Final = 100
_SHORTEST: Final = timedelta(seconds=1)

SunEvent = Literal["sunrise", "sunset", "dawn", "dusk"]


def _understood(meaning: Callable[[object], Any]) -> Callable[[Any], Any]:
    """Return a validator that keeps the text and refuses what means nothing."""

    def check(value: Any) -> Any:
        if value is not None:
            meaning(value)
        return value

    return check


def _each(meaning: Callable[[object], Any]) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        entries = [value] if isinstance(value, str) else value
        if not isinstance(entries, list | tuple):
            meaning(entries)
            raise ValueError("it should be a list")  # noqa: TRY004 - pydantic wants a ValueError
        for entry in entries:
            meaning(entry)
        return tuple(entries)

    return check


def _listed(value: Any) -> Any:
    entries = (value,) if isinstance(value, str) else value
    if not isinstance(entries, list | tuple):
        raise ValueError("it should be a list like [mon-fri, sun]")  # noqa: TRY004 - see above
    as_days(entries)
    return tuple(entries)


def _not_nothing(value: str) -> str:
    if as_duration(value) < _SHORTEST:
        raise ValueError(f"'{value}' is shorter than 1s")
    return value


Duration = Annotated[str, BeforeValidator(_understood(as_duration)), AfterValidator(_not_nothing)]
Offset = Annotated[str, BeforeValidator(_understood(as_offset))]
ClockTime = Annotated[str, BeforeValidator(_understood(as_clock_time))]
Date = Annotated[str, BeforeValidator(_understood(as_day))]
Moment = Annotated[str, BeforeValidator(_understood(lambda text: as_moment(text, UTC)))]
Moments = Annotated[tuple[str, ...], BeforeValidator(_each(lambda text: as_moment(text, UTC)))]
WeekDays = Annotated[tuple[str, ...], BeforeValidator(_listed)]
Periods = Annotated[tuple[str, ...], BeforeValidator(_each(as_period))]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Interval(_Part):
    """Again and again, by elapsed time: no change of the clocks matters."""

    every: Duration = Field(description="Like 90s, 15m or 1h30m", max_length=32)
    start: Moment | None = Field(
        None, description="When to count from, like '2026-07-01 06:00'; else from a midnight", max_length=40
    )


class Sun(_Part):
    """By the sun at the configured place."""

    event: SunEvent = Field(description="dawn and dusk are the civil ones: the sun 6 degrees below")
    offset: Offset = Field("0s", description="Like -30m or 1h: so much before or after", max_length=32)
    not_before: ClockTime | None = Field(None, description="At this time, where the sun is earlier")
    not_after: ClockTime | None = Field(None, description="At this time, where the sun is later")


class RunIfWithin(_Part):
    """Run what was missed, unless it is too long ago."""

    run_if_within: Duration = Field(description="Like 10m", max_length=32)


class Definition(_Part):
    """All that can be said of a schedule."""

    description: str = Field("", description="For people", max_length=200)
    enabled: bool = Field(True, description="Whether it is in force")
    cron: str | None = Field(
        None, description="minute hour day month day_of_week, like '0 7 * * mon-fri'", max_length=256
    )
    interval: Interval | None = Field(None, description="Again and again")
    at: Moments | None = Field(
        None, description="Once, or a list: '2026-12-24 18:00' there, or RFC 3339", max_length=_MAX_LIST
    )
    sun: Sun | None = Field(None, description="By the sun")
    days: WeekDays | None = Field(None, description="Only on these, like [mon-fri, sun]", max_length=7)
    from_: Date | None = Field(
        None, alias="from", description="The season's first day: '10-01' or '2026-10-01'", max_length=10
    )
    until: Date | None = Field(None, description="The season's last day", max_length=10)
    except_: Periods | None = Field(
        None, alias="except", description="Not on these: '12-24', '12-24..01-06'", max_length=_MAX_LIST
    )
    profile: str | None = Field(None, description="The profile to apply", max_length=64)
    command: str | None = Field(None, description="Or the command to carry out", max_length=64)
    arguments: Any = Field(None, description="The command's arguments")
    for_: Duration | None = Field(
        None, alias="for", description="How long the profile lies over those of lower priority", max_length=32
    )
    until_time: ClockTime | None = Field(None, description="Or until when it does, like '22:00'")
    priority: int = Field(0, ge=-1000, le=1000, description="The higher one holds where two overlap")
    misfire: Literal["skip", "run_once"] | RunIfWithin | None = Field(
        None, description="What becomes of a missed run; profiles: run_once, commands: skip"
    )


class Schedule(Definition):
    """One schedule: when, and what."""

    name: str = Field(pattern=NAME, description="Small letters, digits, - and _")

    @model_validator(mode="after")
    def _one_thing_at_one_time(self) -> Self:
        triggers = [name for name in TRIGGERS if getattr(self, name) is not None]
        if len(triggers) != 1:
            given = f", not {' and '.join(triggers)}" if triggers else ""
            raise ValueError(f"give exactly one of cron, interval, at and sun{given}")
        if (self.profile is None) == (self.command is None):
            given = ", not both" if self.profile else ""
            raise ValueError(f"give a 'profile' or a 'command'{given}")
        if self.command is None and self.arguments is not None:
            raise ValueError("'arguments' are a command's; a profile takes none")
        if self.for_ is not None and self.until_time is not None:
            raise ValueError("give 'for' or 'until_time', not both")
        if self.profile is None and (self.for_ or self.until_time):
            raise ValueError("'for' and 'until_time' are a profile's; a command is over when it is done")
        if self.from_ and self.until:
            begin, end = as_day(self.from_), as_day(self.until)
            if bool(begin.year) != bool(end.year):
                raise ValueError("'from' and 'until' both have a year, or neither")
            if begin.year and end < begin:
                raise ValueError(f"'until' {self.until} is before 'from' {self.from_}")
        return self

    @property
    def rule(self) -> Literal["skip", "run_once"] | timedelta:
        """What becomes of a missed run: a duration where it is run if it was missed within that."""
        if isinstance(self.misfire, RunIfWithin):
            return as_duration(self.misfire.run_if_within)
        return self.misfire or ("run_once" if self.profile else "skip")

    @property
    def does(self) -> str:
        """What it does, in words: `profile night`, `command snapshot`."""
        return f"profile {self.profile}" if self.profile else f"command {self.command}"

    @property
    def when(self) -> str:
        """When, in words."""
        if self.cron is not None:
            return f"cron {self.cron}"
        if self.interval is not None:
            return f"every {self.interval.every}"
        if self.sun is not None:
            offset = as_offset(self.sun.offset)
            if not offset:
                return self.sun.event
            return f"{self.sun.event} {'-' if offset < timedelta(0) else '+'} {self.sun.offset.lstrip('+-')}"
        return f"at {', '.join((self.at or ())[:3])}{', ...' if len(self.at or ()) > 3 else ''}"

    def document(self) -> dict[str, Any]:
        """Return what was said of it, as it would be written, without its name."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude={"name"})
