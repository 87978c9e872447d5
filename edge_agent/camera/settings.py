"""All camera settings as one typed model, and patches to it.

A setting is declared here, once, with its type, unit and meaning. The arguments of its command, its JSON
Schema, its place in `status` and its limits' path (`exposure.time_us`) follow from the declaration. Ranges
are not declared here: they are the camera's, read at run time, see `capabilities`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

from pydantic import Field
from pydantic.fields import FieldInfo

from edge_agent.camera.declaring import Group, Whole, partial_model, setting, setting_info
from edge_agent.camera.output_settings import Overlay, Video
from edge_agent.camera.paths import MANUAL_VALUES, Patch, flatten, normalise, unflatten

__all__ = [
    "MANUAL_VALUES",
    "CameraSettings",
    "Exposure",
    "Focus",
    "Image",
    "Overlay",
    "Patch",
    "SettingsPatch",
    "Video",
    "View",
    "WhiteBalance",
    "Window",
    "declarations",
    "describe_settings",
    "flatten",
    "merge",
    "normalise",
    "partial_model",
    "setting_info",
    "setting_title",
    "software_settings",
    "unflatten",
]

_UNIT: Final = re.compile(r"_(us|s|k|bps|hz)$")


class Window(Whole):
    """A rectangle in the picture, in fractions of its width and height, from the upper left."""

    x: float = Field(0.0, ge=0, le=1, description="Left edge, as a share of the width")
    y: float = Field(0.0, ge=0, le=1, description="Upper edge, as a share of the height")
    width: float = Field(1.0, gt=0, le=1, description="As a share of the width")
    height: float = Field(1.0, gt=0, le=1, description="As a share of the height")


class Exposure(Group):
    """How much light a frame gets."""

    mode: Literal["auto", "manual"] = setting(
        "auto",
        "Who chooses: the camera, or you. Giving a time or a gain alone means manual",
        title="Auto exposure",
        icon="mdi:brightness-auto",
        everyday=True,
    )
    time_us: int | None = setting(
        None, "Manual exposure time; null leaves it to the camera", unit="µs", icon="mdi:camera-timer"
    )
    gain: float | None = setting(
        None, "Manual analogue gain; null leaves it to the camera", title="Gain", icon="mdi:signal"
    )
    ev: float = setting(
        0.0,
        "Compensation of the automatic exposure",
        unit="EV",
        title="Exposure compensation",
        icon="mdi:plus-minus-variant",
        everyday=True,
    )
    min_time_us: int | None = setting(
        None,
        "Shortest time that auto may choose",
        unit="µs",
        title="Shortest exposure",
        icon="mdi:timer-outline",
    )
    max_time_us: int | None = setting(
        None,
        "Longest time that auto may choose",
        unit="µs",
        title="Longest exposure",
        icon="mdi:timer-outline",
    )
    constraint_mode: Literal["normal", "highlight", "shadows", "custom"] = setting(
        "normal",
        "What auto protects: highlights from burning out, or shadows from drowning",
        title="Exposure protects",
        icon="mdi:shield-sun-outline",
    )
    exposure_mode: Literal["normal", "short", "long", "custom"] = setting(
        "normal",
        "Whether auto prefers a short time (less blur) or a long one (less noise)",
        title="Exposure prefers",
        icon="mdi:timer-cog-outline",
    )
    metering_mode: Literal["centre_weighted", "spot", "matrix", "custom"] = setting(
        "centre_weighted",
        "Which part of the picture auto measures",
        title="Metering",
        icon="mdi:image-filter-center-focus-weak",
    )
    flicker: Literal["off", "50hz", "60hz"] = setting(
        "off",
        "The mains frequency of the lamps to avoid",
        title="Flicker avoidance",
        icon="mdi:lightbulb-fluorescent-tube-outline",
    )


class WhiteBalance(Group):
    """What is white."""

    mode: Literal[
        "auto",
        "manual",
        "incandescent",
        "tungsten",
        "fluorescent",
        "indoor",
        "daylight",
        "cloudy",
        "custom",
        "daylight_noir",
        "indoor_noir",
        "ir_850nm",
        "ir_940nm",
    ] = setting(
        "auto",
        "Automatic, by your gains, by the kind of light, or a preset for cameras without IR filter",
        title="White balance",
        icon="mdi:white-balance-auto",
        everyday=True,
    )
    red_gain: float | None = setting(None, "Manual gain of red", title="Red gain", icon="mdi:palette-outline")
    blue_gain: float | None = setting(
        None, "Manual gain of blue", title="Blue gain", icon="mdi:palette-outline"
    )
    temperature_k: int | None = setting(
        None,
        "Manual colour temperature",
        unit="K",
        title="White balance temperature",
        icon="mdi:thermometer-lines",
    )


class Focus(Group):
    """Where the picture is sharp."""

    mode: Literal["manual", "auto", "continuous"] = setting(
        "continuous",
        "By your position, once on focus_trigger, or all the time. Giving a position means manual",
        icon="mdi:focus-auto",
        everyday=True,
    )
    position: float | None = setting(
        None, "Lens position; 0 is infinity, 10 is 10 cm", unit="dioptres", icon="mdi:camera-iris"
    )
    range: Literal["normal", "macro", "full"] = setting(
        "normal", "The distances that autofocus searches", icon="mdi:arrow-expand-horizontal"
    )
    speed: Literal["normal", "fast"] = setting(
        "normal", "How fast autofocus moves the lens", icon="mdi:speedometer"
    )
    window: Window | None = setting(None, "What autofocus looks at; null is the middle of the picture")


class Image(Group):
    """How the picture is processed."""

    brightness: float = setting(
        0.0, "0 changes nothing", title="Brightness", icon="mdi:brightness-6", everyday=True
    )
    contrast: float = setting(1.0, "1 changes nothing", title="Contrast", icon="mdi:contrast-box")
    saturation: float = setting(
        1.0, "1 changes nothing, 0 is grey", title="Saturation", icon="mdi:invert-colors"
    )
    sharpness: float = setting(
        1.0, "1 is the camera's normal sharpening", title="Sharpness", icon="mdi:image-filter-black-white"
    )
    noise_reduction: Literal["off", "fast", "high_quality", "minimal", "zsl"] = setting(
        "fast", "How hard noise is removed", title="Noise reduction", icon="mdi:blur"
    )


class View(Group):
    """Which part of the scene is shown, and which way up."""

    roi: Window = setting(
        Window(), "The part of the field of view that fills the picture (digital zoom)", title="Zoom window"
    )
    hflip: bool = setting(
        False, "Mirror left and right", live=False, title="Mirror left and right", icon="mdi:flip-horizontal"
    )
    vflip: bool = setting(
        False, "Mirror top and bottom", live=False, title="Mirror top and bottom", icon="mdi:flip-vertical"
    )
    rotation: Literal[0, 90, 180, 270] = setting(
        0, "Rotation clockwise", unit="degrees", live=False, title="Rotation", icon="mdi:rotate-right"
    )
    lens_correction: bool = setting(
        False,
        "Straighten the bent lines of a wide lens",
        live=False,
        title="Lens correction",
        icon="mdi:panorama-fisheye",
    )


class CameraSettings(Group):
    """Everything that can be set on a camera."""

    exposure: Exposure = Exposure()
    white_balance: WhiteBalance = WhiteBalance()
    focus: Focus = Focus()
    image: Image = Image()
    hdr: Literal["off", "auto", "sensor", "single_exposure", "night"] = setting(
        "off",
        "High dynamic range, by the sensor or by the processor",
        live=False,
        title="HDR",
        icon="mdi:hdr",
        everyday=True,
    )
    view: View = View()
    video: Video = Video()
    overlay: Overlay = Overlay()


def setting_title(path: str) -> str:
    """Return a setting's short name for people: `Exposure time` for `exposure.time_us`."""
    extra = setting_info(declarations()[path])
    title = extra.get("title")
    return str(title) if title else _UNIT.sub("", path).replace(".", " ").replace("_", " ").capitalize()


