"""The commands that change settings, as a table: each names the settings that its arguments stand for.

Types, units and texts of the arguments come from the settings themselves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from edge_agent.camera.port import Change
from edge_agent.camera.settings import (
    CameraSettings,
    Exposure,
    Focus,
    Image,
    Overlay,
    SettingsPatch,
    Video,
    View,
    WhiteBalance,
    Window,
    partial_model,
    unflatten,
)
from edge_agent.contract.command import CommandSpec, Outcome
from edge_agent.errors import RefusedError

__all__ = ["SETTINGS_COMMANDS", "SettingsCommand", "change_outcome"]


@dataclass(frozen=True, kw_only=True)
class SettingsCommand:
    """A command over settings. `paths` maps an argument's name to its setting's path."""

    spec: CommandSpec
    paths: Mapping[str, str]
    to_patch: Callable[[Mapping[str, Any], CameraSettings], dict[str, Any]] | None = None

    def patch(self, given: Mapping[str, Any], current: CameraSettings) -> dict[str, Any]:
        """Return the patch that these arguments mean."""
        if self.to_patch is not None:
            return self.to_patch(given, current)
        return unflatten({self.paths[name]: value for name, value in given.items()})

    def argument_of(self, path: str) -> str:
        """Return this command's own name of a setting; a setting that is not its own keeps its path."""
        return next((name for name, own in self.paths.items() if own == path), path)


def _group(
    name: str,
    model: type[BaseModel],
    description: str,
    *,
    group: str,
    main: str | None = None,
    bare: Callable[[Any], Mapping[str, Any]] | None = None,
) -> SettingsCommand:
    return SettingsCommand(
        spec=CommandSpec(
            name=name,
            description=description,
            arguments=partial_model(model, f"{model.__name__}Arguments"),
            main=main,
            bare=bare,
        ),
        paths={field: f"{group}.{field}" for field in model.model_fields},
    )


def _some(
    name: str,
    model: type[BaseModel],
    description: str,
    *,
    group: str,
    fields: Mapping[str, str],
    main: str | None = None,
    bare: Callable[[Any], Mapping[str, Any]] | None = None,
    interrupts_stream: bool = False,
) -> SettingsCommand:
    class_name = "".join(word.title() for word in name.split("_")) + "Arguments"
    return SettingsCommand(
        spec=CommandSpec(
            name=name,
            description=description,
            arguments=partial_model(model, class_name, fields=fields),
            main=main,
            bare=bare,
            interrupts_stream=interrupts_stream,
        ),
        paths={argument: f"{group}.{field}" if group else field for argument, field in fields.items()},
    )


_SIZE: Final = re.compile(r"\s*(\d{1,5})\s*[xX]\s*(\d{1,5})\s*")


def _size(value: Any) -> Mapping[str, Any]:
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise RefusedError(
            'a resolution is written like 1280x720, or {"width": 1280, "height": 720}',
            code="invalid_arguments",
            value=value,
        )
    return {"width": int(match[1]), "height": int(match[2])}


