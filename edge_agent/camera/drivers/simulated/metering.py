"""What the sensor's statistics say of a frame."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["Metered", "exposure_factor", "lux_of", "meter"]

_Floats = npt.NDArray[np.float32]

# Full well at lux * seconds * gain * reflectance of 10.
_SENSITIVITY: Final = 0.1
# The mean reflectance of the scene by day, by which brightness is turned back into lux.
_MEAN_REFLECTANCE: Final = 0.315
_RAW_LEVELS: Final = 1023
_HIGH_PERCENT: Final = 98
_LOW_PERCENT: Final = 10


@dataclass(frozen=True, slots=True)
class Metered:
    """Brightness as fractions of full well: weighted mean, plain mean, the brightest and darkest parts."""

    mean: float
    plain_mean: float
    high: float
    low: float


def exposure_factor(lux: float, time_us: int, gain: float) -> float:
    """Return what a reflectance of 1 comes to, as a fraction of full well."""
    return lux * time_us * 1e-6 * gain * _SENSITIVITY


def lux_of(plain_mean: float, time_us: int, gain: float) -> float:
    """Return the light that such a brightness tells of. Of a burnt-out frame it is a lower bound."""
    return plain_mean / (time_us * 1e-6 * gain * _SENSITIVITY * _MEAN_REFLECTANCE)


@lru_cache(maxsize=8)
def _weights(metering_mode: str, height: int, width: int) -> _Floats:
    y, x = np.mgrid[-1 : 1 : complex(0, height), -1 : 1 : complex(0, width)]
    distance = np.hypot(x, y)
    if metering_mode == "spot":
        weights = (distance < 0.25).astype(np.float32) + 1e-6
    elif metering_mode == "matrix":
        weights = np.ones((height, width), np.float32)
    else:
        weights = np.exp(-2.0 * distance**2) + 0.05
    return np.asarray(weights / weights.sum(), np.float32)


def meter(codes: npt.NDArray[np.uint8], factor: float, metering_mode: str) -> Metered:
    """Measure a coarse grid of the scene, as codes of the root of its reflectance, at an exposure."""
    reflectance = (codes.astype(np.float32) / 255.0) ** 2
    raw = np.floor(np.minimum(reflectance * factor, 1.0) * _RAW_LEVELS + 0.5) / _RAW_LEVELS
    return Metered(
        mean=float((raw * _weights(metering_mode, *raw.shape)).sum()),
        plain_mean=float(raw.mean()),
        high=float(np.percentile(raw, _HIGH_PERCENT)),
        low=float(np.percentile(raw, _LOW_PERCENT)),
    )
