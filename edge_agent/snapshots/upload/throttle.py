"""The bandwidth that all uploads share."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

__all__ = ["Throttle"]

# What may go at once after a rest: it smooths the steps without being noticed on the line.
_BURST_S: Final = 0.1


class Throttle:
    """Tells how long to wait before some bytes may go, so that all together keep to the limit."""

    def __init__(self, *, bytes_per_s: float, monotonic: Callable[[], float]) -> None:
        self._bytes_per_s = bytes_per_s
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._free_at = monotonic()

    def delay_s(self, count: int) -> float:
        """Take `count` bytes and return the seconds to wait before they may go; from any thread."""
        with self._lock:
            now = self._monotonic()
            begin = max(self._free_at, now - _BURST_S)
            self._free_at = begin + count / self._bytes_per_s
            return max(0.0, begin - now)

    def block_bytes(self, at_most: int) -> int:
        """Return how many bytes to send at once: a quarter of a second's, so that the line is shared."""
        return max(1024, min(at_most, int(self._bytes_per_s / 4)))
