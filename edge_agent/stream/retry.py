"""How long to wait until the target is tried again."""

from __future__ import annotations

import random
from typing import Final

from edge_agent.stream.messages import StreamCode

__all__ = ["Retry"]

_BASE_S: Final = 0.1
_CAP_S: Final = 1.5
# Who said no may be about to know better, as a server that is just starting; after about a minute it is not.
_REJECTED_PATIENCE: Final = 60
_REJECTED_CAP_S: Final = 10.0
_CREDENTIALS_S: Final = (10.0, 30.0)
_TIMEOUT_S: Final = (0.1, 0.5)
_NEVER_S: Final = 3600.0
_HEALTHY_S: Final = 5.0
_REJECTIONS: Final = ("stream_rejected", "stream_not_found", "stream_tls_failed")


class Retry:
    """Full-jitter backoff: fast where the network may be back at any moment, slow where somebody said no."""

    def __init__(self, *, chance: random.Random) -> None:
        self._chance = chance
        self._failures = 0

    def delay_s(self, code: StreamCode) -> float:
        """Return the wait after one more failure."""
        self._failures += 1
        if code == "stream_unsupported":
            return _NEVER_S
        if code == "stream_refused_credentials":
            return self._chance.uniform(*_CREDENTIALS_S)
        if code in _REJECTIONS and self._failures > _REJECTED_PATIENCE:
            return self._chance.uniform(_CAP_S, _REJECTED_CAP_S)
        if code == "stream_timeout":
            # Its own limit was wait enough.
            return self._chance.uniform(*_TIMEOUT_S)
        # The exponent is bounded: 2.0 ** 1024 is an error.
        ceiling_s = min(_CAP_S, _BASE_S * 2.0 ** min(self._failures, 10))
        return self._chance.uniform(_BASE_S, ceiling_s)

    def session_ended(self, lasted_s: float) -> None:
        """Begin anew after a session that lived; one that broke at once counts as a failure."""
        if lasted_s >= _HEALTHY_S:
            self._failures = 0
