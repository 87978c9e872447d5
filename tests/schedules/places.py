"""Three places, and schedules at them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from edge_agent.contract.validation import validate
from edge_agent.schedules.place import Place
from edge_agent.schedules.plan import Planned
from edge_agent.schedules.schedule import Schedule

__all__ = ["NOON", "NOWHERE", "PARIS", "REYKJAVIK", "SYDNEY", "planned", "there"]

PARIS: Final = Place(timezone=ZoneInfo("Europe/Paris"), latitude=48.8566, longitude=2.3522)
REYKJAVIK: Final = Place(timezone=ZoneInfo("Atlantic/Reykjavik"), latitude=64.1466, longitude=-21.9426)
SYDNEY: Final = Place(timezone=ZoneInfo("Australia/Sydney"), latitude=-33.8688, longitude=151.2093)
NOWHERE: Final = Place(timezone=UTC)
# A Monday.
NOON: Final = datetime(2026, 6, 15, 12, tzinfo=UTC)


def planned(place: Place = PARIS, *, order: int = 0, name: str = "s", **fields: Any) -> Planned:
    what = {} if "profile" in fields or "command" in fields else {"profile": "p"}
    return Planned(validate(Schedule, {**what, **fields, "name": name}), place=place, order=order)


def there(moment: datetime | None, place: Place = PARIS) -> str | None:
    """Return a moment as the clock shows it there."""
    return moment.astimezone(place.timezone).strftime("%a %Y-%m-%d %H:%M:%S") if moment else None
