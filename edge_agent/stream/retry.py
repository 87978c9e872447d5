"""How long to wait until the target is tried again."""

from __future__ import annotations

import random
from typing import Final

from edge_agent.stream.messages import StreamCode

__all__ = ["Retry"]

_BASE_S: Final = 0.1
_CAP_S: Final = 1.5
_REJECTED_BASE_S: Final = 1.0
_REJECTED_CAP_S: Final = 10.0
_CREDENTIALS_S: Final = (10.0, 30.0)
_HEALTHY_S: Final = 5.0


class Retry:
    """Full-jitter backoff: fast where the network may be back at any moment, slow where somebody said no."""

    def __init__(self, *, chance: random.Random) -> None:
        self._chance = chance
        self._failures = 0

    def delay_s(self, code: StreamCode) -> float:
        """Return the wait after one more failure."""
        self._failures += 1
        if code == "stream_refused_credentials":
            return self._chance.uniform(*_CREDENTIALS_S)
        rejected = code in ("stream_rejected", "stream_not_found")
        base_s, cap_s = (_REJECTED_BASE_S, _REJECTED_CAP_S) if rejected else (_BASE_S, _CAP_S)
        # The exponent is bounded: 2.0 ** 1024 is an error.
        ceiling_s = min(cap_s, base_s * 2.0 ** min(self._failures, 10))
        return self._chance.uniform(base_s, ceiling_s)

    def session_ended(self, lasted_s: float) -> None:
        """Begin anew after a session that lived; one that broke at once counts as a failure."""
        if lasted_s >= _HEALTHY_S:
            self._failures = 0
