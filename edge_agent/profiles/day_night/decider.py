"""Day or night, without flapping: what is said has to be said for a while until it holds.

It is night when the light has stayed below `night_below_lux` for `dwell_s`, day when it has stayed above
`day_above_lux` for as long. Headlights do not last that long, and dusk, which goes to and fro around one
threshold, does not reach the other. In between nothing is said.
"""

from __future__ import annotations

from typing import Literal

__all__ = ["DayNight", "Phase"]

Phase = Literal["day", "night"]


class DayNight:
    """Decides from what is said and when; knows no camera."""

    def __init__(self) -> None:
        self.phase: Phase | None = None
        self._since_s: float | None = None

    def forget(self) -> None:
        """Decide anew at the next time."""
        self.phase = None
        self._since_s = None

    def see(self, says: Phase | None, *, at_s: float, dwell_s: float) -> Phase | None:
        """Take what is said at a monotonic time; return the new phase where it changes, else None.

        The first time decides at once, and nothing said is day then: after a start there is nothing to
        hold on to.
        """
        if self.phase is None:
            self.phase = says or "day"
            return self.phase
        if says is None or says == self.phase:
            self._since_s = None
            return None
        if self._since_s is None:
            self._since_s = at_s
        if at_s - self._since_s < dwell_s:
            return None
        self.phase, self._since_s = says, None
        return says

    def changes_in(self, *, at_s: float, dwell_s: float) -> float | None:
        """Return the seconds until the phase changes if what is said stays, None where it does not change."""
        return None if self._since_s is None else max(0.0, self._since_s + dwell_s - at_s)
