"""What a request for pictures comes to on this camera, now: checked before anything is touched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from edge_agent.camera.capabilities import CameraCapabilities, Reading, Stills
from edge_agent.camera.frozen import frozen
from edge_agent.camera.limits import resolve
from edge_agent.camera.messages import StillRequest, Take
from edge_agent.camera.settings import CameraSettings, flatten, normalise, unflatten
from edge_agent.errors import RefusedError

__all__ = ["Plan", "plan"]

_SMALLEST_PX: Final = 16
_NEW_CONFIGURATION: Final = (
    "its settings need the camera stopped and configured anew, and so does the way back"
)

# How long a picture may take: to begin with, for a scan, for the camera's stop and start, for each million of
# pixels on the slowest machine, and how many frames may pass until it is exposed.
_BASE_S: Final = 15.0
_SCAN_S: Final = 6.0
_INTERRUPTION_S: Final = 20.0
_PER_MEGAPIXEL_S: Final = {"jpeg": 0.5, "png": 3.0, "dng": 0.5}
_FRAMES: Final = 60


@dataclass(frozen=True)
class Plan:
    """What a request comes to. `interruption` says why the stream does not go on as it is, if so.

    `stops` tells that frames stay away for longer than a watchdog waits, `alone` that nothing else may be
    changed meanwhile.
    """

    take: Take
    interruption: str | None
    stops: bool
    alone: bool


def plan(
    request: StillRequest,
    *,
    settings: CameraSettings,
    capabilities: CameraCapabilities,
    reading: Reading | None = None,
) -> Plan:
    """Return what a request comes to. Raises RefusedError for what this camera cannot do."""
    stills = capabilities.stills
    if request.format not in stills.formats:
        reason = stills.unavailable.get(request.format, "it does not offer it")
        raise RefusedError(
            f"{capabilities.model} takes no {request.format} pictures: {reason}",
            code="not_offered",
            field="format",
            value=request.format,
            allowed=list(stills.formats),
        )
    _refuse_focus(request, capabilities)
    size, larger = _size(request, settings, stills)
    stop = _why_it_stops(request, size if larger else None, settings, stills)
    borrowed, interrupts = _borrowed(request, settings, capabilities, reading)
    slower = borrowed is not None and borrowed.video.fps < settings.video.fps
    reasons = [reason for reason in (stop, _NEW_CONFIGURATION if interrupts else None) if reason]
    if borrowed is not None and slower and not interrupts:
        reasons.append(f"the stream comes at {borrowed.video.fps:.3g} fps meanwhile, for its settings")
    stops = bool(stop) or interrupts
    width, height = size or (settings.video.width, settings.video.height)
    take = Take(
        request=request,
        size=size,
        larger=larger,
        settings=borrowed,
        interrupts=interrupts,
        timeout_s=_BASE_S
        + (_SCAN_S if request.focus_first else 0.0)
        + (_INTERRUPTION_S if stops else 0.0)
        + _PER_MEGAPIXEL_S[request.format] * request.count * width * height / 1e6
        + (_FRAMES + request.count) / (borrowed or settings).video.fps,
    )
    return Plan(
        take=take,
        interruption="; ".join(reasons) or None,
        stops=stops,
        # A scan in manual mode moves the lens from where it was put.
        alone=stops or borrowed is not None or (request.focus_first and settings.focus.mode == "manual"),
    )


def _why_it_stops(
    request: StillRequest, larger: tuple[int, int] | None, settings: CameraSettings, stills: Stills
) -> str | None:
    if larger is not None and stills.larger_interrupts_stream:
        video = settings.video
        return (
            f"{larger[0]}x{larger[1]} is not within the stream's {video.width}x{video.height}: "
            "the camera stops for it"
        )
    if request.format == "dng" and stills.raw_interrupts_stream:
        return "the camera stops for raw data"
    return None


def _borrowed(
    request: StillRequest,
    settings: CameraSettings,
    capabilities: CameraCapabilities,
    reading: Reading | None,
) -> tuple[CameraSettings | None, bool]:
    """Return what holds for the picture, None where that is what holds anyway, and whether it interrupts."""
    if not request.settings:
        return None, False
    patch = _with_room_for(normalise(frozen(request.settings, reading)), settings, capabilities)
    resolution = resolve(patch, current=settings, capabilities=capabilities)
    if resolution.settings == settings:
        return None, False
    return resolution.settings, resolution.interrupts


def _refuse_focus(request: StillRequest, capabilities: CameraCapabilities) -> None:
    if not request.focus_first:
        return
    if "focus.mode" not in capabilities.controls:
        reason = capabilities.unavailable.get("focus.mode", "this camera has no focus drive")
        raise RefusedError(
            f"{capabilities.model} cannot focus: {reason}",
            code="not_offered",
            field="focus_first",
            value=True,
        )
    if flatten(request.settings).get("focus.position") is not None:
        raise RefusedError(
            "focus first, or put the lens to a position: not both",
            code="invalid_arguments",
            field="focus_first",
            value=True,
        )


def _size(
    request: StillRequest, settings: CameraSettings, stills: Stills
) -> tuple[tuple[int, int] | None, bool]:
    """Return the picture's size, None for the stream's own, and whether the stream's frames are smaller."""
    stream = (settings.video.width, settings.video.height)
    most = (stills.max_width or stream[0], stills.max_height or stream[1])
    if request.full:
        if request.width is not None or request.height is not None:
            raise RefusedError(
                "give a size, or 'full': not both", code="invalid_arguments", field="full", value=True
            )
        return most, most[0] > stream[0] or most[1] > stream[1] or request.format == "dng"
    width, height = request.width, request.height
    if width is None and height is None:
        return None, False
    shape = stream[0] / stream[1]
    size = (
        width if width is not None else max(1, round((height or 1) * shape)),
        height if height is not None else max(1, round((width or 1) / shape)),
    )
    for name, asked, largest in zip(("width", "height"), size, most, strict=True):
        if not _SMALLEST_PX <= asked <= largest:
            raise RefusedError(
                f"a picture's {name} is {_SMALLEST_PX} to {largest} pixels here, not {asked}",
                code="out_of_range",
                field=name,
                value=asked,
                allowed={"min": _SMALLEST_PX, "max": largest},
            )
    return size, size[0] > stream[0] or size[1] > stream[1] or request.format == "dng"


def _with_room_for(
    patch: Mapping[str, Any], settings: CameraSettings, capabilities: CameraCapabilities
) -> dict[str, Any]:
    """Add the slower frame rate that a long exposure takes, where none is asked for."""
    flat = flatten(patch)
    time_us, control = flat.get("exposure.time_us"), capabilities.controls.get("video.fps")
    if (
        control is not None
        and isinstance(time_us, int)
        and "video.fps" not in flat
        and time_us > 1_000_000 / settings.video.fps
    ):
        # A little more room than there must be, so that rounding takes nothing away.
        flat["video.fps"] = max(control.min or 0.0, 1_000_000 / (time_us * 1.001))
    return unflatten(flat)
