"""The settings as libcamera's controls: the table, and what a set of settings comes to by it.

Numbers of the enumerations are libcamera's own. Everything is computed from the whole settings every time;
what differs from the last time is what is sent.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from edge_agent.camera.drivers.picamera2.geometry import Geometry
from edge_agent.camera.presets import NOIR_GAINS
from edge_agent.camera.settings import CameraSettings, flatten

__all__ = [
    "AF_AUTO",
    "AF_CANCEL",
    "AF_MODES",
    "AF_START",
    "AWB_MODES",
    "CHOICES",
    "HDR_MODES",
    "NUMBERS",
    "Choice",
    "frame_duration_us",
    "libcamera_controls",
]


@dataclass(frozen=True, slots=True)
class Choice:
    """A setting with words for values, and libcamera's number of each."""

    control: str
    values: Mapping[str, int]


AWB_MODES: Final = {
    "auto": 0,
    "incandescent": 1,
    "tungsten": 2,
    "fluorescent": 3,
    "indoor": 4,
    "daylight": 5,
    "cloudy": 6,
    "custom": 7,
}
AF_MODES: Final = {"manual": 0, "auto": 1, "continuous": 2}
AF_AUTO: Final = AF_MODES["auto"]
AF_START: Final = 0
AF_CANCEL: Final = 1
HDR_MODES: Final = {"off": 0, "single_exposure": 3, "night": 4}
_AF_WINDOWS: Final = 1
_FLICKER_MANUAL: Final = 1
_FLICKER_PERIOD_US: Final = {"50hz": 10_000, "60hz": 8_333}

# Settings that are one control each: words ...
CHOICES: Final[Mapping[str, Choice]] = {
    "exposure.constraint_mode": Choice(
        "AeConstraintMode", {"normal": 0, "highlight": 1, "shadows": 2, "custom": 3}
    ),
    "exposure.exposure_mode": Choice("AeExposureMode", {"normal": 0, "short": 1, "long": 2, "custom": 3}),
    "exposure.metering_mode": Choice(
        "AeMeteringMode", {"centre_weighted": 0, "spot": 1, "matrix": 2, "custom": 3}
    ),
    "focus.range": Choice("AfRange", {"normal": 0, "macro": 1, "full": 2}),
    "focus.speed": Choice("AfSpeed", {"normal": 0, "fast": 1}),
    "image.noise_reduction": Choice(
        "NoiseReductionMode", {"off": 0, "fast": 1, "high_quality": 2, "minimal": 3, "zsl": 4}
    ),
}
# ... and numbers. Those that are for a manual mode only are sent by their groups below.
NUMBERS: Final[Mapping[str, str]] = {
    "exposure.ev": "ExposureValue",
    "image.brightness": "Brightness",
    "image.contrast": "Contrast",
    "image.saturation": "Saturation",
    "image.sharpness": "Sharpness",
}


def frame_duration_us(fps: float) -> int:
    """Return how long a frame lasts."""
    return round(1_000_000 / fps)


def libcamera_controls(
    settings: CameraSettings, *, offered: Collection[str], geometry: Geometry | None
) -> dict[str, Any]:
    """Return every control that these settings come to on a camera that offers these settings' paths."""
    flat = flatten(settings.model_dump())
    controls: dict[str, Any] = {
        choice.control: choice.values[flat[path]] for path, choice in CHOICES.items() if path in offered
    }
    controls |= {control: float(flat[path]) for path, control in NUMBERS.items() if path in offered}
    if "exposure.mode" in offered:
        controls |= _exposure(settings)
    if "exposure.flicker" in offered:
        controls |= _flicker(settings.exposure.flicker)
    if "white_balance.mode" in offered:
        controls |= _white_balance(settings, offered)
    if "focus.mode" in offered:
        controls |= _focus(settings, geometry)
    if "hdr" in offered:
        controls["HdrMode"] = HDR_MODES.get(settings.hdr, HDR_MODES["off"])
    if "video.fps" in offered:
        duration = frame_duration_us(settings.video.fps)
        controls["FrameDurationLimits"] = (duration, duration)
    if "view.roi" in offered and geometry is not None:
        controls["ScalerCrop"] = geometry.crop(settings.view.roi)
    return controls


def _exposure(settings: CameraSettings) -> dict[str, Any]:
    exposure = settings.exposure
    if exposure.mode == "manual" and exposure.time_us is None and exposure.gain is None:
        return {"AeEnable": False}  # manual without a value: what auto has found is kept
    manual = exposure.mode == "manual"
    return {
        "AeEnable": True,
        # 0 gives the one back to the automatic.
        "ExposureTime": exposure.time_us or 0 if manual else 0,
        "AnalogueGain": float(exposure.gain or 0) if manual else 0.0,
    }


def _flicker(flicker: str) -> dict[str, Any]:
    period = _FLICKER_PERIOD_US.get(flicker)
    if period is None:
        return {"AeFlickerMode": 0}
    return {"AeFlickerMode": _FLICKER_MANUAL, "AeFlickerPeriod": period}


def _white_balance(settings: CameraSettings, offered: Collection[str]) -> dict[str, Any]:
    balance = settings.white_balance
    preset = NOIR_GAINS.get(balance.mode)
    if preset is not None:
        return {"ColourGains": (preset.red, preset.blue)}
    if balance.mode != "manual":
        return {"AwbEnable": True, "AwbMode": AWB_MODES[balance.mode]}
    if balance.red_gain is not None and balance.blue_gain is not None:
        return {"ColourGains": (balance.red_gain, balance.blue_gain)}
    if balance.temperature_k is not None and "white_balance.temperature_k" in offered:
        return {"ColourTemperature": balance.temperature_k}
    return {"AwbEnable": False}


def _focus(settings: CameraSettings, geometry: Geometry | None) -> dict[str, Any]:
    focus = settings.focus
    controls: dict[str, Any] = {"AfMode": AF_MODES[focus.mode]}
    if focus.mode == "manual" and focus.position is not None:
        controls["LensPosition"] = float(focus.position)  # ignored in any other mode
    if focus.window is not None and geometry is not None:
        controls["AfMetering"] = _AF_WINDOWS
        controls["AfWindows"] = [geometry.window(focus.window, settings.view.roi)]
    else:
        controls["AfMetering"] = 0
    return controls
