"""What the picamera2 driver can be told."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["Picamera2Options"]


class Picamera2Options(BaseModel):
    """Which camera, and how it is treated."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    index: int | None = Field(
        None, ge=0, le=63, description="The camera's number as rpicam-hello lists them; null takes the first"
    )
    id: str | None = Field(None, min_length=1, description="libcamera's id of the camera, or the end of it")
    tuning_file: Path | None = Field(None, description="A tuning file in place of the camera's own")
    noir: bool | None = Field(
        None, description="Whether the camera is without infrared filter; null goes by its name and tuning"
    )
    hardware_encoder: Literal["auto", "never"] = Field(
        "auto", description="auto encodes in hardware where the board has an encoder: Pi 4 and older"
    )
    buffer_count: int = Field(4, ge=2, le=12, description="Frames in memory at a time; fewer save memory")

    raw: bool = Field(
        False,
        description="Keep raw data beside the stream, for DNGs without a stop; costs as much memory again",
    )

    @model_validator(mode="after")
    def _one_choice(self) -> Self:
        if self.index is not None and self.id is not None:
            raise ValueError("'index' and 'id' both choose the camera: keep one of them")
        return self
