"""From the camera's time to the stream's."""

from __future__ import annotations

from typing import Final

__all__ = ["TICKS_PER_SECOND", "Timeline"]

TICKS_PER_SECOND: Final = 90_000  # RTP's clock for video
_MAX_STEP_US: Final = 10_000_000


class Timeline:
    """The times of one RTSP session: they begin at 0 and rise strictly.

    Where the camera's clock jumps back or far ahead, as when the camera began anew, the stream goes on by
    the time that really passed.
    """

    def __init__(self) -> None:
        self._last_pts_us: int | None = None
        self._last_now_s = 0.0
        self._offset_us = 0
        self._last_ticks = -1

    def ticks(self, pts_us: int, *, now_s: float) -> int:
        """Return the time of the packet with the camera's time `pts_us`, which is written at `now_s`."""
        if self._last_pts_us is None:
            self._offset_us = -pts_us
        elif not 0 <= pts_us - self._last_pts_us <= _MAX_STEP_US:
            passed_us = max(0, int((now_s - self._last_now_s) * 1_000_000))
            self._offset_us += self._last_pts_us + passed_us - pts_us
        self._last_pts_us = pts_us
        self._last_now_s = now_s
        ticks = (pts_us + self._offset_us) * TICKS_PER_SECOND // 1_000_000
        self._last_ticks = max(ticks, self._last_ticks + 1)
        return self._last_ticks
