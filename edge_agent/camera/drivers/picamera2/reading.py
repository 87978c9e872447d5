"""A frame's metadata as a reading, by a whitelist: binary blobs can be among it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from edge_agent.camera.capabilities import AfState, Reading

__all__ = ["reading_of", "telling"]

_AF_STATES: Final[Mapping[int, AfState]] = {0: "idle", 1: "scanning", 2: "focused", 3: "failed"}
_AE_CONVERGED: Final = 2


def _count(value: Any) -> int:
    return int(value)


def _number(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(value)
    return round(number, 4)


def _numbers(count: int, kind: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def read(value: Any) -> tuple[Any, ...]:
        items = tuple(kind(item) for item in value)
        if len(items) != count:
            raise ValueError(value)
        return items

    return read


# libcamera's name -> the reading's field, and how it is read. What is not here is not looked at.
_FIELDS: Final[Mapping[str, tuple[str, Callable[[Any], Any]]]] = {
    "Lux": ("lux", _number),
    "ExposureTime": ("exposure_us", _count),
    "AnalogueGain": ("analogue_gain", _number),
    "DigitalGain": ("digital_gain", _number),
    "ColourTemperature": ("colour_temperature_k", _count),
    "ColourGains": ("colour_gains", _numbers(2, _number)),
    "LensPosition": ("lens_position", _number),
    "FocusFoM": ("focus_fom", _count),
    "AfState": ("af_state", lambda value: _AF_STATES[int(value)]),
    "AeState": ("ae_converged", lambda value: int(value) == _AE_CONVERGED),
    "AeLocked": ("ae_converged", bool),  # before AeState there was this
    "FrameDuration": ("frame_duration_us", _count),
    "SensorBlackLevels": ("black_levels", _numbers(4, _count)),
    "SensorTemperature": ("sensor_temperature_c", _number),
    "ScalerCrop": ("crop", _numbers(4, _count)),
}


def reading_of(metadata: Mapping[str, Any], *, sequence: int, timestamp_ns: int) -> Reading:
    """Return the reading; what is missing, or not what it should be, is null."""
    values: dict[str, Any] = {}
    for name, (field, read) in _FIELDS.items():
        if name not in metadata:
            continue
        try:
            values.setdefault(field, read(metadata[name]))
        except (TypeError, ValueError, KeyError, OverflowError):
            continue
    return Reading(sequence=sequence, timestamp_ns=timestamp_ns, **values)


def telling(reading: Reading) -> dict[str, Any]:
    """Return by libcamera's names what the reading tells."""
    told = {name: getattr(reading, field) for name, (field, _) in _FIELDS.items()}
    return {name: value for name, value in told.items() if value is not None}
