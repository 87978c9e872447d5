"""The bit rate that gets through: down where the queue fills, up again where it has been empty for long.

A consumer that takes nothing at all is not slow but busy elsewhere, such as with connecting: to that the
picture is no remedy, and it stays as it is.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

__all__ = ["AdaptiveBitrate", "Load", "Step"]

_DOWN: Final = 0.75
_DOWN_EVERY_S: Final = 2.0
_UP: Final = 1.1
_UP_AFTER_S: Final = 10.0
# How full the queue is, of 1: from here on it is too slow, and up to here as good as empty.
_FULL: Final = 0.15
_EMPTY: Final = 0.04


@dataclass(frozen=True, slots=True)
class Load:
    """What the queue in front of a consumer says: its fill, of 1, and totals since the start."""

    fill: float
    dropped: int
    sent: int


@dataclass(frozen=True, slots=True)
class Step:
    """A change of the bit rate, and why."""

    from_bps: int
    to_bps: int
    reason: str


class AdaptiveBitrate:
    """Not safe for threads by itself. Times are monotonic seconds.

    `target_bps` is what was asked for, and the most there is; `floor_bps` the least that is tried. Not
    `enabled`, it only follows the target.
    """

    def __init__(self, *, target_bps: int, floor_bps: int, enabled: bool = True) -> None:
        self.enabled = enabled
        self.target_bps = target_bps
        self.current_bps = target_bps
        self.steps_down = 0
        self.steps_up = 0
        self.reason: str | None = None
        self._floor_bps = floor_bps
        self._last: Load | None = None
        self._fills: deque[tuple[float, float]] = deque()
        self._stepped_at_s: float | None = None
        self._empty_since_s: float | None = None

    def within(self, target_bps: int) -> int:
        """Return what a target comes to: a lowered rate stays, as the network is what it was."""
        return min(self.current_bps, target_bps) if self.current_bps < self.target_bps else target_bps

    def aim(self, target_bps: int) -> None:
        """Take over another target."""
        self.current_bps = self.within(target_bps)
        self.target_bps = target_bps
        if self.current_bps == target_bps:
            self.reason = None

    def observe(self, load: Load, *, now_s: float) -> Step | None:
        """Take in how the queue is; returns the step that it leads to. Best asked twice a second."""
        before, self._last = self._last, load
        earlier = self._fill_before(load.fill, now_s)
        if before is None or not self.enabled:
            return None
        taken = load.sent > before.sent
        lost = load.dropped - before.dropped
        if load.fill > _EMPTY or lost > 0:
            self._empty_since_s = None
        elif self._empty_since_s is None:
            self._empty_since_s = now_s
        # A queue that is being emptied needs nothing: something held the consumer up, or the last step was
        # enough, and that takes its time.
        filling = load.fill >= _FULL and load.fill >= earlier
        if taken and (filling or lost > 0) and self._rested(now_s, _DOWN_EVERY_S):
            why = f"{lost} packets lost" if lost > 0 else f"the queue is {load.fill:.0%} full"
            return self._step(max(self._floor_bps, int(self.current_bps * _DOWN)), why, now_s)
        empty_s = 0.0 if self._empty_since_s is None else now_s - self._empty_since_s
        if taken and empty_s >= _UP_AFTER_S and self._rested(now_s, _UP_AFTER_S):
            return self._step(
                int(self.current_bps * _UP), f"the queue has been empty for {empty_s:.0f} s", now_s
            )
        return None

    def _fill_before(self, fill: float, now_s: float) -> float:
        """Return how full it was as long ago as the pause between two steps, and take note of now."""
        self._fills.append((now_s, fill))
        while len(self._fills) > 1 and now_s - self._fills[1][0] >= _DOWN_EVERY_S:
            self._fills.popleft()
        return self._fills[0][1]

    def _rested(self, now_s: float, seconds: float) -> bool:
        return self._stepped_at_s is None or now_s - self._stepped_at_s >= seconds

    def _step(self, bps: int, why: str, now_s: float) -> Step | None:
        before, after = self.current_bps, min(bps, self.target_bps)
        if after == before:
            return None
        self.current_bps = after
        self._stepped_at_s = now_s
        self._empty_since_s = None if after < before else now_s
        self.steps_down += after < before
        self.steps_up += after > before
        self.reason = why if after < self.target_bps else None
        return Step(from_bps=before, to_bps=after, reason=why)
