"""White balance: which gains of red and blue make the light's colour white."""

from __future__ import annotations

import math
from typing import Final

from edge_agent.camera.drivers.simulated.light import interpolate
from edge_agent.camera.presets import NOIR_GAINS, ColourGains
from edge_agent.camera.settings import WhiteBalance

__all__ = ["ColourGains", "WhiteBalancer", "gains_for"]


# What the sensor needs at a colour temperature: red's gain, then blue's.
_CURVE: Final = (
    (1500, 0.75, 4.6),
    (2000, 0.95, 3.7),
    (2700, 1.2, 3.0),
    (3500, 1.5, 2.45),
    (4500, 1.8, 2.0),
    (5600, 2.05, 1.7),
    (7500, 2.4, 1.4),
    (12_000, 2.8, 1.15),
)
_RED: Final = tuple((math.log(temperature_k), red) for temperature_k, red, _ in _CURVE)
_BLUE: Final = tuple((math.log(temperature_k), blue) for temperature_k, _, blue in _CURVE)

_PRESETS_K: Final = {
    "incandescent": 2750.0,
    "tungsten": 3250.0,
    "fluorescent": 4200.0,
    "indoor": 4000.0,
    "daylight": 5700.0,
    "cloudy": 7500.0,
}
_STEP: Final = 0.2


def gains_for(temperature_k: float) -> ColourGains:
    """Return the gains that make light of this colour temperature white."""
    at = math.log(temperature_k)
    return ColourGains(interpolate(_RED, at), interpolate(_BLUE, at))


class WhiteBalancer:
    """Follows the light in auto, and holds what it is told otherwise."""

    def __init__(self) -> None:
        self._mired = 1e6 / 4500
        self._gains = gains_for(4500)

    @property
    def temperature_k(self) -> int:
        """The colour temperature that it takes the light to have."""
        return round(1e6 / self._mired)

    def gains(self, settings: WhiteBalance) -> ColourGains:
        """Return the next frame's gains."""
        if settings.mode in NOIR_GAINS:
            self._gains = NOIR_GAINS[settings.mode]
        elif settings.mode == "manual":
            self._gains = self._manual(settings)
        else:
            self._gains = gains_for(_PRESETS_K.get(settings.mode, 1e6 / self._mired))
        return self._gains

    def measured(self, settings: WhiteBalance, scene_k: float) -> None:
        """Learn from a frame what colour the light has; only auto goes after it."""
        if settings.mode == "auto":
            self._mired += _STEP * (1e6 / scene_k - self._mired)
        elif settings.mode in _PRESETS_K:
            self._mired = 1e6 / _PRESETS_K[settings.mode]
        elif settings.mode == "manual" and settings.temperature_k is not None:
            self._mired = 1e6 / settings.temperature_k

    def _manual(self, settings: WhiteBalance) -> ColourGains:
        if settings.red_gain is None and settings.blue_gain is None:
            return gains_for(settings.temperature_k) if settings.temperature_k is not None else self._gains
        red = self._gains.red if settings.red_gain is None else settings.red_gain
        blue = self._gains.blue if settings.blue_gain is None else settings.blue_gain
        return ColourGains(red, blue)
