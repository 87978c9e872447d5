"""Whether a loop turns: when it last did, and until when it is bound to again.

Each loop knows best for how long it may wait next, be it for a beat of a second or in a backoff of minutes.
It says so at each turn, and whoever watches needs to know nothing of what it does.
"""

from __future__ import annotations

import math

from edge_agent.clock import Clock

__all__ = ["Turns"]


class Turns:
    """The turns of one loop, which costs it one reading of the clock each. All times are monotonic."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._turned_at_s = clock.monotonic()
        self._due_at_s = math.inf

    @property
    def turned_at_s(self) -> float:
        """When it last turned."""
        return self._turned_at_s

    @property
    def overdue_s(self) -> float:
        """For how many seconds it should have turned again; 0 while it is in time."""
        return max(0.0, self._clock.monotonic() - self._due_at_s)

    def turn(self, *, within_s: float) -> None:
        """Say that the loop turns now and will again within so many seconds, whatever comes."""
        self._turned_at_s = self._clock.monotonic()
        self._due_at_s = self._turned_at_s + within_s

    def rest(self) -> None:
        """Say that the loop has ended, or waits for what has no bound: nothing is due."""
        self.turn(within_s=math.inf)
