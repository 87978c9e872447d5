"""What a patch comes to on this camera: clamped where a number has a nearest allowed value, else refused.

The limits are the camera's own (`CameraCapabilities.controls`), and those that follow from other settings:
the frame rate from the size, the exposure time from the frame rate. A value that a patch names itself and
that contradicts another one of the same patch is refused; one that was there before gives way and is told.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge_agent.camera.bitrate import auto_bitrate_bps
from edge_agent.camera.capabilities import CameraCapabilities, Control
from edge_agent.camera.h264_levels import fit_level
from edge_agent.camera.settings import (
    CameraSettings,
    SettingsPatch,
    declarations,
    flatten,
    merge,
    normalise,
    setting_info,
    unflatten,
)
from edge_agent.contract.envelope import bounded
from edge_agent.contract.validation import validate
from edge_agent.errors import RefusedError, suggestion

__all__ = [
    "EffectiveLimit",
    "Resolution",
    "effective_limits",
    "fps_max_at",
    "interrupting",
    "resolve",
    "starting_settings",
    "what_is_offered",
]

_SIZE: Final = ("video.width", "video.height")
_TIMES: Final = ("time_us", "min_time_us", "max_time_us")


logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Resolution:
    """The settings that a patch comes to, the fields that were clamped and why, and what must stop for it."""

    settings: CameraSettings
    clamped: dict[str, str] = field(default_factory=dict)
    interrupts: bool = False


class EffectiveLimit(BaseModel):
    """What a setting may be right now, and because of what."""

    model_config = ConfigDict(frozen=True)

    min: float | None = Field(description="Null where the camera does not say")
    max: float | None = Field(description="Null where the camera does not say")
    because: str = Field(description="What it follows from")


def _defaults() -> dict[str, Any]:
    return flatten(CameraSettings().model_dump())


_NOT_LIVE: Final = frozenset(
    path for path, info in declarations().items() if not setting_info(info).get("live", True)
)
_NOT_LIVE_VALUE: Final = {path: attrgetter(path) for path in _NOT_LIVE}


def interrupting(old: CameraSettings, new: CameraSettings) -> bool:
    """Whether going from one to the other needs the camera stopped and configured anew."""
    return any(_NOT_LIVE_VALUE[path](old) != _NOT_LIVE_VALUE[path](new) for path in _NOT_LIVE)


def fps_max_at(capabilities: CameraCapabilities, width: int, height: int) -> float | None:
    """Return the highest frame rate at a size: that of the smallest listed size that holds it."""
    holding = [r for r in capabilities.resolutions if r.width >= width and r.height >= height]
    if holding:
        return max(r.fps_max for r in holding)
    return min((r.fps_max for r in capabilities.resolutions), default=None)


def effective_limits(settings: CameraSettings, capabilities: CameraCapabilities) -> dict[str, EffectiveLimit]:
    """Return the limits of frame rate and exposure time that hold with these settings."""
    limits: dict[str, EffectiveLimit] = {}
    video = settings.video
    control = capabilities.controls.get("video.fps")
    fps_max = fps_max_at(capabilities, video.width, video.height)
    if control is not None or fps_max is not None:
        highest = min((limit for limit in (control.max if control else None, fps_max) if limit), default=None)
        limits["fps"] = EffectiveLimit(
            min=control.min if control else None,
            max=highest,
            because=f"the camera's limit at {video.width}x{video.height}",
        )
    exposure = capabilities.controls.get("exposure.time_us")
    if exposure is not None and video.fps > 0:
        frame_us = int(1_000_000 / video.fps)
        by_frame = exposure.max is None or frame_us < exposure.max
        limits["exposure_us"] = EffectiveLimit(
            min=exposure.min,
            max=frame_us if by_frame else exposure.max,
            because=f"a frame at {video.fps:g} fps lasts {frame_us} µs" if by_frame else "the sensor's limit",
        )
    return limits


def starting_settings(
    wanted: Mapping[str, Any], capabilities: CameraCapabilities
) -> tuple[CameraSettings, dict[str, str]]:
    """Return the settings to start with, and what was left out or clamped of `wanted`, with the reasons.

    At a start nobody is there to be refused: the camera begins with its own defaults and takes of `wanted`
    what it can, one setting at a time.
    """
    settings = CameraSettings()
    for path, usual in _defaults().items():
        control = capabilities.controls.get(path)
        # What is null at first is left to the camera: its default there is no choice of anybody.
        if control is None or control.default is None or usual is None:
            continue
        try:
            settings = merge(settings, unflatten({path: control.default}))
        except ValidationError:
            logger.warning("The camera's default of %s is none: %r", path, control.default)
    offered, left_out = what_is_offered(wanted, current=settings, capabilities=capabilities)
    resolution = resolve(offered, current=settings, capabilities=capabilities)
    return resolution.settings, {**left_out, **resolution.clamped}


def what_is_offered(
    patch: Mapping[str, Any], *, current: CameraSettings, capabilities: CameraCapabilities
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the part of `patch` that this camera can do, and what was left out, with the reasons."""
    try:
        resolve(patch, current=current, capabilities=capabilities)
    except RefusedError:
        pass
    else:
        return dict(patch), {}
    offered: dict[str, Any] = {}
    left_out: dict[str, str] = {}
    for path, value in flatten(patch).items():
        try:
            resolve(unflatten({**offered, path: value}), current=current, capabilities=capabilities)
        except RefusedError as error:
            left_out[path] = error.message
        else:
            offered[path] = value
    return unflatten(offered), left_out


