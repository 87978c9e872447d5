"""The lens: where it stands, and the autofocus that moves it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from edge_agent.camera.capabilities import AfState
from edge_agent.camera.drivers.simulated.sensor import POSITION
from edge_agent.camera.settings import Focus

__all__ = ["Lens"]

_RANGES: Final = {"normal": (0.0, 12.0), "macro": (3.0, 15.0), "full": POSITION}
_COARSE: Final = {"normal": 1.0, "fast": 2.0}
_FINE_STEPS: Final = 4
# Part of the way to the subject that continuous focus makes in one frame.
_FOLLOW: Final = {"normal": 0.25, "fast": 0.5}
_IN_FOCUS: Final = 0.1
_START: Final = 1.0
# A peak that stands less than this above the rest is none.
_PEAK: Final = 1.02


class Lens:
    """Moves once a frame. Not safe for threads: the driver passes requests on between two frames."""

    def __init__(self) -> None:
        self.position = _START
        self.state: AfState = "idle"
        self._scan: Iterator[float] | None = None
        self._seen: list[tuple[float, float]] = []
        self._mode = "manual"

    def move_to(self, position: float) -> None:
        """Go to a position and stay there; ends a scan."""
        self._scan = None
        self.position = position
        self.state = "idle"

    def trigger(self, focus: Focus) -> None:
        """Begin a scan."""
        self._seen = []
        self._scan = self._positions(focus)
        self.position = next(self._scan)
        self.state = "scanning"

    def step(self, focus: Focus, *, subject: float, sharpness: float) -> None:
        """Move for the next frame, by what the last one showed: how sharp it was, and how far it is."""
        if focus.mode != self._mode:
            self._mode = focus.mode
            if self._scan is None:
                self.state = "idle"
        if self._scan is not None:
            self._seen.append((self.position, sharpness))
            following = next(self._scan, None)
            if following is None:
                self._scan = None
            else:
                self.position = following
        elif focus.mode == "continuous":
            self._follow(focus, subject)

    def _follow(self, focus: Focus, subject: float) -> None:
        low, high = _RANGES[focus.range]
        aim = min(max(subject, low), high)
        self.position += _FOLLOW[focus.speed] * (aim - self.position)
        arrived = abs(aim - self.position) < _IN_FOCUS
        if arrived:
            self.position = aim
        within = low <= subject <= high
        self.state = ("focused" if within else "failed") if arrived else "scanning"

    def _positions(self, focus: Focus) -> Iterator[float]:
        """Yield the positions of a scan: all of the range, then around the best, then the best itself."""
        low, high = _RANGES[focus.range]
        coarse = _COARSE[focus.speed]
        count = round((high - low) / coarse)
        for index in range(count + 1):
            yield min(low + index * coarse, high)
        middle = self._best()
        for index in range(-_FINE_STEPS + 1, _FINE_STEPS):
            yield min(max(middle + coarse * index / _FINE_STEPS, low), high)
        best = self._best()
        values = [sharpness for _, sharpness in self._seen]
        peak = max(values) > _PEAK * min(values)
        at_the_end = best <= low + _IN_FOCUS and low > POSITION[0]
        self.state = "focused" if peak and not at_the_end else "failed"
        yield best

    def _best(self) -> float:
        """Return the middle of where it was sharpest: near the best point several look the same."""
        highest = max(sharpness for _, sharpness in self._seen)
        sharpest = [position for position, sharpness in self._seen if sharpness >= 0.999 * highest]
        return sum(sharpest) / len(sharpest)
