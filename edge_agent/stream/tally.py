"""Counts that go on where the process that counts begins anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

__all__ = ["Tally"]


class Tally:
    """Adds up the counts of one process after another."""

    def __init__(self) -> None:
        self._earlier: Counter[str] = Counter()
        self._last: dict[str, int] = {}

    def total(self, counts: Mapping[str, int]) -> dict[str, int]:
        """Return all that was counted so far; `counts` are those of the process that counts now.

        One whose counts are lower than the last ones has begun anew.
        """
        if any(counts.get(name, 0) < last for name, last in self._last.items()):
            self._earlier.update(self._last)
        self._last = dict(counts)
        return {name: self._earlier[name] + self._last.get(name, 0) for name in {*self._earlier, *self._last}}