SettingsPatch = partial_model(CameraSettings, "SettingsPatch")


def declarations() -> dict[str, FieldInfo]:
    """Return the declaration of every setting by its path."""
    found: dict[str, FieldInfo] = {}
    for group, info in CameraSettings.model_fields.items():
        annotation = info.annotation
        if isinstance(annotation, type) and issubclass(annotation, Group):
            found.update({f"{group}.{name}": nested for name, nested in annotation.model_fields.items()})
        else:
            found[group] = info
    return found


def software_settings() -> tuple[str, ...]:
    """Return the paths of the settings that hold wherever frames are encoded, whatever the camera."""
    return tuple(path for path, info in declarations().items() if setting_info(info).get("software"))


def describe_settings(paths: Iterable[str]) -> dict[str, Any]:
    """Return what the settings at `paths` mean, their units, and whether setting them stops the stream."""
    declared = declarations()
    described: dict[str, Any] = {}
    for path in paths:
        if path in declared:
            extra = setting_info(declared[path])
            described[path] = {
                "description": declared[path].description,
                "unit": extra.get("unit"),
                "interrupts_stream": not extra.get("live", True),
            }
    return described


def merge(settings: CameraSettings, patch: Mapping[str, Any]) -> CameraSettings:
    """Return `settings` with `patch` on top, validated. The patch is not normalised here."""
    document = settings.model_dump()
    for group, fields in patch.items():
        if isinstance(fields, Mapping):
            document[group] = {**document[group], **fields}
        else:
            document[group] = fields
    return CameraSettings.model_validate(document)
