"""What a camera can do, as read from the camera itself."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "AfState",
    "CameraCapabilities",
    "Control",
    "Reading",
    "Resolution",
    "SensorMode",
    "SensorReport",
    "Size",
    "Stills",
]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Size(_Document):
    """A size in pixels."""

    width: int = Field(description="In pixels")
    height: int = Field(description="In pixels")


class Control(_Document):
    """What one setting may be: a range of numbers (`min`, `max`), or one of `options`."""

    min: float | None = Field(None, description="The lowest number")
    max: float | None = Field(None, description="The highest number")
    default: Any = Field(None, description="The camera's own")
    options: tuple[str | int | bool, ...] | None = Field(None, description="All there are; null with numbers")


class SensorMode(_Document):
    """One way to read the sensor."""

    width: int = Field(description="In pixels")
    height: int = Field(description="In pixels")
    fps_max: float = Field(description="The highest frame rate in this mode")
    bit_depth: int | None = Field(None, description="Bits of a pixel")
    crop: tuple[int, int, int, int] | None = Field(
        None, description="x, y, width and height in the sensor's pixels"
    )


class Resolution(_Document):
    """A size that the stream can have and the highest frame rate at it."""

    width: int = Field(description="In pixels")
    height: int = Field(description="In pixels")
    fps_max: float = Field(description="The highest frame rate at this size")
    label: str | None = Field(None, description="What people call it, like 1080p")


class Stills(_Document):
    """What pictures can be taken beside the stream.

    The largest sizes are null where the stream's own is the largest. `larger_interrupts_stream` tells that
    the camera is stopped for a picture that is larger than the stream's, `raw_interrupts_stream` that it is
    for raw data. `unavailable` says of each format that is not there why.
    """

    formats: tuple[str, ...] = Field(("jpeg", "png"), description="What `format` of a snapshot may be")
    max_width: int | None = Field(None, description="In pixels; null where the stream's is the largest")
    max_height: int | None = Field(None, description="In pixels; null where the stream's is the largest")
    larger_interrupts_stream: bool = Field(
        False, description="Whether the camera is stopped for a picture larger than the stream's"
    )
    raw: bool = Field(False, description="Whether it gives raw data")
    raw_interrupts_stream: bool = Field(False, description="Whether the camera is stopped for raw data")
    unavailable: dict[str, str] = Field(
        {"dng": "this camera gives no raw data"}, description="By format: why it is not there"
    )


class CameraCapabilities(_Document):
    """What a camera can do.

    `controls` maps a setting's path (`exposure.time_us`) to its limits; a setting that is not there is not
    offered, and `unavailable` may say why. `any_size` tells that sizes between the listed ones work, too.
    """

    driver: str = Field(description="What talks to it")
    model: str = Field(description="The camera's own name")
    sensor: str | None = Field(None, description="The sensor's name")
    camera_id: str | None = Field(None, description="Which one of several it is")
    sensor_size: Size | None = Field(None, description="All of the sensor's pixels")
    colour: bool = Field(True, description="Whether it sees colours")
    modes: tuple[SensorMode, ...] = Field((), description="The ways to read the sensor")
    resolutions: tuple[Resolution, ...] = Field((), description="The sizes that the stream can have")
    any_size: bool = Field(False, description="Whether sizes between the listed ones work, too")
    controls: dict[str, Control] = Field({}, description="By path: what each setting that is offered may be")
    unavailable: dict[str, str] = Field({}, description="By path: why a setting is not offered")
    stills: Stills = Field(Stills(), description="What pictures can be taken beside the stream")
    live_encode: bool = Field(True, description="false where packets pass through as they are")


AfState = Literal["idle", "scanning", "focused", "failed"]


class SensorReport(_Document):
    """What the sensor says of a frame; null where a camera does not say."""

    lux: float | None = Field(None, description="How light the scene is")
    exposure_us: int | None = Field(None, description="How long the frame was exposed")
    analogue_gain: float | None = Field(None, description="Amplification before the conversion")
    digital_gain: float | None = Field(None, description="Amplification after it")
    colour_temperature_k: int | None = Field(None, description="What the white balance took the light for")
    colour_gains: tuple[float, float] | None = Field(None, description="Gains of red and blue")
    lens_position: float | None = Field(None, description="In dioptres: 0 is infinity, 10 is 10 cm")
    focus_fom: int | None = Field(None, description="How sharp it is; comparable within one scene only")
    af_state: AfState | None = Field(None, description="What the autofocus does")
    ae_converged: bool | None = Field(None, description="Whether the automatic exposure is settled")
    frame_duration_us: int | None = Field(None, description="From frame to frame")
    black_levels: tuple[int, int, int, int] | None = Field(None, description="What black is, by channel")
    sensor_temperature_c: float | None = Field(None, description="The sensor's own")
    crop: tuple[int, int, int, int] | None = Field(
        None, description="The part of the sensor that is seen: x, y, width, height in its pixels"
    )


class Reading(SensorReport):
    """The report of one frame.

    `sequence` counts frames since the camera was opened; `timestamp_ns` is the sensor's monotonic clock.
    """

    sequence: int = 0
    timestamp_ns: int = 0
