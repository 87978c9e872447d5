"""What a camera can do, as read from the camera itself."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

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

    width: int
    height: int


class Control(_Document):
    """What one setting may be: a range of numbers (`min`, `max`), or one of `options`."""

    min: float | None = None
    max: float | None = None
    default: Any = None
    options: tuple[str | int | bool, ...] | None = None


class SensorMode(_Document):
    """One way to read the sensor."""

    width: int
    height: int
    fps_max: float
    bit_depth: int | None = None
    crop: tuple[int, int, int, int] | None = None  # x, y, width, height in the sensor's pixels


class Resolution(_Document):
    """A size that the stream can have and the highest frame rate at it."""

    width: int
    height: int
    fps_max: float
    label: str | None = None


class Stills(_Document):
    """What pictures can be taken beside the stream.

    The largest sizes are null where the stream's own is the largest. `larger_interrupts_stream` tells that
    the camera is stopped for a picture that is larger than the stream's, `raw_interrupts_stream` that it is
    for raw data. `unavailable` says of each format that is not there why.
    """

    formats: tuple[str, ...] = ("jpeg", "png")
    max_width: int | None = None
    max_height: int | None = None
    larger_interrupts_stream: bool = False
    raw: bool = False
    raw_interrupts_stream: bool = False
    unavailable: dict[str, str] = {"dng": "this camera gives no raw data"}


class CameraCapabilities(_Document):
    """What a camera can do.

    `controls` maps a setting's path (`exposure.time_us`) to its limits; a setting that is not there is not
    offered, and `unavailable` may say why. `any_size` tells that sizes between the listed ones work, too.
    """

    driver: str
    model: str
    sensor: str | None = None
    camera_id: str | None = None
    sensor_size: Size | None = None
    colour: bool = True
    modes: tuple[SensorMode, ...] = ()
    resolutions: tuple[Resolution, ...] = ()
    any_size: bool = False
    controls: dict[str, Control] = {}
    unavailable: dict[str, str] = {}
    stills: Stills = Stills()
    live_encode: bool = True  # False where packets pass through unencoded


AfState = Literal["idle", "scanning", "focused", "failed"]


class SensorReport(_Document):
    """What the sensor says of a frame; null where a camera does not say."""

    lux: float | None = None
    exposure_us: int | None = None
    analogue_gain: float | None = None
    digital_gain: float | None = None
    colour_temperature_k: int | None = None
    colour_gains: tuple[float, float] | None = None
    lens_position: float | None = None
    focus_fom: int | None = None
    af_state: AfState | None = None
    ae_converged: bool | None = None
    frame_duration_us: int | None = None
    black_levels: tuple[int, int, int, int] | None = None
    sensor_temperature_c: float | None = None
    crop: tuple[int, int, int, int] | None = None


class Reading(SensorReport):
    """The report of one frame.

    `sequence` counts frames since the camera was opened; `timestamp_ns` is the sensor's monotonic clock.
    """

    sequence: int = 0
    timestamp_ns: int = 0
