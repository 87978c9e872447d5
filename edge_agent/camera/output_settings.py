"""The settings of what comes out: the encoded picture, and the text in it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, StringConstraints

from edge_agent.camera.declaring import Group, setting
from edge_agent.camera.overlay.template import MAX_TEXT, checked

__all__ = ["Overlay", "Video"]


class Video(Group):
    """The encoded picture."""

    width: int = setting(1920, "Width of the picture", unit="px", live=False)
    height: int = setting(1080, "Height of the picture", unit="px", live=False)
    fps: float = setting(30.0, "Frames a second", unit="fps", title="Frame rate", icon="mdi:filmstrip")
    field_of_view: Literal["scale", "crop"] = setting(
        "scale",
        "scale keeps the sensor's whole view, crop takes the fastest mode",
        live=False,
        title="Field of view",
        icon="mdi:crop",
    )
    bitrate_auto: bool = setting(
        True, "Let the bit rate follow size and frame rate", title="Auto bit rate", icon="mdi:gauge"
    )
    bitrate_bps: int = setting(
        8_000_000,
        "Target bit rate; giving one turns bitrate_auto off",
        unit="bit/s",
        title="Bit rate",
        icon="mdi:gauge",
    )
    quality: int | None = setting(
        None,
        "Constant quality in place of a constant bit rate, 1 is best and 51 worst; the bit rate is the most "
        "that it may take. Null keeps to the bit rate",
        software=True,
        title="Constant quality",
        icon="mdi:quality-high",
    )
    keyframe_interval_s: float = setting(
        1.0,
        "From keyframe to keyframe",
        unit="s",
        software=True,
        title="Keyframe interval",
        icon="mdi:key-outline",
    )
    h264_profile: Literal["baseline", "main", "high"] = setting(
        "baseline",
        "What a player must know: baseline costs least CPU, high looks best at low bit rates",
        software=True,
        title="H.264 profile",
        icon="mdi:video-outline",
    )
    h264_level: Literal["auto", "3.1", "3.2", "4.0", "4.1", "4.2", "5.0", "5.1", "5.2"] = setting(
        "auto",
        "What the stream promises to stay within; one too low for size and rates is raised",
        software=True,
        title="H.264 level",
        icon="mdi:video-outline",
    )


class Overlay(Group):
    """Text in the picture."""

    enabled: bool = setting(
        False,
        "Whether there is text in the picture",
        software=True,
        title="Text overlay",
        icon="mdi:format-text",
        everyday=True,
    )
    text: Annotated[str, StringConstraints(max_length=MAX_TEXT), AfterValidator(checked)] = setting(
        "{name} {date} {time}",
        "What it says, with tokens: {name}, {node}, {date:%Y-%m-%d}, {time:%H:%M:%S}, {exposure_us}, {gain}, "
        "{lux}, {fps}, {temperature_c} (the sensor's), and any field of status by its path, like "
        "{profile.active}. Giving it alone means enabled",
        software=True,
        icon="mdi:form-textbox",
    )
    position: Literal["top_left", "top_right", "bottom_left", "bottom_right"] = setting(
        "bottom_left", "The corner it is in", software=True, icon="mdi:page-layout-footer"
    )
    size: float = setting(
        0.04, "Height of a line, as a share of the picture's height", software=True, icon="mdi:format-size"
    )
    margin: float = setting(
        0.02,
        "Distance from the edges, as a share of the picture's height",
        software=True,
        icon="mdi:format-indent-increase",
    )
    background: float = setting(
        0.5, "How dark it is behind the text: 0 is not at all, 1 is black", software=True, icon="mdi:opacity"
    )
    snapshots: bool = setting(
        True,
        "Whether it is in snapshots, too",
        software=True,
        title="Overlay in snapshots",
        icon="mdi:camera-outline",
    )
