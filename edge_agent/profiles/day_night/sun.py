"""How high the sun stands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

__all__ = ["Place"]


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the camera is, in degrees north and east."""

    latitude: float
    longitude: float

    def sun_elevation_deg(self, now: datetime) -> float:
        """Return the height of the sun above the horizon in degrees, negative below it."""
        from astral import Observer  # noqa: PLC0415 - only where the sun decides
        from astral.sun import elevation  # noqa: PLC0415 - see above

        return float(elevation(Observer(self.latitude, self.longitude), now, with_refraction=False))
