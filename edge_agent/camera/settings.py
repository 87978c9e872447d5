"""All camera settings as one typed model, and patches to it.

A setting is declared here, once, with its type, unit and meaning. The arguments of its command, its JSON
Schema, its place in `status` and its limits' path (`exposure.time_us`) follow from the declaration. Ranges
are not declared here: they are the camera's, read at run time, see `capabilities`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, StringConstraints
from pydantic.fields import FieldInfo

from edge_agent.camera.declaring import Group, Whole, partial_model, setting, setting_info
from edge_agent.camera.overlay.template import MAX_TEXT, checked
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

    x: float = Field(0.0, ge=0, le=1)
    y: float = Field(0.0, ge=0, le=1)
    width: float = Field(1.0, gt=0, le=1)
    height: float = Field(1.0, gt=0, le=1)


class Exposure(Group):
    """How much light a frame gets."""

    mode: Literal["auto", "manual"] = setting(
        "auto", "Who chooses: the camera, or you. Giving a time or a gain alone means manual"
    )
    time_us: int | None = setting(None, "Manual exposure time; null leaves it to the camera", unit="µs")
    gain: float | None = setting(None, "Manual analogue gain; null leaves it to the camera")
    ev: float = setting(0.0, "Compensation of the automatic exposure", unit="EV")
    min_time_us: int | None = setting(None, "Shortest time that auto may choose", unit="µs")
    max_time_us: int | None = setting(None, "Longest time that auto may choose", unit="µs")
    constraint_mode: Literal["normal", "highlight", "shadows", "custom"] = setting(
        "normal", "What auto protects: highlights from burning out, or shadows from drowning"
    )
    exposure_mode: Literal["normal", "short", "long", "custom"] = setting(
        "normal", "Whether auto prefers a short time (less blur) or a long one (less noise)"
    )
    metering_mode: Literal["centre_weighted", "spot", "matrix", "custom"] = setting(
        "centre_weighted", "Which part of the picture auto measures"
    )
    flicker: Literal["off", "50hz", "60hz"] = setting("off", "The mains frequency of the lamps to avoid")


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
        "auto", "Automatic, by your gains, by the kind of light, or a preset for cameras without IR filter"
    )
    red_gain: float | None = setting(None, "Manual gain of red")
    blue_gain: float | None = setting(None, "Manual gain of blue")
    temperature_k: int | None = setting(None, "Manual colour temperature", unit="K")


class Focus(Group):
    """Where the picture is sharp."""

    mode: Literal["manual", "auto", "continuous"] = setting(
        "continuous",
        "By your position, once on focus_trigger, or all the time. Giving a position means manual",
    )
    position: float | None = setting(None, "Lens position; 0 is infinity, 10 is 10 cm", unit="dioptres")
    range: Literal["normal", "macro", "full"] = setting("normal", "The distances that autofocus searches")
    speed: Literal["normal", "fast"] = setting("normal", "How fast autofocus moves the lens")
    window: Window | None = setting(None, "What autofocus looks at; null is the middle of the picture")


class Image(Group):
    """How the picture is processed."""

    brightness: float = setting(0.0, "0 changes nothing")
    contrast: float = setting(1.0, "1 changes nothing")
    saturation: float = setting(1.0, "1 changes nothing, 0 is grey")
    sharpness: float = setting(1.0, "1 is the camera's normal sharpening")
    noise_reduction: Literal["off", "fast", "high_quality", "minimal", "zsl"] = setting(
        "fast", "How hard noise is removed"
    )


class View(Group):
    """Which part of the scene is shown, and which way up."""

    roi: Window = setting(Window(), "The part of the field of view that fills the picture (digital zoom)")
    hflip: bool = setting(False, "Mirror left and right", live=False)
    vflip: bool = setting(False, "Mirror top and bottom", live=False)
    rotation: Literal[0, 90, 180, 270] = setting(0, "Rotation clockwise", unit="degrees", live=False)
    lens_correction: bool = setting(False, "Straighten the bent lines of a wide lens", live=False)


class Video(Group):
    """The encoded picture."""

    width: int = setting(1920, "Width of the picture", unit="px", live=False)
    height: int = setting(1080, "Height of the picture", unit="px", live=False)
    fps: float = setting(30.0, "Frames a second", unit="fps")
    field_of_view: Literal["scale", "crop"] = setting(
        "scale", "scale keeps the sensor's whole view, crop takes the fastest mode", live=False
    )
    bitrate_auto: bool = setting(True, "Let the bit rate follow size and frame rate")
    bitrate_bps: int = setting(8_000_000, "Target bit rate; giving one turns bitrate_auto off", unit="bit/s")
    quality: int | None = setting(
        None,
        "Constant quality in place of a constant bit rate, 1 is best and 51 worst; the bit rate is the most "
        "that it may take. Null keeps to the bit rate",
        software=True,
    )
    keyframe_interval_s: float = setting(1.0, "From keyframe to keyframe", unit="s", software=True)
    h264_profile: Literal["baseline", "main", "high"] = setting(
        "baseline",
        "What a player must know: baseline costs least CPU, high looks best at low bit rates",
        software=True,
    )
    h264_level: Literal["auto", "3.1", "3.2", "4.0", "4.1", "4.2", "5.0", "5.1", "5.2"] = setting(
        "auto",
        "What the stream promises to stay within; one too low for size and rates is raised",
        software=True,
    )


class Overlay(Group):
    """Text in the picture."""

    enabled: bool = setting(False, "Whether there is text in the picture", software=True)
    text: Annotated[str, StringConstraints(max_length=MAX_TEXT), AfterValidator(checked)] = setting(
        "{name} {date} {time}",
        "What it says, with tokens: {name}, {node}, {date:%Y-%m-%d}, {time:%H:%M:%S}, {exposure_us}, {gain}, "
        "{lux}, {fps}, {temperature_c} (the sensor's), and any field of status by its path, like "
        "{profile.active}. Giving it alone means enabled",
        software=True,
    )
    position: Literal["top_left", "top_right", "bottom_left", "bottom_right"] = setting(
        "bottom_left", "The corner it is in", software=True
    )
    size: float = setting(0.04, "Height of a line, as a share of the picture's height", software=True)
    margin: float = setting(
        0.02, "Distance from the edges, as a share of the picture's height", software=True
    )
    background: float = setting(
        0.5, "How dark it is behind the text: 0 is not at all, 1 is black", software=True
    )
    snapshots: bool = setting(True, "Whether it is in snapshots, too", software=True)


class CameraSettings(Group):
    """Everything that can be set on a camera."""

    exposure: Exposure = Exposure()
    white_balance: WhiteBalance = WhiteBalance()
    focus: Focus = Focus()
    image: Image = Image()
    hdr: Literal["off", "auto", "sensor", "single_exposure", "night"] = setting(
        "off", "High dynamic range, by the sensor or by the processor", live=False
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
