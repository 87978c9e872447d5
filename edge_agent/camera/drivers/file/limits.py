"""What a file can do as a camera, and what settings come to on it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from edge_agent.camera.capabilities import CameraCapabilities, Control, Resolution, Size, Stills
from edge_agent.camera.drivers.file.tape import TapeInfo
from edge_agent.camera.settings import (
    CameraSettings,
    Image,
    Video,
    View,
    Window,
    flatten,
    software_settings,
)

__all__ = ["capabilities_of", "fitted", "needs_no_change"]

_STANDARD_SIZES: Final = (
    (3840, 2160),
    (2560, 1440),
    (1920, 1080),
    (1280, 960),
    (1280, 720),
    (1024, 768),
    (854, 480),
    (640, 480),
    (640, 360),
    (320, 240),
)
_SMALLEST_PX: Final = 64
_FPS_MIN: Final = 1.0
_BITRATE_BPS: Final = (100_000, 25_000_000)
_BRIGHTNESS: Final = (-1.0, 1.0)
_CONTRAST: Final = (0.0, 4.0)
_SATURATION: Final = (0.0, 4.0)

_REASONS: Final = {
    "exposure": "a file was exposed when it was recorded",
    "white_balance": "a file was balanced when it was recorded",
    "focus": "a file has no lens",
    "hdr": "a file has no sensor",
    "image.sharpness": "a file is shown as sharp as it was recorded",
    "image.noise_reduction": "a file is shown as it was recorded",
    "view.lens_correction": "a file does not say through which lens it was recorded",
    "view.rotation=90": "a file's picture can be turned upside down, not on its side",
    "view.rotation=270": "a file's picture can be turned upside down, not on its side",
    "video.field_of_view": "a file has no sensor modes",
}
_PASSES: Final = (
    "the file's H.264 is passed through as it is; with 'pass_through: false' in camera.options it is "
    "decoded and encoded anew"
)


def _between(value: float, limits: tuple[float, float]) -> float:
    return max(limits[0], min(limits[1], value))


def _fps_limits(info: TapeInfo) -> tuple[float, float]:
    return min(_FPS_MIN, info.fps), info.fps


def _bitrate_limits(info: TapeInfo) -> tuple[int, int]:
    own = info.bitrate_bps or _BITRATE_BPS[0]
    return min(_BITRATE_BPS[0], own), max(_BITRATE_BPS[1], own)


def _controls(info: TapeInfo) -> dict[str, Control]:
    fps_min, fps_max = _fps_limits(info)
    bitrate_min, bitrate_max = _bitrate_limits(info)
    neutral = Image()
    yes_or_no = Control(default=False, options=(False, True))
    return {
        "image.brightness": Control(min=_BRIGHTNESS[0], max=_BRIGHTNESS[1], default=neutral.brightness),
        "image.contrast": Control(min=_CONTRAST[0], max=_CONTRAST[1], default=neutral.contrast),
        "image.saturation": Control(min=_SATURATION[0], max=_SATURATION[1], default=neutral.saturation),
        "view.roi": Control(default=Window().model_dump()),
        "view.hflip": yes_or_no,
        "view.vflip": yes_or_no,
        "view.rotation": Control(default=0, options=(0, 180)),
        "video.width": Control(min=_SMALLEST_PX, max=info.width, default=info.width),
        "video.height": Control(min=_SMALLEST_PX, max=info.height, default=info.height),
        "video.fps": Control(min=fps_min, max=fps_max, default=fps_max),
        "video.bitrate_auto": Control(default=True, options=(True, False)),
        "video.bitrate_bps": Control(min=bitrate_min, max=bitrate_max, default=Video().bitrate_bps),
    }


def capabilities_of(info: TapeInfo, path: Path, *, passing: bool) -> CameraCapabilities:
    """Return what a file can do: every size up to its own, every frame rate up to its own.

    Where its packets are passed through (`passing`) there is no encoder to set.
    """
    controls = _controls(info)
    unavailable = {key: reason for key, reason in _REASONS.items() if "=" in key}
    software = software_settings()
    if passing:
        unavailable |= dict.fromkeys(software, _PASSES)
    for setting in flatten(CameraSettings().model_dump()):
        if setting not in controls and setting not in software:
            reason = _REASONS.get(setting) or _REASONS[setting.partition(".")[0]]
            unavailable[setting] = reason
    smaller = [
        (width, height)
        for width, height in _STANDARD_SIZES
        if width <= info.width and height <= info.height and (width, height) != (info.width, info.height)
    ]
    return CameraCapabilities(
        driver="file",
        model=path.name,
        camera_id=str(path),
        sensor_size=Size(width=info.width, height=info.height),
        resolutions=(
            Resolution(width=info.width, height=info.height, fps_max=info.fps, label="native"),
            *(Resolution(width=width, height=height, fps_max=info.fps) for width, height in smaller),
        ),
        any_size=True,
        controls=controls,
        unavailable=unavailable,
        live_encode=not passing,
        stills=Stills(
            max_width=info.width, max_height=info.height, unavailable={"dng": "a file holds no raw data"}
        ),
    )


def _fitted_roi(roi: Window) -> Window:
    x, y = min(roi.x, 0.99), min(roi.y, 0.99)
    return Window(x=x, y=y, width=min(roi.width, 1 - x), height=min(roi.height, 1 - y))


def _fitted_side(asked: int, native: int) -> int:
    side = min(native, max(min(_SMALLEST_PX, native), asked))
    return side - side % 2


def fitted(settings: CameraSettings, info: TapeInfo) -> CameraSettings:
    """Return `settings` as a file can have them: within its limits, what it has not at its default.

    A size above the file's own comes to its own: enlarging would cost the encoder and show nothing more.
    """
    fps_min, fps_max = _fps_limits(info)
    video, view, image = settings.video, settings.view, settings.image
    return CameraSettings(
        image=Image(
            brightness=_between(image.brightness, _BRIGHTNESS),
            contrast=_between(image.contrast, _CONTRAST),
            saturation=_between(image.saturation, _SATURATION),
        ),
        view=View(
            roi=_fitted_roi(view.roi),
            hflip=view.hflip,
            vflip=view.vflip,
            rotation=view.rotation if view.rotation == 180 else 0,
        ),
        video=Video(
            width=_fitted_side(video.width, info.width),
            height=_fitted_side(video.height, info.height),
            fps=_between(video.fps, (fps_min, fps_max)),
            bitrate_auto=video.bitrate_auto,
            bitrate_bps=int(_between(video.bitrate_bps, _bitrate_limits(info))),
        ),
    )


def needs_no_change(settings: CameraSettings, info: TapeInfo) -> bool:
    """Tell whether these settings, fitted, show the file's picture as it is, at its own rates."""
    native = {
        "width": info.width,
        "height": info.height,
        "fps": info.fps,
        "bitrate_auto": True,
        "bitrate_bps": settings.video.bitrate_bps,
    }
    return (
        settings.image == Image()
        and settings.view == View()
        and settings.video.model_dump(include=set(native)) == native
    )
