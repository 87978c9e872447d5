"""`status.schedule`: what holds and why, what comes next, how the last ones ended."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, get_args

from edge_agent.clock import rfc3339
from edge_agent.schedules.book import Book
from edge_agent.schedules.engine import Engine
from edge_agent.schedules.files import Entry
from edge_agent.schedules.holding import Hold
from edge_agent.schedules.place import Place
from edge_agent.schedules.schedule import SunEvent
from edge_agent.schedules.timetable import Due

__all__ = ["ENTRIES", "entry_document", "schedule_status", "sun_document"]

# More would make `status` large; the command lists all.
ENTRIES: Final = 50
_COMING: Final = 10


def schedule_status(*, book: Book, engine: Engine, wrong: Mapping[str, str], now: datetime) -> dict[str, Any]:
    """Return the document. It computes what is asked for the first time only; a millisecond then."""
    place, jump, pending = book.place, engine.jump, engine.pending
    return {
        "timezone": str(place.timezone),
        "place": {"latitude": place.latitude, "longitude": place.longitude},
        "version": book.version,
        "holds": _holds(engine.hold),
        "pending": {"schedule": pending.name, "profile": pending.schedule.profile} if pending else None,
        "next": [
            {
                "schedule": coming.planned.name,
                "time": rfc3339(coming.at),
                "does": coming.planned.schedule.does if isinstance(coming, Due) else "ends",
            }
            for coming in engine.timetable.coming(_COMING)
        ],
        "last": [result.document() for result in reversed(engine.memory.results)],
        "count": len(book.entries),
        "entries": [
            entry_document(entry, engine=engine, wrong=wrong.get(name))
            for name, entry in list(book.entries.items())[:ENTRIES]
        ],
        "sun": sun_document(place, now),
        "clock": {
            "jumps": engine.jumps,
            "jumped_at": rfc3339(jump.at) if jump else None,
            "jumped_by_s": jump.by_s if jump else None,
        },
    }


def entry_document(entry: Entry, *, engine: Engine, wrong: str | None) -> dict[str, Any]:
    """Return what is to be said of one schedule."""
    schedule = entry.schedule
    coming = engine.timetable.next_of(schedule.name)
    return {
        "name": schedule.name,
        "when": schedule.when,
        "does": schedule.does,
        "enabled": schedule.enabled,
        "source": entry.source,
        "next": rfc3339(coming) if coming else None,
        "error": wrong,
    }


def sun_document(place: Place, now: datetime) -> dict[str, Any] | None:
    """Return today's sun, null for what it does not do today; None where the place is not known."""
    if not place.has_sun:
        return None
    today = now.astimezone(place.timezone).date()
    events = {event: place.sun(event, today) for event in get_args(SunEvent)}
    return {name: rfc3339(at) if isinstance(at, datetime) else None for name, at in events.items()}


def _holds(hold: Hold | None) -> dict[str, Any] | None:
    if hold is None:
        return None
    return {
        "schedule": hold.planned.name,
        "profile": hold.planned.schedule.profile,
        "since": rfc3339(hold.since),
        "ends": rfc3339(hold.ends) if hold.ends else None,
        "because": hold.because,
    }
