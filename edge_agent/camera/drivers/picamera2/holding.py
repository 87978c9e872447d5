"""What settings come to within a camera's limits: its own, and those of the present sensor mode."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from edge_agent.camera.capabilities import CameraCapabilities, Control
from edge_agent.camera.drivers.picamera2.controls import frame_duration_us
from edge_agent.camera.settings import CameraSettings, Window, flatten, unflatten
from edge_agent.errors import CameraError

__all__ = ["hold", "present_limits", "refuse_unavailable"]

_SMALLEST_ROI: Final = 1 / 64


def present_limits(controls: Mapping[str, tuple[Any, Any, Any]]) -> dict[str, tuple[float, float]]:
    """Return the limits that hold in the configured sensor mode, by the settings' paths."""
    limits: dict[str, tuple[float, float]] = {}
    for path, name in (("exposure.time_us", "ExposureTime"), ("exposure.gain", "AnalogueGain")):
        span = controls.get(name)
        if span is not None and span[0] is not None and span[1] is not None:
            limits[path] = (max(span[0], 1), span[1]) if path.endswith("_us") else (span[0], span[1])
    span = controls.get("FrameDurationLimits")
    if span is not None and span[0] and span[1]:
        # Modes tell their rate with two decimals: that one is meant, not a trifle less or more.
        limits["video.fps"] = (1_000_000 / span[1], round(1_000_000 / span[0], 2))
    return limits


def refuse_unavailable(settings: CameraSettings, capabilities: CameraCapabilities) -> None:
    """Raise CameraError where a wanted turn is one that libcamera would silently replace by another."""
    control = capabilities.controls.get("view.rotation")
    rotation = settings.view.rotation
    allowed: tuple[Any, ...] = (control.options or (0,)) if control is not None else (0,)
    if rotation not in allowed:
        raise CameraError(
            f"'view.rotation' cannot be {rotation}: {capabilities.model} turns its picture by "
            f"{' or '.join(map(str, allowed))} degrees only",
            code="not_offered",
            field="view.rotation",
            value=rotation,
            allowed=list(allowed),
        )


def hold(
    wanted: CameraSettings,
    *,
    capabilities: CameraCapabilities,
    present: Mapping[str, tuple[float, float]],
) -> CameraSettings:
    """Return `wanted` as the camera can hold it.

    What is not offered is at its default; values that the present modes do not use are null, as nothing of
    them can be read back.
    """
    flat = flatten(wanted.model_dump())
    plain = flatten(CameraSettings().model_dump())
    for path, value in flat.items():
        control = capabilities.controls.get(path)
        if control is None:
            flat[path] = plain[path]
        elif control.options is not None:
            flat[path] = value if value in control.options else control.default
        elif isinstance(value, int | float):
            flat[path] = _within(value, control, present.get(path), whole=isinstance(value, int))
    _drop_unused(flat)
    if flat["exposure.time_us"] is not None:
        flat["exposure.time_us"] = min(flat["exposure.time_us"], frame_duration_us(flat["video.fps"]))
    for path in ("view.roi", "focus.window"):
        if flat[path] is not None:
            flat[path] = _inside(Window.model_validate(flat[path])).model_dump()
    return CameraSettings.model_validate(unflatten(flat))


def _within(value: float, control: Control, present: tuple[float, float] | None, *, whole: bool) -> float:
    for low, high in ((control.min, control.max), present or (None, None)):
        if low is not None and value < low:
            value = low
        if high is not None and value > high:
            value = high
    return int(value) if whole else float(value)


def _drop_unused(flat: dict[str, Any]) -> None:
    if flat["exposure.mode"] == "auto":
        flat["exposure.time_us"] = flat["exposure.gain"] = None
    gains = ("white_balance.red_gain", "white_balance.blue_gain")
    if flat["white_balance.mode"] != "manual":
        flat |= dict.fromkeys((*gains, "white_balance.temperature_k"))
    elif any(flat[path] is not None for path in gains):
        flat["white_balance.temperature_k"] = None
    if flat["focus.mode"] != "manual":
        flat["focus.position"] = None


def _inside(window: Window) -> Window:
    width, height = max(window.width, _SMALLEST_ROI), max(window.height, _SMALLEST_ROI)
    return Window(x=min(window.x, 1 - width), y=min(window.y, 1 - height), width=width, height=height)
