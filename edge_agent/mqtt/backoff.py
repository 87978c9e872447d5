"""How long to wait before the next attempt, and how to tell that two clients fight for one identity."""

from __future__ import annotations

from collections import deque
from random import Random
from typing import Final

from edge_agent.mqtt.config import BackoffConfig

__all__ = ["Backoff", "FlapDetector"]

_MAX_DOUBLINGS: Final = 30


class Backoff:
    """Waits with full jitter: uniform between nothing and a ceiling that doubles with every failure."""

    def __init__(self, *, config: BackoffConfig, random: Random) -> None:
        self._config = config
        self._random = random
        self._failures = 0

    def after_failure(self, *, lasted_s: float = 0.0) -> float:
        """Return the wait in seconds after a connection that failed, or that ended after `lasted_s`."""
        if lasted_s >= self._config.stable_s:
            self._failures = 0
        ceiling = min(self._config.max_s, self._config.min_s * 2.0**self._failures)
        self._failures = min(self._failures + 1, _MAX_DOUBLINGS)
        return self._random.uniform(0.0, ceiling)

    def after_refusal(self) -> float:
        """Return the wait after a broker said no: it will say so until somebody changes something."""
        return self._random.uniform(self._config.max_s, 2 * self._config.max_s)

    def after_takeover(self) -> float:
        """Return the wait while another client uses the same identity: long, so that one of both works."""
        return self._random.uniform(self._config.flapping_min_s, self._config.flapping_max_s)


class FlapDetector:
    """Notices connections that the broker ends soon after they began, again and again."""

    def __init__(self, *, short_s: float = 5.0, count: int = 3, within_s: float = 60.0) -> None:
        self._short_s = short_s
        self._within_s = within_s
        self._ends: deque[float] = deque(maxlen=count)

    def ended(self, *, now_s: float, lasted_s: float) -> bool:
        """Note a connection's end; `now_s` is monotonic. Return whether this is flapping."""
        if lasted_s > self._short_s:
            self._ends.clear()
            return False
        self._ends.append(now_s)
        return len(self._ends) == self._ends.maxlen and now_s - self._ends[0] <= self._within_s

    def forget(self) -> None:
        """Start anew: the ends so far had another reason."""
        self._ends.clear()
