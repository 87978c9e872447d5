"""From the camera's time to the stream's."""

from __future__ import annotations

from typing import Final

from edge_agent.stream.rtp_state import RtpState

__all__ = ["TICKS_PER_SECOND", "Timeline"]

TICKS_PER_SECOND: Final = 90_000  # RTP's clock for video
_MAX_STEP_US: Final = 10_000_000


class Timeline:
    """The times of one RTSP session: they begin at 0 and rise strictly.

    Where the camera's clock jumps back or far ahead, as when the camera began anew, the stream goes on by
    the time that really passed.
    """

    def __init__(self) -> None:
        self.last_pts_us: int | None = None
        self.last_now_s = 0.0
        self.offset_us = 0
        self.last_ticks = -1

    @classmethod
    def resumed(cls, state: RtpState) -> Timeline:
        """Return the times that go on where others were."""
        timeline = cls()
        timeline.last_pts_us, timeline.last_now_s = state.last_pts_us, state.last_now_s
        timeline.offset_us, timeline.last_ticks = state.offset_us, state.last_ticks
        return timeline

    def ticks(self, pts_us: int, *, now_s: float) -> int:
        """Return the time of the packet with the camera's time `pts_us`, which is written at `now_s`."""
        if self.last_pts_us is None:
            self.offset_us = -pts_us
        elif not 0 <= pts_us - self.last_pts_us <= _MAX_STEP_US:
            passed_us = max(0, int((now_s - self.last_now_s) * 1_000_000))
            self.offset_us += self.last_pts_us + passed_us - pts_us
        self.last_pts_us = pts_us
        self.last_now_s = now_s
        ticks = (pts_us + self.offset_us) * TICKS_PER_SECOND // 1_000_000
        self.last_ticks = max(ticks, self.last_ticks + 1)
        return self.last_ticks
