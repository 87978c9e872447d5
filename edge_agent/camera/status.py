"""`status.camera`: what holds, what the sensor reports, what may be, and how the camera is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from edge_agent.camera.capabilities import Reading, SensorReport
from edge_agent.camera.limits import EffectiveLimit
from edge_agent.camera.messages import Encoded
from edge_agent.camera.settings import CameraSettings, flatten

__all__ = [
    "Asked",
    "CameraState",
    "CameraStatus",
    "Scene",
    "SensorStatus",
    "differing",
    "for_picture",
    "scene_of",
]

CameraState = Literal["starting", "running", "stalled", "restarting", "failed", "stopped"]
Scene = Literal["day", "low_light", "night"]

# Civil twilight ends at about 3 lux; below 10 a camera without IR has no colour left.
_NIGHT_BELOW_LUX: Final = 3.0
_DAY_FROM_LUX: Final = 50.0


def scene_of(lux: float | None) -> Scene | None:
    """Return what kind of light there is; None where the camera does not measure it."""
    if lux is None:
        return None
    if lux < _NIGHT_BELOW_LUX:
        return "night"
    return "day" if lux >= _DAY_FROM_LUX else "low_light"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class SensorStatus(SensorReport):
    """What the sensor reported last, and what kind of light that is."""

    scene: Scene | None = Field(None, description="The kind of light: night is below 3 lux, day from 50")

    @classmethod
    def of(cls, reading: Reading | None) -> SensorStatus:
        """Return a reading as status shows it."""
        if reading is None:
            return cls()
        fields = reading.model_dump(exclude={"sequence", "timestamp_ns"})
        return cls(**fields, scene=scene_of(reading.lux))


class Asked(_Part):
    """A setting that was asked for and holds something else: it was clamped, or the camera rounds."""

    asked: Any = Field(description="What was asked for")
    holds: Any = Field(description="What holds")


def differing(asked: Mapping[str, Any], settings: CameraSettings | None) -> dict[str, Asked]:
    """Return what was asked for, path -> value, and is not what `settings` hold."""
    held = flatten(settings.model_dump(mode="json")) if settings is not None else {}
    return {
        path: Asked(asked=value, holds=held[path])
        for path, value in asked.items()
        if path in held and held[path] != value and value is not None
    }


def for_picture(borrowed: CameraSettings | None, *, usual: CameraSettings | None) -> dict[str, Any] | None:
    """Return what holds for a picture only, path -> value, None where nothing is borrowed for one."""
    if borrowed is None or usual is None:
        return None
    before = flatten(usual.model_dump(mode="json"))
    now = flatten(borrowed.model_dump(mode="json"))
    return {path: value for path, value in now.items() if before[path] != value}


class CameraStatus(_Part):
    """The camera's part of `status`."""

    driver: str | None = Field(None, description="What talks to it")
    model: str | None = Field(None, description="The camera's own name")
    state: CameraState = Field("starting", description="Whether it gives frames; stalled: none for too long")
    reason: str | None = Field(None, description="Why it does not run")
    since: str = Field(description="Since when it is in this state")
    restarts: int = Field(0, description="How often its process was started anew")
    settings: CameraSettings | None = Field(None, description="What holds, read back; null before it is open")
    sensor: SensorStatus = SensorStatus()
    effective_limits: dict[str, EffectiveLimit] = Field(
        {}, description="What frame rate and exposure time may be with the present settings"
    )
    fps: float | None = Field(None, description="Measured over the last seconds")
    frames: int = Field(0, description="Since its process began")
    encoded: Encoded | None = Field(None, description="What the encoded stream says of itself")
    last_change: dict[str, Any] | None = Field(None, description="The last change of settings, and its cause")
    for_picture: dict[str, Any] | None = Field(
        None, description="By path: what holds for a picture that is being taken, and for that only"
    )
    differs: dict[str, Asked] = Field({}, description="By path: what was asked for and is not what holds")
