"""All camera settings as one typed model, and patches to it.

A setting is declared here, once, with its type, unit and meaning. The arguments of its command, its JSON
Schema, its place in `status` and its limits' path (`exposure.time_us`) follow from the declaration. Ranges
are not declared here: they are the camera's, read at run time, see `capabilities`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, create_model
from pydantic.fields import FieldInfo

from edge_agent.camera.overlay.template import MAX_TEXT, checked

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

# A patch as the code carries it: group -> field -> value, holding only what is to be changed.
Patch = dict[str, dict[str, Any]]


def _setting(
    default: Any,
    description: str,
    *,
    unit: str | None = None,
    live: bool = True,
    software: bool = False,
    title: str | None = None,
    icon: str | None = None,
    everyday: bool = False,
) -> Any:
    """Declare a setting. One that is not `live` needs the camera stopped and configured anew.

    One of `software` is not the camera's to have: it holds wherever frames are encoded. `title` is its short
    name for people, where its path does not say it; an `everyday` one is shown to them unasked.
    """
    told = {"unit": unit, "title": title, "icon": icon, "everyday": everyday or None}
    extra: dict[str, Any] = {"live": live, "software": software}
    extra.update({key: value for key, value in told.items() if value})
    return Field(default, description=description, json_schema_extra=extra)


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Window(_Group):
    """A rectangle in the picture, in fractions of its width and height, from the upper left."""

    x: float = Field(0.0, ge=0, le=1)
    y: float = Field(0.0, ge=0, le=1)
    width: float = Field(1.0, gt=0, le=1)
    height: float = Field(1.0, gt=0, le=1)


class Exposure(_Group):
    """How much light a frame gets."""

    mode: Literal["auto", "manual"] = _setting(
        "auto", "Who chooses: the camera, or you. Giving a time or a gain alone means manual"
    )
    time_us: int | None = _setting(None, "Manual exposure time; null leaves it to the camera", unit="µs")
    gain: float | None = _setting(None, "Manual analogue gain; null leaves it to the camera")
    ev: float = _setting(0.0, "Compensation of the automatic exposure", unit="EV")
    min_time_us: int | None = _setting(None, "Shortest time that auto may choose", unit="µs")
    max_time_us: int | None = _setting(None, "Longest time that auto may choose", unit="µs")
    constraint_mode: Literal["normal", "highlight", "shadows", "custom"] = _setting(
        "normal", "What auto protects: highlights from burning out, or shadows from drowning"
    )
    exposure_mode: Literal["normal", "short", "long", "custom"] = _setting(
        "normal", "Whether auto prefers a short time (less blur) or a long one (less noise)"
    )
    metering_mode: Literal["centre_weighted", "spot", "matrix", "custom"] = _setting(
        "centre_weighted", "Which part of the picture auto measures"
    )
    flicker: Literal["off", "50hz", "60hz"] = _setting("off", "The mains frequency of the lamps to avoid")


class WhiteBalance(_Group):
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
    ] = _setting(
        "auto", "Automatic, by your gains, by the kind of light, or a preset for cameras without IR filter"
    )
    red_gain: float | None = _setting(None, "Manual gain of red")
    blue_gain: float | None = _setting(None, "Manual gain of blue")
    temperature_k: int | None = _setting(None, "Manual colour temperature", unit="K")


class Focus(_Group):
    """Where the picture is sharp."""

    mode: Literal["manual", "auto", "continuous"] = _setting(
        "continuous",
        "By your position, once on focus_trigger, or all the time. Giving a position means manual",
    )
    position: float | None = _setting(None, "Lens position; 0 is infinity, 10 is 10 cm", unit="dioptres")
    range: Literal["normal", "macro", "full"] = _setting("normal", "The distances that autofocus searches")
    speed: Literal["normal", "fast"] = _setting("normal", "How fast autofocus moves the lens")
    window: Window | None = _setting(None, "What autofocus looks at; null is the middle of the picture")


class Image(_Group):
    """How the picture is processed."""

    brightness: float = _setting(0.0, "0 changes nothing")
    contrast: float = _setting(1.0, "1 changes nothing")
    saturation: float = _setting(1.0, "1 changes nothing, 0 is grey")
    sharpness: float = _setting(1.0, "1 is the camera's normal sharpening")
    noise_reduction: Literal["off", "fast", "high_quality", "minimal", "zsl"] = _setting(
        "fast", "How hard noise is removed"
    )


class View(_Group):
    """Which part of the scene is shown, and which way up."""

    roi: Window = _setting(Window(), "The part of the field of view that fills the picture (digital zoom)")
    hflip: bool = _setting(False, "Mirror left and right", live=False)
    vflip: bool = _setting(False, "Mirror top and bottom", live=False)
    rotation: Literal[0, 90, 180, 270] = _setting(0, "Rotation clockwise", unit="degrees", live=False)
    lens_correction: bool = _setting(False, "Straighten the bent lines of a wide lens", live=False)


class Video(_Group):
    """The encoded picture."""

    width: int = _setting(1920, "Width of the picture", unit="px", live=False)
    height: int = _setting(1080, "Height of the picture", unit="px", live=False)
    fps: float = _setting(30.0, "Frames a second", unit="fps")
    field_of_view: Literal["scale", "crop"] = _setting(
        "scale", "scale keeps the sensor's whole view, crop takes the fastest mode", live=False
    )
    bitrate_auto: bool = _setting(True, "Let the bit rate follow size and frame rate")
    bitrate_bps: int = _setting(8_000_000, "Target bit rate; giving one turns bitrate_auto off", unit="bit/s")
    quality: int | None = _setting(
        None,
        "Constant quality in place of a constant bit rate, 1 is best and 51 worst; the bit rate is the most "
        "that it may take. Null keeps to the bit rate",
        software=True,
    )
    keyframe_interval_s: float = _setting(1.0, "From keyframe to keyframe", unit="s", software=True)
    h264_profile: Literal["baseline", "main", "high"] = _setting(
        "baseline",
        "What a player must know: baseline costs least CPU, high looks best at low bit rates",
        software=True,
    )
    h264_level: Literal["auto", "3.1", "3.2", "4.0", "4.1", "4.2", "5.0", "5.1", "5.2"] = _setting(
        "auto",
        "What the stream promises to stay within; one too low for size and rates is raised",
        software=True,
    )


class Overlay(_Group):
    """Text in the picture."""

    enabled: bool = _setting(False, "Whether there is text in the picture", software=True)
    text: Annotated[str, StringConstraints(max_length=MAX_TEXT), AfterValidator(checked)] = _setting(
        "{name} {date} {time}",
        "What it says, with tokens: {name}, {node}, {date:%Y-%m-%d}, {time:%H:%M:%S}, {exposure_us}, {gain}, "
        "{lux}, {fps}, {temperature_c} (the sensor's), and any field of status by its path, like "
        "{profile.active}. Giving it alone means enabled",
        software=True,
    )
    position: Literal["top_left", "top_right", "bottom_left", "bottom_right"] = _setting(
        "bottom_left", "The corner it is in", software=True
    )
    size: float = _setting(0.04, "Height of a line, as a share of the picture's height", software=True)
    margin: float = _setting(
        0.02, "Distance from the edges, as a share of the picture's height", software=True
    )
    background: float = _setting(
        0.5, "How dark it is behind the text: 0 is not at all, 1 is black", software=True
    )
    snapshots: bool = _setting(True, "Whether it is in snapshots, too", software=True)


class CameraSettings(_Group):
    """Everything that can be set on a camera."""

    exposure: Exposure = Exposure()
    white_balance: WhiteBalance = WhiteBalance()
    focus: Focus = Focus()
    image: Image = Image()
    hdr: Literal["off", "auto", "sensor", "single_exposure", "night"] = _setting(
        "off", "High dynamic range, by the sensor or by the processor", live=False
    )
    view: View = View()
    video: Video = Video()
    overlay: Overlay = Overlay()


def partial_model(
    model: type[BaseModel], name: str, *, fields: Mapping[str, str] | None = None
) -> type[BaseModel]:
    """Return `model` with every field optional, so that what was given can be told from what was not.

    `fields` chooses and renames: the new name -> the name in `model`. A null is refused where the model
    itself takes none.
    """

    def drop_default(schema: dict[str, Any]) -> None:
        schema.pop("default", None)

    chosen = fields if fields is not None else {field: field for field in model.model_fields}
    definitions: dict[str, Any] = {}
    for new, old in chosen.items():
        info = model.model_fields[old]
        annotation: Any = info.annotation
        if isinstance(annotation, type) and issubclass(annotation, _Group) and annotation is not Window:
            annotation = partial_model(annotation, f"{annotation.__name__}Patch")
        for constraint in info.metadata:
            annotation = Annotated[annotation, constraint]
        extra = {k: v for k, v in setting_info(info).items() if k == "unit"}

        def schema_extra(schema: dict[str, Any], extra: dict[str, Any] = extra) -> None:
            drop_default(schema)
            schema.update(extra)

        definitions[new] = (
            annotation,
            Field(None, description=info.description, json_schema_extra=schema_extra),
        )
    config = ConfigDict(extra="forbid", allow_inf_nan=False)
    created: type[BaseModel] = create_model(name, __config__=config, __doc__=model.__doc__, **definitions)
    return created


def setting_info(info: FieldInfo) -> dict[str, Any]:
    """Return what `_setting` declared beside type and default: `live`, and `unit` where there is one."""
    extra = info.json_schema_extra
    return dict(extra) if isinstance(extra, dict) else {}


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
        if isinstance(annotation, type) and issubclass(annotation, _Group):
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


def flatten(patch: Mapping[str, Any]) -> dict[str, Any]:
    """Return `{"exposure.time_us": 100}` for `{"exposure": {"time_us": 100}}`; `hdr` stays `hdr`.

    Windows (`view.roi`, `focus.window`) are values, they are not taken apart.
    """
    flat: dict[str, Any] = {}
    for group, fields in patch.items():
        if isinstance(fields, Mapping):
            flat.update({f"{group}.{name}": value for name, value in fields.items()})
        else:
            flat[group] = fields
    return flat


def unflatten(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Undo `flatten`."""
    patch: dict[str, Any] = {}
    for path, value in flat.items():
        group, _, name = path.partition(".")
        if name:
            patch.setdefault(group, {})[name] = value
        else:
            patch[group] = value
    return patch


