"""Day or night: decided from the light that the camera measures, without flapping.

Two thresholds and a time: it is night when the light has stayed below `night_below_lux` for `dwell_s`, day
when it has stayed above `day_above_lux` for as long. Headlights do not last that long, and dusk, which goes
to and fro around one threshold, does not reach the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["DayNight", "Phase", "Thresholds"]

Phase = Literal["day", "night"]


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """When it is night and when day."""

    night_below_lux: float
    day_above_lux: float
    dwell_s: float


class DayNight:
    """Decides from readings with their times; knows no camera."""

    def __init__(self, *, thresholds: Thresholds) -> None:
        self.thresholds = thresholds
        self.phase: Phase | None = None
        self._since: float | None = None

    def forget(self) -> None:
        """Decide anew at the next reading."""
        self.phase = None
        self._since = None

    def see(self, lux: float, at_s: float) -> Phase | None:
        """Take a reading at a monotonic time; return the new phase where it changes, else None.

        The first reading decides at once: after a start there is nothing to hold on to.
        """
        limits = self.thresholds
        if self.phase is None:
            self.phase = "night" if lux < limits.night_below_lux else "day"
            return self.phase
        other: Phase = "night" if self.phase == "day" else "day"
        over = lux < limits.night_below_lux if other == "night" else lux > limits.day_above_lux
        if not over:
            self._since = None
            return None
        if self._since is None:
            self._since = at_s
        if at_s - self._since < limits.dwell_s:
            return None
        self.phase, self._since = other, None
        return other
