"""What the simulated sensor is: an imx708's modes and limits, and what settings come to within them."""

from __future__ import annotations

from typing import Final

from edge_agent.camera.capabilities import CameraCapabilities, Control, Resolution, SensorMode, Size, Stills
from edge_agent.camera.settings import CameraSettings, Window, merge

__all__ = [
    "BITRATE_BPS",
    "GAIN",
    "POSITION",
    "SENSOR",
    "TIME_US",
    "capabilities",
    "hold",
    "mode_for",
    "shown_crop",
]

SENSOR: Final = Size(width=4608, height=2592)
_WHOLE: Final = (0, 0, SENSOR.width, SENSOR.height)
_FAST: Final = SensorMode(width=1536, height=864, fps_max=120.13, bit_depth=10, crop=(768, 432, 3072, 1728))
_BINNED: Final = SensorMode(width=2304, height=1296, fps_max=56.03, bit_depth=10, crop=_WHOLE)
_FULL: Final = SensorMode(width=4608, height=2592, fps_max=14.35, bit_depth=10, crop=_WHOLE)

TIME_US: Final = (26, 220_416_802)
GAIN: Final = (1.1228, 16.0)
POSITION: Final = (0.0, 15.0)
_EV: Final = (-8.0, 8.0)
_COLOUR_GAIN: Final = (0.0, 32.0)
_TEMPERATURE_K: Final = (100, 100_000)
_BRIGHTNESS: Final = (-1.0, 1.0)
_CONTRAST: Final = (0.0, 32.0)
_SATURATION: Final = (0.0, 32.0)
_SHARPNESS: Final = (0.0, 16.0)
_FPS_MIN: Final = 1.0
BITRATE_BPS: Final = (100_000, 25_000_000)
_SMALLEST_PX: Final = 64
_SMALLEST_ROI: Final = 1 / 32

_OPTIONS: Final[dict[str, tuple[str | int | bool, ...]]] = {
    "exposure.mode": ("auto", "manual"),
    "exposure.constraint_mode": ("normal", "highlight", "shadows"),
    "exposure.exposure_mode": ("normal", "short", "long"),
    "exposure.metering_mode": ("centre_weighted", "spot", "matrix"),
    "exposure.flicker": ("off", "50hz", "60hz"),
    "white_balance.mode": (
        "auto",
        "manual",
        "incandescent",
        "tungsten",
        "fluorescent",
        "indoor",
        "daylight",
        "cloudy",
        "daylight_noir",
        "indoor_noir",
        "ir_850nm",
        "ir_940nm",
    ),
    "focus.mode": ("manual", "auto", "continuous"),
    "focus.range": ("normal", "macro", "full"),
    "focus.speed": ("normal", "fast"),
    "image.noise_reduction": ("off", "minimal", "fast", "high_quality"),
    "view.hflip": (False, True),
    "view.vflip": (False, True),
    "view.rotation": (0, 180),
    "video.field_of_view": ("scale", "crop"),
    "video.bitrate_auto": (False, True),
}
_RANGES: Final[dict[str, tuple[float, float]]] = {
    "exposure.time_us": TIME_US,
    "exposure.gain": GAIN,
    "exposure.ev": _EV,
    "exposure.min_time_us": TIME_US,
    "exposure.max_time_us": TIME_US,
    "white_balance.red_gain": _COLOUR_GAIN,
    "white_balance.blue_gain": _COLOUR_GAIN,
    "white_balance.temperature_k": _TEMPERATURE_K,
    "focus.position": POSITION,
    "image.brightness": _BRIGHTNESS,
    "image.contrast": _CONTRAST,
    "image.saturation": _SATURATION,
    "image.sharpness": _SHARPNESS,
    "video.width": (_SMALLEST_PX, SENSOR.width),
    "video.height": (_SMALLEST_PX, SENSOR.height),
    "video.fps": (_FPS_MIN, _FAST.fps_max),
    "video.bitrate_bps": BITRATE_BPS,
}
_FREE: Final = ("focus.window", "view.roi")
_NO_TUNING: Final = "the simulated camera's tuning has no custom algorithm"
_ON_ITS_SIDE: Final = "a camera cannot turn its picture on its side"
_UNAVAILABLE: Final = {
    "hdr": "the simulated sensor reads each frame with one exposure",
    "view.lens_correction": "the simulated lens bends no lines",
    "view.rotation=90": _ON_ITS_SIDE,
    "view.rotation=270": _ON_ITS_SIDE,
    "exposure.constraint_mode=custom": _NO_TUNING,
    "exposure.exposure_mode=custom": _NO_TUNING,
    "exposure.metering_mode=custom": _NO_TUNING,
    "white_balance.mode=custom": _NO_TUNING,
    "image.noise_reduction=zsl": "the simulated camera has no zero shutter lag",
}


