"""What is configured of pictures."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from edge_agent.config import Section

__all__ = ["SnapshotsConfig"]


class SnapshotsConfig(Section):
    """How pictures are taken, where they are kept and for how long."""

    quality: int = Field(90, ge=1, le=100, description="JPEG quality where a command names none")
    retain_latest: bool = Field(False, description="Whether the broker keeps the last picture")
    store: bool = Field(True, description="Whether a picture is stored where a command names no place")
    directory: Path | None = Field(None, description="Where pictures are stored; null is state_dir/pictures")
    limit_mb: int = Field(
        1000, ge=1, le=100_000_000, description="All pictures together; the oldest make room"
    )
    limit_count: int = Field(100_000, ge=1, le=10_000_000, description="How many pictures are kept at most")
    min_free_mb: int = Field(500, ge=0, le=100_000_000, description="What stays free on the disk")
    keep_days: float | None = Field(
        30, gt=0, le=36_500, description="Older ones are deleted; null keeps them"
    )
    thumbnails: bool = Field(True, description="Whether thumbnails that were asked for are kept")
    chunk_bytes: int = Field(
        256 * 1024, ge=4096, le=64 * 1024 * 1024, description="Larger pictures are sent over MQTT in chunks"
    )
