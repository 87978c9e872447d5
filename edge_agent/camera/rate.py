"""How much comes in a second, measured over the last few."""

from __future__ import annotations

import time
from collections import deque
from typing import Final

__all__ = ["Rate"]

_MEASURED_S: Final = 3.0


class Rate:
    """Counts and bytes over the last seconds. One thread adds, any may ask."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._marks: deque[tuple[float, int]] = deque(maxlen=1000)

    def add(self, size: int = 0) -> None:
        """Count one, of so many bytes."""
        self._marks.append((time.monotonic(), size))

    def age_s(self) -> float:
        """Return the seconds since the last one, or since the beginning where none has come yet."""
        return time.monotonic() - (self._marks[-1][0] if self._marks else self._begun)

    def per_second(self) -> float | None:
        """Return how many a second; None before there are two."""
        marks = self._recent()
        span = marks[-1][0] - marks[0][0] if len(marks) > 1 else 0.0
        return (len(marks) - 1) / span if span else None

    def bits_per_second(self) -> int | None:
        """Return how many bits a second; None before there are two."""
        marks = self._recent()
        span = marks[-1][0] - marks[0][0] if len(marks) > 1 else 0.0
        return int(sum(size for _, size in marks[1:]) * 8 / span) if span else None

    def _recent(self) -> list[tuple[float, int]]:
        since = time.monotonic() - _MEASURED_S
        return [mark for mark in list(self._marks) if mark[0] >= since]