# A manual value and the mode it belongs to: giving the value means the mode, another mode drops the value.
MANUAL_VALUES: Final = {
    "exposure.mode": ("exposure.time_us", "exposure.gain"),
    "white_balance.mode": (
        "white_balance.red_gain",
        "white_balance.blue_gain",
        "white_balance.temperature_k",
    ),
    "focus.mode": ("focus.position",),
}


def normalise(patch: Mapping[str, Any]) -> dict[str, Any]:
    """Add what a patch implies: a manual value means manual mode, another mode drops the value."""
    flat = flatten(patch)

    def given(*paths: str) -> bool:
        return any(flat.get(path) is not None for path in paths)

    for mode, values in MANUAL_VALUES.items():
        if mode not in flat and given(*values):
            flat[mode] = "manual"
        elif flat.get(mode, "manual") != "manual":
            flat.update({path: None for path in values if path not in flat})
    # Gains and a colour temperature are two ways to say the same: the newer one holds.
    if given("white_balance.temperature_k"):
        flat.setdefault("white_balance.red_gain", None)
        flat.setdefault("white_balance.blue_gain", None)
    elif given("white_balance.red_gain", "white_balance.blue_gain"):
        flat.setdefault("white_balance.temperature_k", None)
    if "video.bitrate_auto" not in flat and given("video.bitrate_bps"):
        flat["video.bitrate_auto"] = False
    if "overlay.enabled" not in flat and given("overlay.text"):
        flat["overlay.enabled"] = True
    return unflatten(flat)


def merge(settings: CameraSettings, patch: Mapping[str, Any]) -> CameraSettings:
    """Return `settings` with `patch` on top, validated. The patch is not normalised here."""
    document = settings.model_dump()
    for group, fields in patch.items():
        if isinstance(fields, Mapping):
            document[group] = {**document[group], **fields}
        else:
            document[group] = fields
    return CameraSettings.model_validate(document)