def resolve(
    patch: Mapping[str, Any],
    *,
    current: CameraSettings,
    capabilities: CameraCapabilities,
    strict: bool = False,
) -> Resolution:
    """Return what `patch` comes to on top of `current`.

    Raises RefusedError where something is not offered, is none of the options, contradicts itself, or with
    `strict` is out of range. Nothing is touched.
    """
    asked = flatten(normalise(validate(SettingsPatch, patch).model_dump(exclude_unset=True)))
    clamped: dict[str, str] = {}
    settled: dict[str, Any] = {}
    for path, value in asked.items():
        settled[path] = _within_control(path, value, capabilities, clamped)
    merged = merge(current, unflatten(settled))
    _refuse_impossible(merged)
    _refuse_contradictions(asked, merged)
    merged = _fit_size(merged, asked, capabilities, clamped)
    merged = _fit_frame_rate(merged, asked, capabilities, clamped)
    merged = _fit_exposure(merged, asked, capabilities, clamped)
    merged = _follow_with_bit_rate(merged, capabilities)
    merged = fit_level(merged, asked, clamped)
    if strict and clamped:
        path, reason = next(iter(clamped.items()))
        raise RefusedError(
            f"'{path}' would have to be clamped: {reason}",
            code="out_of_range",
            field=path,
            value=asked.get(path),
            allowed=_allowed_range(capabilities.controls.get(path)),
        )
    return Resolution(settings=merged, clamped=clamped, interrupts=interrupting(current, merged))


def _within_control(path: str, value: Any, capabilities: CameraCapabilities, clamped: dict[str, str]) -> Any:
    control = capabilities.controls.get(path)
    if control is None:
        if value is None or value == _defaults().get(path):
            return value  # asking for what is so anyway is no request
        reason = capabilities.unavailable.get(path, "this camera does not have it")
        raise RefusedError(
            f"'{path}' is not offered by {capabilities.model}: {reason}",
            code="not_offered",
            field=path,
            value=value,
            allowed=sorted(capabilities.controls),
        )
    if value is None:
        return value
    if control.options is not None:
        if value not in control.options:
            reason = capabilities.unavailable.get(
                f"{path}={value}", f"{capabilities.model} does not offer it"
            )
            near = suggestion(value, map(str, control.options)) if isinstance(value, str) else ""
            raise RefusedError(
                f"'{path}' cannot be {value!r}: {reason}{near}",
                code="not_offered",
                field=path,
                value=value,
                allowed=list(control.options),
            )
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _clamp(path, value, control, clamped)
    return value


def _clamp(path: str, value: float, control: Control, clamped: dict[str, str]) -> float:
    whole = isinstance(value, int)
    if control.min is not None and value < control.min:
        clamped[path] = f"{bounded(value)} is below {control.min:g}, the least there is"
        return math.ceil(control.min) if whole else control.min
    if control.max is not None and value > control.max:
        clamped[path] = f"{bounded(value)} is above {control.max:g}, the most there is"
        return math.floor(control.max) if whole else control.max
    return value


def _allowed_range(control: Control | None) -> dict[str, float | None] | None:
    return None if control is None else {"min": control.min, "max": control.max}


def _refuse_impossible(settings: CameraSettings) -> None:
    """Refuse what no camera can do, also where a driver tells no limits."""
    for name in ("width", "height", "fps"):
        value = getattr(settings.video, name)
        if value <= 0:
            raise RefusedError(
                f"'video.{name}' must be above 0, not {bounded(value)}",
                code="out_of_range",
                field=f"video.{name}",
                value=value,
                allowed={"above": 0},
            )


