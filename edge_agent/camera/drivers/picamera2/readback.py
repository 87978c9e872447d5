"""What holds, told from what was sent and from what the frames' metadata say.

A control takes several frames to show. Until then what libcamera accepted counts; from then on, where the
metadata tell of it, what they say.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from edge_agent.camera.drivers.picamera2.controls import frame_duration_us
from edge_agent.camera.drivers.picamera2.geometry import Geometry
from edge_agent.camera.settings import CameraSettings, merge, unflatten

__all__ = ["Readback"]

# libcamera's delays add up to less than this; what differs then differs for good.
_FRAMES: Final = 12
# Two frames of different exposure can be on their way at the same time as the new value's first.
_CLOSE: Final = 0.02
_SAME_RATE: Final = 0.002
# Where the frames do not tell their duration it is measured, and a busy machine takes them late.
_MEASURED: Final = 9
_SAME_MEASURED_RATE: Final = 0.15
# Controls whose effect the metadata show under this name.
_TOLD: Final = {
    "ExposureTime": "ExposureTime",
    "AnalogueGain": "AnalogueGain",
    "LensPosition": "LensPosition",
    "ColourGains": "ColourGains",
    "ColourTemperature": "ColourTemperature",
    "FrameDurationLimits": "FrameDuration",
    "ScalerCrop": "ScalerCrop",
    "AeEnable": "ExposureTime",
    "AwbEnable": "ColourGains",
}


@dataclass(slots=True)
class _Waiting:
    value: Any
    frames: int = 0


class Readback:
    """Follows what was sent until frames show it. Not safe for threads by itself."""

    def __init__(self) -> None:
        self._waiting: dict[str, _Waiting] = {}
        self._told: Mapping[str, Any] = {}
        self._times_us: deque[int] = deque(maxlen=_MEASURED)

    @property
    def settled(self) -> bool:
        """Whether the newest frame shows everything that was sent, as far as it ever will."""
        return not self._waiting

    def sent(self, controls: Mapping[str, Any]) -> None:
        """Take note of controls that were sent."""
        for name, value in controls.items():
            if name in _TOLD:
                self._waiting[name] = _Waiting(value)

    def frame(self, told: Mapping[str, Any], *, pts_us: int) -> None:
        """Take note of what a frame tells, and of its time."""
        self._told = told
        self._times_us.append(pts_us)
        for name, waiting in list(self._waiting.items()):
            waiting.frames += 1
            if waiting.frames >= _FRAMES or _shows(name, waiting.value, told.get(_TOLD[name])):
                del self._waiting[name]

    def shown(self, control: str) -> Any:
        """Return what the frames show of a control, or None where they do not tell, or not yet."""
        return None if control in self._waiting else self._told.get(_TOLD[control])

    def applied(self, held: CameraSettings, geometry: Geometry | None) -> CameraSettings:
        """Return `held` with everything that frames tell otherwise."""
        changes: dict[str, Any] = {}
        exposure, balance = held.exposure, held.white_balance
        frozen = exposure.time_us is None and exposure.gain is None
        if exposure.mode == "manual":
            if exposure.time_us is not None or frozen:
                changes["exposure.time_us"] = self._or("ExposureTime", exposure.time_us, frozen=frozen)
            if exposure.gain is not None or frozen:
                changes["exposure.gain"] = self._or("AnalogueGain", exposure.gain, frozen=frozen)
        if balance.mode == "manual":
            gains = self.shown("AwbEnable" if balance.red_gain is None else "ColourGains")
            if balance.temperature_k is not None:
                changes["white_balance.temperature_k"] = self._or("ColourTemperature", balance.temperature_k)
            elif gains is not None:
                changes["white_balance.red_gain"], changes["white_balance.blue_gain"] = gains
        if held.focus.mode == "manual" and self.shown("LensPosition") is not None:
            changes["focus.position"] = self.shown("LensPosition")
        changes |= self._rate(held.video.fps)
        crop = self.shown("ScalerCrop")
        if geometry is not None and crop is not None and not geometry.shows(held.view.roi, crop):
            changes["view.roi"] = geometry.roi(crop).model_dump()
        return merge(held, unflatten(changes)) if changes else held

    def _rate(self, fps: float) -> dict[str, float]:
        duration, tolerance = self.shown("FrameDurationLimits"), _SAME_RATE
        if duration is None and "FrameDurationLimits" not in self._waiting:
            duration, tolerance = self._measured_us(), _SAME_MEASURED_RATE
        if not duration or abs(duration / frame_duration_us(fps) - 1) <= tolerance:
            return {}
        return {"video.fps": round(1_000_000 / duration, 3)}

    def _measured_us(self) -> float | None:
        if len(self._times_us) < _MEASURED:
            return None
        return statistics.median(later - earlier for earlier, later in pairwise(self._times_us))

    def _or(self, control: str, value: Any, *, frozen: bool = False) -> Any:
        shown = None if frozen and "AeEnable" in self._waiting else self.shown(control)
        return value if shown is None else shown


def _shows(name: str, sent: Any, told: Any) -> bool:
    if name in {"AeEnable", "AwbEnable"}:
        return bool(sent)  # stopping an algorithm has no value that would show: the frames are counted
    if told is None:
        return False
    if name in {"ExposureTime", "AnalogueGain"} and not sent:
        return True  # it was given back to the automatic
    if name == "FrameDurationLimits":
        return _close(told, sent[0])
    if isinstance(sent, tuple):
        return all(_close(a, b) for a, b in zip(told, sent, strict=True))
    return _close(told, sent)


def _close(told: float, sent: float) -> bool:
    return abs(told - sent) <= max(abs(sent) * _CLOSE, 0.01)
