"""The bit rate that fits a picture, where nobody has chosen one."""

from __future__ import annotations

import math
from typing import Final

__all__ = ["auto_bitrate_bps"]

# 1080p at 30 frames a second looks right at 8 Mbit/s from a fast H.264 encoder.
_REFERENCE_BPS: Final = 8_000_000
_REFERENCE_PIXELS: Final = 1920 * 1080
_REFERENCE_FPS: Final = 30.0
_LOWEST_BPS: Final = 300_000
_HIGHEST_BPS: Final = 25_000_000


def auto_bitrate_bps(width: int, height: int, fps: float) -> int:
    """Return 8 Mbit/s · (pixels / 1080p)^0.75 · (fps / 30)^0.5, between 0.3 and 25 Mbit/s.

    A larger picture has more that is alike and a faster one changes less from frame to frame, so that
    neither needs bits in proportion. Rounded to 10 kbit/s.
    """
    size_factor = math.pow(width * height / _REFERENCE_PIXELS, 0.75)
    rate_factor = math.sqrt(fps / _REFERENCE_FPS)
    wanted = _REFERENCE_BPS * size_factor * rate_factor
    return round(min(max(wanted, _LOWEST_BPS), _HIGHEST_BPS) / 10_000) * 10_000
