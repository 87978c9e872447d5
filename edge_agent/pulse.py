"""When those who look about once a second do so: together, so that the machine is woken once for all.

Each awakening finds the caches cold: one thing ten times a second costs far more than ten things once. The
whole seconds of the monotonic clock are the same in all processes.
"""

from __future__ import annotations

import math

__all__ = ["until_pulse_s"]


def until_pulse_s(now_s: float, wait_s: float) -> float:
    """Return how long to wait from `now_s`, of the monotonic clock, for about `wait_s`.

    From a second up it ends on a whole second, and is at most half a second off; less is what it is.
    """
    if wait_s < 1.0:
        return wait_s
    return math.floor(now_s + wait_s + 0.5) - now_s
