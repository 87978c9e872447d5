"""Automatic exposure: how long, and with how much gain, the next frame is exposed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from edge_agent.camera.drivers.simulated.metering import Metered
from edge_agent.camera.drivers.simulated.sensor import GAIN, TIME_US
from edge_agent.camera.settings import Exposure

__all__ = ["AutoExposure", "Shot"]

# What the mean of the picture should be, as a fraction of full well.
_TARGET: Final = 0.2
# The part of the way, in stops, that is made in one frame: near the target and far from it.
_STEP_NEAR: Final = 0.35
_STEP_FAR: Final = 0.7
_FAR: Final = math.log(4)
_CONVERGED: Final = math.log(1.1)
_MAX_RATIO: Final = 1000.0
_HIGHLIGHTS_AT_MOST: Final = 0.4
_SHADOWS_AT_LEAST: Final = 0.03
_DARKEST: Final = 1e-4
_FLICKER_US: Final = {"50hz": 1_000_000 / 100, "60hz": 1_000_000 / 120}
# The way from little exposure to much: time in µs up to here, then gain up to there, and so on.
_WAYS: Final[dict[str, tuple[tuple[float, float], ...]]] = {
    "normal": ((10_000, 2.0), (33_333, 6.0)),
    "short": ((2_000, 6.0), (8_000, 16.0)),
    "long": ((66_666, 2.0),),
}


@dataclass(frozen=True, slots=True)
class Shot:
    """How one frame is exposed."""

    time_us: int
    gain: float

    @property
    def total_us(self) -> float:
        """Time and gain in one number."""
        return self.time_us * self.gain


@dataclass(frozen=True, slots=True)
class _Limits:
    time_us: tuple[float, float]
    gain: tuple[float, float]

    @property
    def total_us(self) -> tuple[float, float]:
        return self.time_us[0] * self.gain[0], self.time_us[1] * self.gain[1]


def _limits(exposure: Exposure, *, fps: float) -> _Limits:
    cap_us = min(1_000_000 / fps, TIME_US[1])
    low_us = min(max(exposure.min_time_us or TIME_US[0], TIME_US[0]), cap_us)
    high_us = max(min(exposure.max_time_us or cap_us, cap_us), low_us)
    if exposure.time_us is not None:
        low_us = high_us = min(exposure.time_us, cap_us)
    gain = GAIN if exposure.gain is None else (exposure.gain, exposure.gain)
    return _Limits(time_us=(low_us, high_us), gain=gain)


def _split(total_us: float, limits: _Limits, exposure_mode: str) -> tuple[float, float]:
    """Return time and gain that come to `total_us`, by the way that the mode prefers."""
    (low_us, high_us), (low_gain, high_gain) = limits.time_us, limits.gain
    time_us, gain = low_us, low_gain
    for corner_us, corner_gain in (*_WAYS.get(exposure_mode, _WAYS["normal"]), (high_us, high_gain)):
        time_us = min(max(total_us / gain, time_us), max(min(corner_us, high_us), time_us))
        gain = min(max(total_us / time_us, gain), max(min(corner_gain, high_gain), gain))
    return time_us, gain


class AutoExposure:
    """Seeks the exposure that the settings ask for, a part of the way with each frame."""

    def __init__(self) -> None:
        self._total_us = 20_000.0
        self._range_us = (0.0, math.inf)
        self._last = Shot(time_us=20_000, gain=1.1228)
        self.converged = False

    def shot(self, exposure: Exposure, *, fps: float) -> Shot:
        """Return how the next frame is exposed."""
        if exposure.mode == "manual" and exposure.time_us is None and exposure.gain is None:
            limits = _Limits(time_us=(self._last.time_us,) * 2, gain=(self._last.gain,) * 2)
        else:
            limits = _limits(exposure, fps=fps)
        self._range_us = limits.total_us
        self._total_us = min(max(self._total_us, self._range_us[0]), self._range_us[1])
        time_us, gain = _split(self._total_us, limits, exposure.exposure_mode)
        period_us = _FLICKER_US.get(exposure.flicker)
        if period_us is not None and limits.time_us[0] < time_us:
            whole_us = math.floor(time_us / period_us) * period_us
            if whole_us >= max(limits.time_us[0], period_us):
                time_us, gain = whole_us, min(self._total_us / whole_us, limits.gain[1])
        self._last = Shot(time_us=max(int(time_us), TIME_US[0]), gain=round(gain, 4))
        return self._last

    def measured(self, exposure: Exposure, metered: Metered) -> None:
        """Learn from the frame that was exposed by the last shot."""
        error = math.log(self._ratio(exposure, metered))
        at_the_end = self._total_us >= self._range_us[1] if error > 0 else self._total_us <= self._range_us[0]
        # Where its range ends it cannot come nearer: that, too, is as good as it gets.
        self.converged = abs(error) < _CONVERGED or at_the_end
        step = error * (_STEP_FAR if abs(error) > _FAR else _STEP_NEAR)
        self._total_us = self._last.total_us * math.exp(step)

    @staticmethod
    def _ratio(exposure: Exposure, metered: Metered) -> float:
        ratio: float = _TARGET * 2.0**exposure.ev / max(metered.mean, _DARKEST)
        if exposure.constraint_mode == "highlight":
            ratio = min(ratio, _HIGHLIGHTS_AT_MOST / max(metered.high, _DARKEST))
        if exposure.constraint_mode == "shadows":
            ratio = max(ratio, _SHADOWS_AT_LEAST / max(metered.low, _DARKEST))
        return min(max(ratio, 1 / _MAX_RATIO), _MAX_RATIO)