class BitrateArguments(BaseModel):
    """The bit rate."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    bps: int | Literal["auto"] = Field(
        description="Target bit rate in bit/s, or auto: by size and frame rate"
    )


def _bitrate_patch(given: Mapping[str, Any], _current: CameraSettings) -> dict[str, Any]:
    if given["bps"] == "auto":
        return {"video": {"bitrate_auto": True}}
    return {"video": {"bitrate_bps": given["bps"]}}


def _whole_view(value: Any) -> Mapping[str, Any]:
    if value == "full":
        return {"x": 0.0, "y": 0.0, "width": 1.0, "height": 1.0}
    raise RefusedError(
        "roi is 'full', or an object with x, y, width and height in fractions of the picture",
        code="invalid_arguments",
        value=value,
        allowed=["full"],
    )


def _roi_patch(given: Mapping[str, Any], current: CameraSettings) -> dict[str, Any]:
    return {"view": {"roi": {**current.view.roi.model_dump(), **given}}}


_SWITCH: Final = {"on": True, "true": True, "off": False, "false": False}


def _overlay(value: Any) -> Mapping[str, Any]:
    text = str(value) if isinstance(value, str | int | float) else value
    enabled = _SWITCH.get(str(text).lower())
    return {"text": text} if enabled is None else {"enabled": enabled}


_ROI = SettingsCommand(
    spec=CommandSpec(
        name="roi",
        description="Show a part of the field of view (digital zoom), in fractions; `full` shows it all.",
        arguments=partial_model(Window, "RoiArguments"),
        bare=_whole_view,
    ),
    paths={name: f"view.roi.{name}" for name in Window.model_fields},
    to_patch=_roi_patch,
)

_SETTINGS = SettingsCommand(
    spec=CommandSpec(
        name="settings",
        description="Change any settings at once, as one: all of it or nothing.",
        arguments=SettingsPatch,
    ),
    paths={},
    to_patch=lambda given, _current: dict(given),
)

_BITRATE = SettingsCommand(
    spec=CommandSpec(
        name="bitrate",
        description="Set the stream's bit rate, or let it follow size and frame rate.",
        arguments=BitrateArguments,
        main="bps",
    ),
    paths={"bps": "video.bitrate_bps"},
    to_patch=_bitrate_patch,
)

SETTINGS_COMMANDS: Final[tuple[SettingsCommand, ...]] = (
    _group(
        "exposure",
        Exposure,
        "Set how much light a frame gets: automatic, or by your time and gain.",
        group="exposure",
        main="mode",
    ),
    _group(
        "white_balance",
        WhiteBalance,
        "Set what is white: automatic, a kind of light, a preset, or your gains.",
        group="white_balance",
        main="mode",
    ),
    _group("focus", Focus, "Set where the picture is sharp, and who finds out.", group="focus", main="mode"),
    _group(
        "image", Image, "Set brightness, contrast, saturation, sharpness and noise reduction.", group="image"
    ),
    _some(
        "hdr",
        CameraSettings,
        "Set the high-dynamic-range mode.",
        group="",
        fields={"mode": "hdr"},
        main="mode",
        interrupts_stream=True,
    ),
    _ROI,
    _some(
        "transform",
        View,
        "Mirror or turn the picture.",
        group="view",
        fields={"hflip": "hflip", "vflip": "vflip", "rotation": "rotation"},
        interrupts_stream=True,
    ),
    _some(
        "lens_correction",
        View,
        "Straighten the bent lines of a wide lens.",
        group="view",
        fields={"enabled": "lens_correction"},
        main="enabled",
        interrupts_stream=True,
    ),
    _some("framerate", Video, "Set the frames a second.", group="video", fields={"fps": "fps"}, main="fps"),
    _some(
        "resolution",
        Video,
        "Set the size of the picture.",
        group="video",
        fields={"width": "width", "height": "height", "field_of_view": "field_of_view"},
        bare=_size,
        interrupts_stream=True,
    ),
    _BITRATE,
    _some(
        "encoder",
        Video,
        "Set how the picture is encoded: profile, level, keyframes, and quality in place of a bit rate.",
        group="video",
        fields={
            "profile": "h264_profile",
            "level": "h264_level",
            "keyframe_interval_s": "keyframe_interval_s",
            "quality": "quality",
        },
    ),
    _group(
        "overlay",
        Overlay,
        "Show a text in the picture: names, date and time, what the camera reports, any field of status. "
        "Bare ON and OFF switch it, any other text is the text.",
        group="overlay",
        main="text",
        bare=_overlay,
    ),
    _SETTINGS,
)


def change_outcome(change: Change, settings_command: SettingsCommand | None = None) -> Outcome:
    """Return a change as a command's outcome, in the command's own names of the arguments."""

    def name(path: str) -> str:
        return settings_command.argument_of(path) if settings_command else path

    # A window is one setting; `roi` has its edges as arguments.
    applied: dict[str, Any] = {}
    for path, value in change.applied.items():
        parts = {f"{path}.{key}": part for key, part in value.items()} if isinstance(value, Mapping) else {}
        known = settings_command.paths.values() if settings_command else ()
        applied.update(parts if parts and set(parts) <= set(known) else {path: value})
    result = {"interrupted_stream": change.interrupted}
    because = {name(path): reason for path, reason in change.clamped.items()}
    return Outcome(
        applied={name(path): value for path, value in applied.items()},
        clamped=tuple(because),
        result={**result, "clamped_because": because} if because else result,
    )
