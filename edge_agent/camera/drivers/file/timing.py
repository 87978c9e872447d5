"""When a frame is due: one time line through all rounds of a file, and the way from it to the clock."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

__all__ = ["Anchor", "FrameGate", "Timeline"]

_MICROSECONDS: Final = 1_000_000
# A step longer than this within a file is a fault of its time stamps, not a pause in its scene.
_LONGEST_STEP_US: Final = 10 * _MICROSECONDS
# So far behind, a camera would not deliver the old frames in a rush: it would have lost them.
_LATE_S: Final = 1.0


class Timeline:
    """Places the time stamps of a file, round after round, on one line that rises strictly, in µs."""

    def __init__(self, *, time_base: Fraction, fps: float) -> None:
        self._tick_us = float(time_base * _MICROSECONDS)
        self._step_us = _MICROSECONDS / fps
        self._last_us = -self._step_us
        self._offset_us: float | None = None  # what turns a stamp of this round into a place; None: to be set

    def place(self, stamp: int | None) -> int:
        """Return where a frame lies. One without a stamp, or with an impossible one, follows at the rate."""
        following_us = place_us = self._last_us + self._step_us
        if stamp is not None:
            stamp_us = stamp * self._tick_us
            if self._offset_us is not None:
                place_us = stamp_us + self._offset_us
            longest_us = max(_LONGEST_STEP_US, 3 * self._step_us)
            if not self._last_us + 1 <= place_us <= self._last_us + longest_us:
                place_us = following_us
            self._offset_us = place_us - stamp_us
        self._last_us = place_us
        return int(place_us)

    def new_round(self) -> None:
        """Say that the next stamp belongs to a new round: its frame follows the last one at the rate."""
        self._offset_us = None


class FrameGate:
    """Lets through as many frames a second as are wanted, evenly, and drops the rest."""

    def __init__(self, *, native_fps: float) -> None:
        self._native_fps = native_fps
        self._last: tuple[float, int] | None = None

    def passes(self, place_us: int, fps: float) -> bool:
        """Tell whether the frame at this place is to be shown."""
        if fps >= self._native_fps:
            return True
        # Half a frame of the file keeps its stamps, rounded to a container's ticks, away from the edges.
        slot = (fps, int(place_us * fps / _MICROSECONDS + 0.5 * fps / self._native_fps))
        if slot == self._last:
            return False
        self._last = slot
        return True


class Anchor:
    """Ties the time line to a monotonic clock, and moves it on where the reader fell far behind."""

    def __init__(self) -> None:
        self._start_us: int | None = None

    def pts_us(self, place_us: int, *, now_s: float) -> int:
        """Return when the frame at this place is due, by the clock."""
        now_us = int(now_s * _MICROSECONDS)
        if self._start_us is None or self._start_us + place_us < now_us - _LATE_S * _MICROSECONDS:
            self._start_us = now_us - place_us
        return self._start_us + place_us
