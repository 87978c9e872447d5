"""What the frames of the fake picamera2 tell: which controls took effect, rounded as a sensor rounds."""

from __future__ import annotations

from typing import Any, Protocol

from tests.camera.drivers.picamera2.sensors import Crop, FakeMode, Sensor

_LINE_US = 13


class _Deaf(Protocol):
    deaf_lens: int


class FakeOptics:
    def __init__(self, world: _Deaf, sensor: Sensor) -> None:
        self._world = world
        self._sensor = sensor
        self._mode = sensor.modes[-1]
        self._size = self._mode.size
        self.state: dict[str, Any] = {}
        self._scan_until: int | None = None
        self._told: dict[str, Any] = {}

    def configure(self, mode: FakeMode, size: tuple[int, int]) -> None:
        self._mode, self._size = mode, size
        self.state.pop("ScalerCrop", None)

    def take(self, controls: dict[str, Any], frame: int) -> None:
        """Controls take effect with this frame."""
        for name, value in controls.items():
            if name == "LensPosition" and self._world.deaf_lens:
                self._world.deaf_lens -= 1
            elif name == "AfTrigger":
                self._scan_until = frame + 5 if value == 0 else None
            else:
                self.state[name] = value
        if "AwbEnable" in controls:
            self.state.pop("ColourGains", None)
            self.state.pop("ColourTemperature", None)

    def look(self, frame: int) -> dict[str, Any]:
        """Return the metadata of a frame."""
        state, mode = self.state, self._mode
        low, _ = state.get("FrameDurationLimits", (33_333, 33_333))
        frame_us = -(-low // _LINE_US) * _LINE_US
        told: dict[str, Any] = {"FrameDuration": frame_us, "Lux": 400.0, "AeState": 2, "FocusFoM": 900}
        told["ExposureTime"] = _manual(state, "ExposureTime", 12_012, min(frame_us, mode.exposure[1]))
        told["AnalogueGain"] = state.get("AnalogueGain") or 1.5
        if not state.get("AeEnable", True) and self._told:
            told |= {name: self._told[name] for name in ("ExposureTime", "AnalogueGain")}
        told["PispStatsOutput"] = b"\x00" * 64
        left, top, width, height = state.get("ScalerCrop") or self._default_crop()
        told["ScalerCrop"] = (left - left % 4, top - top % 4, width - width % 4, height - height % 4)
        told["SensorBlackLevels"] = (4096, 4096, 4096, 4096)
        if self._sensor.colour:
            told["ColourGains"] = state.get("ColourGains", (1.75, 2.125))
            told["ColourTemperature"] = state.get("ColourTemperature", 4400)
        if self._sensor.lens is not None:
            told |= self._lens(frame)
        self._told = told
        return told

    def _default_crop(self) -> Crop:
        left, top, width, height = self._mode.crop
        shape = self._size[0] / self._size[1]
        wide, high = min(width, round(height * shape)), min(height, round(width / shape))
        return left + (width - wide) // 2, top + (height - high) // 2, wide, high

    def _lens(self, frame: int) -> dict[str, Any]:
        state = self.state
        if self._scan_until is not None and state.get("AfMode") == 1:
            if frame < self._scan_until:
                return {"AfState": 1, "LensPosition": 4.0}
            return {"AfState": 2, "LensPosition": 2.5}
        if state.get("AfMode", 0) == 0:
            return {"AfState": 0, "LensPosition": state.get("LensPosition", 1.0)}
        return {"AfState": 2, "LensPosition": 2.5}


def _manual(state: dict[str, Any], name: str, auto: int, most: int) -> int:
    value: int = min(state.get(name) or auto, most)
    return max(value - value % _LINE_US, _LINE_US) if state.get(name) else auto
