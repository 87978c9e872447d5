"""What the file driver is to know."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["FileOptions"]


class FileOptions(BaseModel):
    """The file, and what happens at its end."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path = Field(description="The video; any container and codec that FFmpeg reads")
    loop: bool = Field(True, description="Start again at the end; without it the camera is gone then")
    pass_through: bool = Field(
        True,
        description="Send H.264 as it is in the file, where nothing is to be changed; without it every frame "
        "is decoded and encoded anew, and the encoder and the overlay can be set",
    )
