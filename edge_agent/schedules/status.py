"""`status.schedule`: what holds and why, what comes next, how the last ones ended."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final, get_args

from pydantic import BaseModel, ConfigDict, Field

from edge_agent.clock import rfc3339
from edge_agent.schedules.book import Book
from edge_agent.schedules.engine import Engine
from edge_agent.schedules.files import Entry
from edge_agent.schedules.holding import Hold
from edge_agent.schedules.place import Place
from edge_agent.schedules.schedule import SunEvent
from edge_agent.schedules.timetable import Due

__all__ = ["ENTRIES", "EntryStatus", "ScheduleStatus", "entry_status", "schedule_status", "sun_status"]

# More would make `status` large; the command lists all.
ENTRIES: Final = 50
_COMING: Final = 10


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class PlaceStatus(_Part):
    """Where the sun is computed for; null where it is not configured."""

    latitude: float | None = Field(description="In degrees; north is positive")
    longitude: float | None = Field(description="In degrees; east is positive")


class HoldsStatus(_Part):
    """The profile that a schedule holds now."""

    schedule: str = Field(description="The schedule's name")
    profile: str | None = Field(description="The profile that holds")
    since: str = Field(description="Since when")
    ends: str | None = Field(description="Until when; null where another switch ends it")
    because: str = Field(description="Why it is this one, in words")


class PendingStatus(_Part):
    """A switch that waits for the camera."""

    schedule: str = Field(description="The schedule's name")
    profile: str | None = Field(description="The profile that is to come")


class ComingStatus(_Part):
    """Something that is to come."""

    schedule: str = Field(description="The schedule's name")
    time: str = Field(description="When")
    does: str = Field(description="What it does then, or `ends`")


class ResultStatus(_Part):
    """How one run ended."""

    schedule: str = Field(description="The schedule's name")
    does: str = Field(description="What it did, or was to do")
    time: str = Field(description="When it was due")
    outcome: str = Field(
        description="done, failed, held (what was set by hand holds for a while), skipped (missed, by its "
        "rule), overridden (another one holds), by_hand (somebody set something else meanwhile) or "
        "ended_with_agent"
    )
    late_s: float | None = Field(description="How much later than planned it began")
    took_s: float | None = Field(description="How long it took")
    error: str | None = Field(description="Why it failed")


class EntryStatus(_Part):
    """One schedule."""

    name: str = Field(description="What commands call it")
    when: str = Field(description="When it runs, in words")
    does: str = Field(description="What it does, in words")
    enabled: bool = Field(description="Whether it runs at all")
    source: str = Field(description="Where it comes from: a file, a command, the wanted state")
    next: str | None = Field(description="When it comes next; null where never")
    error: str | None = Field(description="Why it cannot run")


class SunStatus(_Part):
    """Today's sun at the place; null for what it does not do today."""

    sunrise: str | None = Field(description="When it comes up")
    sunset: str | None = Field(description="When it goes down")
    dawn: str | None = Field(description="The civil one: the sun is 6 degrees below the horizon")
    dusk: str | None = Field(description="The civil one: the sun is 6 degrees below the horizon")


class ClockStatus(_Part):
    """Whether the wall clock was set while schedules ran."""

    jumps: int = Field(description="How often, since the start")
    jumped_at: str | None = Field(description="When it was the last time")
    jumped_by_s: float | None = Field(description="By how much; negative is backwards")


class ScheduleStatus(_Part):
    """What schedules do."""

    timezone: str = Field(description="The zone that schedules are written in")
    place: PlaceStatus
    version: int = Field(description="Rises with every change to the saved schedules")
    holds: HoldsStatus | None
    pending: PendingStatus | None
    next: list[ComingStatus] = Field(description="What comes next, at most 10")
    last: list[ResultStatus] = Field(description="How the last runs ended, the newest first")
    count: int = Field(description="How many schedules there are")
    entries: list[EntryStatus] = Field(description="The first 50 schedules; the command lists all")
    sun: SunStatus | None
    clock: ClockStatus


def schedule_status(*, book: Book, engine: Engine, wrong: Mapping[str, str], now: datetime) -> ScheduleStatus:
    """Return the document. It computes what is asked for the first time only; a millisecond then."""
    place, jump, pending = book.place, engine.jump, engine.pending
    return ScheduleStatus(
        timezone=str(place.timezone),
        place=PlaceStatus(latitude=place.latitude, longitude=place.longitude),
        version=book.version,
        holds=_holds(engine.hold),
        pending=PendingStatus(schedule=pending.name, profile=pending.schedule.profile) if pending else None,
        next=[
            ComingStatus(
                schedule=coming.planned.name,
                time=rfc3339(coming.at),
                does=coming.planned.schedule.does if isinstance(coming, Due) else "ends",
            )
            for coming in engine.timetable.coming(_COMING)
        ],
        last=[ResultStatus(**result.document()) for result in reversed(engine.memory.results)],
        count=len(book.entries),
        entries=[
            entry_status(entry, engine=engine, wrong=wrong.get(name))
            for name, entry in list(book.entries.items())[:ENTRIES]
        ],
        sun=sun_status(place, now),
        clock=ClockStatus(
            jumps=engine.jumps,
            jumped_at=rfc3339(jump.at) if jump else None,
            jumped_by_s=jump.by_s if jump else None,
        ),
    )


def entry_status(entry: Entry, *, engine: Engine, wrong: str | None) -> EntryStatus:
    """Return what is to be said of one schedule."""
    schedule = entry.schedule
    coming = engine.timetable.next_of(schedule.name)
    return EntryStatus(
        name=schedule.name,
        when=schedule.when,
        does=schedule.does,
        enabled=schedule.enabled,
        source=entry.source,
        next=rfc3339(coming) if coming else None,
        error=wrong,
    )


def sun_status(place: Place, now: datetime) -> SunStatus | None:
    """Return today's sun, null for what it does not do today; None where the place is not known."""
    if not place.has_sun:
        return None
    today = now.astimezone(place.timezone).date()
    events = {event: place.sun(event, today) for event in get_args(SunEvent)}
    return SunStatus(
        **{name: rfc3339(at) if isinstance(at, datetime) else None for name, at in events.items()}
    )


def _holds(hold: Hold | None) -> HoldsStatus | None:
    if hold is None:
        return None
    return HoldsStatus(
        schedule=hold.planned.name,
        profile=hold.planned.schedule.profile,
        since=rfc3339(hold.since),
        ends=rfc3339(hold.ends) if hold.ends else None,
        because=hold.because,
    )