def capabilities() -> CameraCapabilities:
    """Return what the simulated camera can do."""
    defaults = CameraSettings().model_dump()
    controls: dict[str, Control] = {}
    for path in (*_OPTIONS, *_RANGES, *_FREE):
        group, _, name = path.partition(".")
        default = defaults[group][name]
        low, high = _RANGES.get(path, (None, None))
        controls[path] = Control(min=low, max=high, default=default, options=_OPTIONS.get(path))
    return CameraCapabilities(
        driver="simulated",
        model="simulated imx708",
        sensor="imx708",
        camera_id="simulated",
        sensor_size=SENSOR,
        modes=(_FAST, _BINNED, _FULL),
        resolutions=tuple(
            Resolution(width=width, height=height, fps_max=_fps_max(width, height), label=label)
            for width, height, label in (
                (640, 480, "VGA"),
                (1280, 720, "720p"),
                (1536, 864, None),
                (1920, 1080, "1080p"),
                (2304, 1296, "binned"),
                (4608, 2592, "full"),
            )
        ),
        any_size=True,
        controls=controls,
        unavailable=dict(_UNAVAILABLE),
        stills=Stills(
            formats=("jpeg", "png", "dng"),
            max_width=SENSOR.width,
            max_height=SENSOR.height,
            raw=True,
            unavailable={},
        ),
    )


def _fits(width: int, height: int, mode: SensorMode) -> bool:
    return width <= mode.width and height <= mode.height


def _fps_max(width: int, height: int) -> float:
    return next((mode.fps_max for mode in (_FAST, _BINNED) if _fits(width, height, mode)), _FULL.fps_max)


def mode_for(settings: CameraSettings) -> SensorMode:
    """Return the mode that serves these settings: the whole view where its rate allows, else the fast one."""
    video = settings.video
    fast = video.field_of_view == "crop" or video.fps > _BINNED.fps_max
    if fast and _fits(video.width, video.height, _FAST):
        return _FAST
    return _BINNED if _fits(video.width, video.height, _BINNED) else _FULL


def shown_crop(settings: CameraSettings) -> tuple[int, int, int, int]:
    """Return the part of the sensor that is shown: of the region of interest the middle, in shape."""
    left, top, width, height = mode_for(settings).crop or _WHOLE
    roi = settings.view.roi
    x, y = left + roi.x * width, top + roi.y * height
    wide, high = roi.width * width, roi.height * height
    shape = settings.video.width / settings.video.height
    if wide > high * shape:
        x += (wide - high * shape) / 2
        wide = high * shape
    else:
        y += (high - wide / shape) / 2
        high = wide / shape
    return round(x), round(y), max(2, round(wide)), max(2, round(high))


def _within(value: float, limits: tuple[float, float]) -> float:
    return min(max(value, limits[0]), limits[1])


def _window(window: Window) -> Window:
    width, height = max(window.width, _SMALLEST_ROI), max(window.height, _SMALLEST_ROI)
    return Window(x=min(window.x, 1 - width), y=min(window.y, 1 - height), width=width, height=height)


def hold(wanted: CameraSettings) -> CameraSettings:
    """Return `wanted` as the camera can hold it: within its limits, and its default for what it has not.

    Values that the present mode does not use (a manual gain in auto) are null, as a camera that is read back
    says nothing of them.
    """
    whole = wanted.model_dump()
    plain = CameraSettings().model_dump()
    for path, options in _OPTIONS.items():
        group, _, name = path.partition(".")
        if whole[group][name] not in options:
            whole[group][name] = plain[group][name]
    for path, limits in _RANGES.items():
        group, _, name = path.partition(".")
        value = whole[group][name]
        if value is not None:
            whole[group][name] = type(value)(_within(value, limits))
    whole["hdr"] = plain["hdr"]
    whole["view"]["lens_correction"] = plain["view"]["lens_correction"]
    video = whole["video"]
    video["width"] -= video["width"] % 2
    video["height"] -= video["height"] % 2
    video["fps"] = min(video["fps"], _fps_max(video["width"], video["height"]))
    exposure = whole["exposure"]
    frame_us = int(1_000_000 / video["fps"])
    for name in ("time_us", "min_time_us", "max_time_us"):
        if exposure[name] is not None:
            exposure[name] = min(exposure[name], frame_us)
    if exposure["min_time_us"] and exposure["max_time_us"]:
        exposure["min_time_us"] = min(exposure["min_time_us"], exposure["max_time_us"])
    if exposure["mode"] == "auto":
        exposure.update(time_us=None, gain=None)
    balance = whole["white_balance"]
    if balance["mode"] != "manual":
        balance.update(red_gain=None, blue_gain=None, temperature_k=None)
    elif balance["red_gain"] is not None or balance["blue_gain"] is not None:
        balance["temperature_k"] = None
    if whole["focus"]["mode"] != "manual":
        whole["focus"]["position"] = None
    held = CameraSettings.model_validate(whole)
    window = held.focus.window
    return merge(
        held,
        {
            "view": {"roi": _window(held.view.roi)},
            "focus": {"window": _window(window) if window is not None else None},
        },
    )
