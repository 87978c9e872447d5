"""The camera's entities: every setting that this camera offers, and what its sensor says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, get_args

from pydantic.fields import FieldInfo

from edge_agent.camera.capabilities import CameraCapabilities, Control
from edge_agent.camera.settings import declarations, setting_info, setting_title
from edge_agent.contract.entity import Entity

__all__ = ["camera_entities"]

_FINE_STEPS: Final = ((2.5, 0.01), (50.0, 0.1))
# Width and height go together: they are one entity, the resolution.
_NOT_ALONE: Final = {"video.width", "video.height"}


def camera_entities(capabilities: CameraCapabilities | None) -> Iterator[Entity]:
    """Yield the entities of a camera; without one, those of the agent's side alone."""
    yield from _ALWAYS
    if capabilities is None:
        return
    declared = declarations()
    for path, control in capabilities.controls.items():
        if path in declared and path not in _NOT_ALONE:
            yield from _setting_entity(path, declared[path], control)
    yield _resolution(capabilities)
    yield from _SENSOR
    if "focus.mode" in capabilities.controls:
        yield from _FOCUS


def _setting_entity(path: str, declared: FieldInfo, control: Control) -> Iterator[Entity]:
    extra = setting_info(declared)
    common: dict[str, Any] = {
        "key": path.replace(".", "_"),
        "name": setting_title(path),
        "path": f"camera.settings.{path}",
        "command": "settings",
        "category": "config",
        "enabled": bool(extra.get("everyday")),
        "icon": extra.get("icon"),
        "needs_camera": True,
    }
    group, _, name = path.partition(".")

    def patch(value: Any) -> dict[str, Any]:
        return {group: {name: value}} if name else {group: value}

    if bool in (declared.annotation, *get_args(declared.annotation)):
        yield Entity(platform="switch", on=patch(True), off=patch(False), **common)
    elif control.options is not None and set(control.options) == {"auto", "manual"}:
        yield Entity(platform="switch", on=patch("auto"), off=patch("manual"), on_state="auto", **common)
    elif control.options is not None:
        options = tuple(str(option) for option in control.options)
        yield Entity(platform="select", options=options, arguments=patch(...), **common)
    elif control.min is not None and control.max is not None:
        whole = int in (declared.annotation, *get_args(declared.annotation))
        yield Entity(
            platform="number",
            arguments=patch(...),
            minimum=control.min,
            maximum=control.max,
            step=1 if whole else _step(control.max - control.min),
            unit=extra.get("unit"),
            **common,
        )
    elif declared.annotation is str:
        lengths = (getattr(constraint, "max_length", None) for constraint in declared.metadata)
        longest = next((length for length in lengths if length is not None), None)
        yield Entity(platform="text", arguments=patch(...), max_length=longest, **common)


def _step(span: float) -> float:
    return next((step for limit, step in _FINE_STEPS if span <= limit), 0.1)


def _resolution(capabilities: CameraCapabilities) -> Entity:
    return Entity(
        key="resolution",
        platform="select",
        name="Resolution",
        path="camera.settings.video",
        command="resolution",
        options=tuple(f"{size.width}x{size.height}" for size in capabilities.resolutions),
        category="config",
        icon="mdi:aspect-ratio",
        enabled=False,
        needs_camera=True,
        state="{v.width}x{v.height}",
    )


_ALWAYS: Final = (
    Entity(
        key="camera_state",
        platform="sensor",
        name="Camera state",
        path="camera.state",
        options=("starting", "running", "stalled", "restarting", "failed"),
        icon="mdi:camera-outline",
        category="diagnostic",
        enabled=False,
    ),
    Entity(
        key="restart_camera",
        platform="button",
        name="Restart camera",
        command="restart",
        arguments={"target": "camera"},
        device_class="restart",
        category="diagnostic",
        enabled=False,
    ),
)

_SENSOR: Final = (
    Entity(
        key="lux",
        platform="sensor",
        name="Illuminance",
        path="camera.sensor.lux",
        unit="lx",
        device_class="illuminance",
        state_class="measurement",
        precision=1,
        needs_camera=True,
    ),
    Entity(
        key="exposure_time",
        platform="sensor",
        name="Exposure time in use",
        path="camera.sensor.exposure_us",
        unit="ms",
        scale=0.001,
        precision=2,
        state_class="measurement",
        device_class="duration",
        icon="mdi:camera-timer",
        category="diagnostic",
        enabled=False,
        needs_camera=True,
    ),
    Entity(
        key="analogue_gain",
        platform="sensor",
        name="Gain in use",
        path="camera.sensor.analogue_gain",
        precision=2,
        state_class="measurement",
        icon="mdi:brightness-percent",
        category="diagnostic",
        enabled=False,
        needs_camera=True,
    ),
    Entity(
        key="colour_temperature",
        platform="sensor",
        name="Colour temperature",
        path="camera.sensor.colour_temperature_k",
        unit="K",
        state_class="measurement",
        icon="mdi:thermometer-lines",
        category="diagnostic",
        enabled=False,
        needs_camera=True,
    ),
    Entity(
        key="sensor_temperature",
        platform="sensor",
        name="Sensor temperature",
        path="camera.sensor.sensor_temperature_c",
        unit="°C",
        device_class="temperature",
        state_class="measurement",
        precision=1,
        category="diagnostic",
        enabled=False,
        needs_camera=True,
    ),
    Entity(
        key="camera_fps",
        platform="sensor",
        name="Camera frame rate",
        path="camera.fps",
        unit="fps",
        state_class="measurement",
        precision=1,
        icon="mdi:filmstrip",
        category="diagnostic",
        enabled=False,
        needs_camera=True,
    ),
)

_FOCUS: Final = (
    Entity(
        key="focus_trigger",
        platform="button",
        name="Focus",
        command="focus_trigger",
        icon="mdi:image-filter-center-focus",
        needs_camera=True,
    ),
    Entity(
        key="lens_position",
        platform="sensor",
        name="Lens position",
        path="camera.sensor.lens_position",
        unit="dioptres",
        precision=2,
        icon="mdi:camera-iris",
        category="diagnostic",
        enabled=False,
        needs_camera=True,
    ),
    Entity(
        key="focus_fom",
        platform="sensor",
        name="Focus figure of merit",
        path="camera.sensor.focus_fom",
        state_class="measurement",
        icon="mdi:image-filter-center-focus-strong",
        category="diagnostic",
        enabled=False,
        needs_camera=True,
    ),
)
