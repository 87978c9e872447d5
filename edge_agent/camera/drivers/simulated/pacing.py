"""When frames are due: a schedule by a monotonic clock, at the frame rate, never in a bunch."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["FrameSchedule"]


class FrameSchedule:
    """Gives each frame its time. Who comes late loses the frames that were due meanwhile.

    Without `paced` nothing is waited for, and time passes by one frame with each.
    """

    def __init__(self, *, monotonic: Callable[[], float], wait: Callable[[float], None], paced: bool) -> None:
        self._monotonic = monotonic
        self._wait = wait
        self._paced = paced
        self._last_us: float | None = None

    def next_us(self, *, fps: float, timeout_s: float) -> int | None:
        """Wait for the next frame's time and return it in µs. None where it is later than the time out."""
        period_us = 1e6 / fps
        now_us = self._monotonic() * 1e6
        if self._last_us is None:
            self._last_us = now_us
            return int(now_us)
        due_us = self._last_us + period_us
        if self._paced:
            if due_us - now_us > timeout_s * 1e6:
                self._wait(timeout_s)
                return None
            if due_us > now_us:
                self._wait((due_us - now_us) / 1e6)
            else:
                due_us += (now_us - due_us) // period_us * period_us
        self._last_us = due_us
        return int(due_us)
