"""What is asked of an encoder."""

from __future__ import annotations

from dataclasses import dataclass

from edge_agent.camera.settings import Video

__all__ = ["EncoderSettings"]


@dataclass(frozen=True, slots=True)
class EncoderSettings:
    """What is asked of an encoder; the names, units and meanings are those of the settings of `video`."""

    bitrate_bps: int
    keyframe_interval_s: float = 1.0
    profile: str = "baseline"
    level: str = "auto"
    quality: int | None = None

    @classmethod
    def of(cls, video: Video) -> EncoderSettings:
        """Return what the settings of the video ask for."""
        return cls(
            bitrate_bps=video.bitrate_bps,
            keyframe_interval_s=video.keyframe_interval_s,
            profile=video.h264_profile,
            level=video.h264_level,
            quality=video.quality,
        )
