"""The scene's light: the sun over the day, and a street lamp for the night."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

__all__ = ["Light", "daylight", "interpolate", "light_of_lux", "sun_elevation_deg"]

_Table = Sequence[tuple[float, float]]

# Height of the sun in degrees -> log10 of the light in lux.
_LUX: Final[_Table] = (
    (-18.0, math.log10(0.5)),
    (-12.0, math.log10(0.7)),
    (-6.0, math.log10(5)),
    (0.0, math.log10(500)),
    (6.0, math.log10(3000)),
    (20.0, math.log10(9000)),
    (40.0, math.log10(20_000)),
)
# Height of the sun in degrees -> colour temperature. After sunset the blue of the sky is what is left.
_SUN_K: Final[_Table] = (
    (-12.0, 7500.0),
    (-4.0, 6500.0),
    (0.0, 3000.0),
    (8.0, 4200.0),
    (20.0, 5200.0),
    (45.0, 5800.0),
)
_FIXED_K: Final = 5200.0
_LAMP_K: Final = 2600.0
_LAMP_LUX: Final = 15.0
_LAMP_OFF_LUX: Final = 60.0
_LAMP_FULL_LUX: Final = 15.0
_DEGREES_PER_HOUR: Final = 15.0
_TILT_DEG: Final = 23.44


@dataclass(frozen=True, slots=True)
class Light:
    """How much light falls on the scene, in lux, from where, and of which colour."""

    sky_lux: float
    lamp_lux: float
    temperature_k: float

    @property
    def lux(self) -> float:
        """All of it."""
        return self.sky_lux + self.lamp_lux

    @property
    def sky_share(self) -> float:
        """The part that falls everywhere; the rest comes from the lamp and falls around it."""
        return self.sky_lux / self.lux


def interpolate(table: _Table, x: float) -> float:
    """Return the table's value at `x`, linear between its points, level beyond them."""
    at = bisect_left(table, (x, -math.inf))
    if at == 0:
        return table[0][1]
    if at == len(table):
        return table[-1][1]
    (x0, y0), (x1, y1) = table[at - 1], table[at]
    return y0 + (y1 - y0) * (x - x0) / (x1 - x0)


def sun_elevation_deg(hour: float, *, latitude_deg: float, day_of_year: int | None = None) -> float:
    """Return the sun's height at a local solar hour; without a day, that of an equinox."""
    season = 0.0 if day_of_year is None else -math.cos(2 * math.pi * (day_of_year + 10) / 365.25)
    declination = math.radians(_TILT_DEG * season)
    latitude = math.radians(latitude_deg)
    angle = math.radians(_DEGREES_PER_HOUR * (hour - 12))
    sine = math.sin(latitude) * math.sin(declination) + math.cos(latitude) * math.cos(declination) * math.cos(
        angle
    )
    return math.degrees(math.asin(max(-1.0, min(1.0, sine))))


def _lamp_lux(sky_lux: float) -> float:
    # The lamp fades in: a switch would be a jump that no automatic exposure likes, and real ones warm up.
    dark = math.log(_LAMP_OFF_LUX / sky_lux) / math.log(_LAMP_OFF_LUX / _LAMP_FULL_LUX)
    return _LAMP_LUX * max(0.0, min(1.0, dark))


def _mixed(sky_lux: float, sky_k: float) -> Light:
    lamp_lux = _lamp_lux(sky_lux)
    # Mixed in mireds, in which equal steps look equal.
    share = sky_lux / (sky_lux + lamp_lux)
    mired = share * 1e6 / sky_k + (1 - share) * 1e6 / _LAMP_K
    return Light(sky_lux=sky_lux, lamp_lux=lamp_lux, temperature_k=1e6 / mired)


def light_of_lux(lux: float) -> Light:
    """Return light of the sky that stays as it is; where that is dark the lamp is on."""
    return _mixed(lux, _FIXED_K)


def daylight(hour: float, *, latitude_deg: float, date: datetime | None = None) -> Light:
    """Return the light at an hour of the day, in local solar time."""
    day_of_year = date.timetuple().tm_yday if date is not None else None
    elevation = sun_elevation_deg(hour, latitude_deg=latitude_deg, day_of_year=day_of_year)
    return _mixed(10 ** interpolate(_LUX, elevation), interpolate(_SUN_K, elevation))