def _refuse_contradictions(asked: Mapping[str, Any], merged: CameraSettings) -> None:
    exposure, white_balance, focus = merged.exposure, merged.white_balance, merged.focus

    def refuse(path: str, message: str) -> None:
        raise RefusedError(message, code="contradiction", field=path, value=asked.get(path))

    for path in ("exposure.time_us", "exposure.gain"):
        if exposure.mode == "auto" and asked.get(path) is not None:
            refuse(path, f"'{path}' is for manual exposure, and 'exposure.mode' is auto")
    shortest, longest = exposure.min_time_us, exposure.max_time_us
    times_asked = [path for path in ("exposure.min_time_us", "exposure.max_time_us") if path in asked]
    if times_asked and shortest is not None and longest is not None and shortest > longest:
        field_name = times_asked[0]
        refuse(field_name, f"min_time_us {exposure.min_time_us} is above max_time_us {exposure.max_time_us}")
    for path in ("white_balance.red_gain", "white_balance.blue_gain", "white_balance.temperature_k"):
        if white_balance.mode != "manual" and asked.get(path) is not None:
            refuse(
                path,
                f"'{path}' is for manual white balance, and 'white_balance.mode' is {white_balance.mode}",
            )
    gains_asked = (
        asked.get("white_balance.red_gain") is not None or asked.get("white_balance.blue_gain") is not None
    )
    if gains_asked and asked.get("white_balance.temperature_k") is not None:
        refuse("white_balance.temperature_k", "give gains or a colour temperature, not both")
    if focus.mode != "manual" and asked.get("focus.position") is not None:
        refuse("focus.position", f"'focus.position' is for manual focus, and 'focus.mode' is {focus.mode}")
    for path, window in (("focus.window", focus.window), ("view.roi", merged.view.roi)):
        if (
            path in asked
            and window is not None
            and (window.x + window.width > 1.0001 or window.y + window.height > 1.0001)
        ):
            refuse(path, f"'{path}' reaches beyond the picture: x + width and y + height are at most 1")
    time_us, fps = asked.get("exposure.time_us"), asked.get("video.fps")
    if time_us is not None and fps is not None and fps > 0 and time_us > 1_000_000 / fps:
        refuse(
            "exposure.time_us",
            f"{time_us} µs does not fit into a frame at {fps:g} fps ({1_000_000 / fps:.0f} µs)",
        )


def _with(settings: CameraSettings, **changes: Any) -> CameraSettings:
    return merge(settings, unflatten({path.replace("__", "."): value for path, value in changes.items()}))


def _fit_size(
    settings: CameraSettings,
    asked: Mapping[str, Any],
    capabilities: CameraCapabilities,
    clamped: dict[str, str],
) -> CameraSettings:
    if not any(path in asked for path in _SIZE):
        return settings
    width, height = settings.video.width, settings.video.height
    if capabilities.any_size:
        fitted = (width - width % 2, height - height % 2)
        reason = f"the encoder needs even sizes, not {width}x{height}"
    else:
        sizes = [(r.width, r.height) for r in capabilities.resolutions]
        # Where only one of the two was asked for, the other one follows.
        one_asked = len([path for path in _SIZE if path in asked]) == 1
        own = 0 if "video.width" in asked else 1

        def distance(size: tuple[int, int]) -> tuple[int, int, tuple[int, int]]:
            aside = abs(size[own] - (width, height)[own]) if one_asked else 0
            return aside, abs(size[0] * size[1] - width * height), size

        fitted = min(sizes, key=distance, default=(width, height))
        reason = f"{width}x{height} is none of the camera's sizes"
    if fitted == (width, height):
        return settings
    for path, value, before in zip(_SIZE, fitted, (width, height), strict=True):
        if value != before:
            clamped[path] = reason
    return _with(settings, video__width=fitted[0], video__height=fitted[1])


def _fit_frame_rate(
    settings: CameraSettings,
    asked: Mapping[str, Any],
    capabilities: CameraCapabilities,
    clamped: dict[str, str],
) -> CameraSettings:
    if not any(path in asked for path in (*_SIZE, "video.fps")):
        return settings
    highest = fps_max_at(capabilities, settings.video.width, settings.video.height)
    if highest is None or settings.video.fps <= highest:
        return settings
    clamped["video.fps"] = (
        f"at {settings.video.width}x{settings.video.height} the camera reaches {highest:g} fps"
    )
    return _with(settings, video__fps=highest)


def _fit_exposure(
    settings: CameraSettings,
    asked: Mapping[str, Any],
    capabilities: CameraCapabilities,
    clamped: dict[str, str],
) -> CameraSettings:
    exposure = settings.exposure
    touched = any(
        path in asked or path in clamped for path in ("video.fps", *(f"exposure.{name}" for name in _TIMES))
    )
    limit = effective_limits(settings, capabilities).get("exposure_us") if touched else None
    if limit is None or limit.max is None:
        return settings
    for name in _TIMES:
        value = getattr(exposure, name)
        if value is not None and value > limit.max:
            clamped[f"exposure.{name}"] = limit.because
            settings = _with(settings, **{f"exposure__{name}": int(limit.max)})
    return settings


def _follow_with_bit_rate(settings: CameraSettings, capabilities: CameraCapabilities) -> CameraSettings:
    video = settings.video
    control = capabilities.controls.get("video.bitrate_bps")
    if not video.bitrate_auto or control is None:
        return settings
    wanted = auto_bitrate_bps(video.width, video.height, video.fps)
    followed = int(_clamp("video.bitrate_bps", wanted, control, {}))
    return settings if followed == video.bitrate_bps else _with(settings, video__bitrate_bps=followed)
