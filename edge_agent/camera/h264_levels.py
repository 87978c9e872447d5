"""H.264's levels: what a decoder of each can take (ITU-T H.264, table A-1), and which one a stream needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from edge_agent.camera.settings import CameraSettings, Video, merge

__all__ = ["fit_level", "lowest_level"]

_BLOCK_PX: Final = 16


@dataclass(frozen=True, slots=True)
class _Level:
    """Macroblocks a second, macroblocks a frame, and kbit/s in profile baseline and main."""

    name: str
    rate: int
    frame: int
    kbps: int


_LEVELS: Final = (
    _Level("3.1", 108_000, 3_600, 14_000),
    _Level("3.2", 216_000, 5_120, 20_000),
    _Level("4.0", 245_760, 8_192, 20_000),
    _Level("4.1", 245_760, 8_192, 50_000),
    _Level("4.2", 522_240, 8_704, 50_000),
    _Level("5.0", 589_824, 22_080, 135_000),
    _Level("5.1", 983_040, 36_864, 240_000),
    _Level("5.2", 2_073_600, 36_864, 240_000),
)
_NAMES: Final = tuple(level.name for level in _LEVELS)
_HIGH_FACTOR: Final = 1.25
# Rates are rounded: 29.99 and 30.01 are both 30.
_SLACK: Final = 1.001
_PATHS: Final = frozenset(
    f"video.{name}"
    for name in ("h264_level", "h264_profile", "width", "height", "fps", "bitrate_bps", "bitrate_auto")
)


def lowest_level(video: Video) -> str | None:
    """Return the lowest level, from 3.1 on, that holds this picture at these rates; None above 5.2."""
    across, down = (-(-side // _BLOCK_PX) for side in (video.width, video.height))
    blocks = across * down
    factor = _HIGH_FACTOR if video.h264_profile == "high" else 1.0
    for level in _LEVELS:
        # No side may be longer than the square root of eight times the picture.
        long = max(across, down) ** 2 > 8 * level.frame
        slow = blocks * video.fps > level.rate * _SLACK
        if (
            not long
            and not slow
            and blocks <= level.frame
            and video.bitrate_bps <= level.kbps * 1000 * factor
        ):
            return level.name
    return None


def fit_level(settings: CameraSettings, asked: Mapping[str, Any], clamped: dict[str, str]) -> CameraSettings:
    """Return `settings` with a level that holds them: one too low is raised, and told in `clamped`."""
    video = settings.video
    if video.h264_level == "auto" or not (asked.keys() & _PATHS or clamped.keys() & _PATHS):
        return settings
    needed = lowest_level(video)
    if needed is not None and _NAMES.index(video.h264_level) >= _NAMES.index(needed):
        return settings
    what = f"{video.width}x{video.height} at {video.fps:g} fps and {video.bitrate_bps} bit/s"
    clamped["video.h264_level"] = (
        f"level {video.h264_level} does not hold {what}, the lowest that does is {needed}"
        if needed is not None
        else f"no level up to {_NAMES[-1]} holds {what}: it is left to the encoder"
    )
    return merge(settings, {"video": {"h264_level": needed or "auto"}})
