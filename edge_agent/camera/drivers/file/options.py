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
