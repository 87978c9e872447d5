"""Where the node is: its time zone, and the sun over it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal

from edge_agent.errors import ConfigError
from edge_agent.profiles.config import ProfilesConfig
from edge_agent.schedules.schedule import SunEvent

if TYPE_CHECKING:
    from astral import Observer

__all__ = ["Edge", "Place", "place_of", "timezone_of"]

# Why there is no such event on a day: the sun stays above that height, or below it.
Edge = Literal["above", "below"]

# The centre of the sun, in degrees: at its rising with half its disc and the air's refraction.
_HEIGHT: Final = {"sunrise": -0.833, "sunset": -0.833, "dawn": -6.0, "dusk": -6.0}
_EVENINGS: Final = frozenset({"sunset", "dusk"})
_SECOND: Final = timedelta(seconds=1)
_HALF_A_DAY: Final = timedelta(hours=12)
# Past and coming days, two schedules' events each, and the preview's curve.
_REMEMBERED: Final = 4096


def timezone_of(name: str) -> tzinfo:
    """Return a time zone by its name; `auto` is the machine's. Raises ConfigError."""
    if name == "auto":
        from tzlocal import get_localzone  # noqa: PLC0415 - reads files: only where schedules run

        zone: tzinfo = get_localzone()
        return zone
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # noqa: PLC0415 - see above

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigError(
            f"profiles.timezone: '{name}' is not known; right is a name like Europe/Paris"
        ) from error


def place_of(config: ProfilesConfig) -> Place:
    """Return the configured place. Raises ConfigError."""
    return Place(timezone=timezone_of(config.timezone), latitude=config.latitude, longitude=config.longitude)


@dataclass(frozen=True, kw_only=True)
class Place:
    """A place on Earth. Without latitude and longitude it has a clock and no sun."""

    timezone: tzinfo
    latitude: float | None = None
    longitude: float | None = None
    _event: Callable[[SunEvent, date], datetime | Edge] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_event", lru_cache(_REMEMBERED)(self._found))

    @property
    def has_sun(self) -> bool:
        """Whether it is known where this is."""
        return self.latitude is not None and self.longitude is not None

    def __str__(self) -> str:
        if self.latitude is None or self.longitude is None:
            return "no place"
        north, east = ("N" if self.latitude >= 0 else "S"), ("E" if self.longitude >= 0 else "W")
        return f"{abs(self.latitude):g}°{north} {abs(self.longitude):g}°{east}"

    def sun(self, event: SunEvent, day: date) -> datetime | Edge:
        """Return when the sun does that, in UTC to the second, on the solar day of the date.

        An evening that ends after midnight still belongs to its day. Where the sun stays above that height
        or below it all day long, it says which. Raises ConfigError where the place is not known.
        """
        if not self.has_sun:
            raise ConfigError("the sun needs profiles.latitude and profiles.longitude")
        return self._event(event, day)

    def height(self, moment: datetime) -> float:
        """Return the sun's height over the horizon in degrees, without refraction."""
        from astral.sun import elevation  # noqa: PLC0415 - only where the sun matters

        return float(elevation(self._observer(), moment, with_refraction=False))

    def noon(self, day: date) -> datetime:
        """Return when the sun is highest on a date there, in UTC to the second."""
        from astral.sun import noon  # noqa: PLC0415 - only where the sun matters

        found = noon(self._observer(), day)
        # The library counts days in UTC; far from Greenwich that is another day than the clock's.
        middle = datetime.combine(day, time(12), tzinfo=self.timezone).astimezone(UTC)
        if found - middle > _HALF_A_DAY:
            return noon(self._observer(), day - timedelta(days=1))
        if middle - found > _HALF_A_DAY:
            return noon(self._observer(), day + timedelta(days=1))
        return found

    def _observer(self) -> Observer:
        from astral import Observer  # noqa: PLC0415 - only where the sun matters

        return Observer(latitude=self.latitude or 0.0, longitude=self.longitude or 0.0)

    def _found(self, event: SunEvent, day: date) -> datetime | Edge:
        noon = self.noon(day)
        evening = event in _EVENINGS
        other = self.noon(day + timedelta(days=1 if evening else -1))
        night = noon + (other - noon) / 2
        height = _HEIGHT[event]
        if self.height(noon) <= height:
            return "below"
        if self.height(night) >= height:
            return "above"
        # From noon to midnight the sun only sinks, so that halving finds the one moment.
        light, dark = noon, night
        while abs(light - dark) > _SECOND / 2:
            middle = light + (dark - light) / 2
            if self.height(middle) > height:
                light = middle
            else:
                dark = middle
        return (light + _SECOND / 2).replace(microsecond=0)
