"""How much may be kept, and what has to go for a new picture. Pure arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from edge_agent.clock import Clock
from edge_agent.errors import RefusedError

__all__ = ["Excess", "Limits", "SteadyClock", "Totals"]

_MB: Final = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Totals:
    """What is stored; bytes include thumbnails."""

    count: int = 0
    size_bytes: int = 0
    locked: int = 0
    locked_bytes: int = 0

    def changed(self, *, count: int, size_bytes: int, locked: bool) -> Totals:
        """Return the totals after as many pictures and bytes came or, negative, went."""
        return Totals(
            count=self.count + count,
            size_bytes=self.size_bytes + size_bytes,
            locked=self.locked + (count if locked else 0),
            locked_bytes=self.locked_bytes + (size_bytes if locked else 0),
        )


@dataclass(frozen=True, kw_only=True)
class Excess:
    """What has to go."""

    count: int = 0
    size_bytes: int = 0

    def __bool__(self) -> bool:
        return self.count > 0 or self.size_bytes > 0


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits of a store; ages in seconds, None for ever."""

    limit_bytes: int
    limit_count: int
    min_free_bytes: int
    keep_s: float | None

    def excess(self, totals: Totals, *, free_bytes: int, new_bytes: int = 0, new_count: int = 0) -> Excess:
        """Return what has to go so that something new fits.

        Raises RefusedError `store_full` or `disk_full` where all that is not locked would not be enough: then
        nothing is to be deleted for it.
        """
        over = max(0, totals.size_bytes + new_bytes - self.limit_bytes)
        over_count = max(0, totals.count + new_count - self.limit_count)
        short = max(0, self.min_free_bytes - (free_bytes - new_bytes))
        loose_bytes = totals.size_bytes - totals.locked_bytes
        if over > loose_bytes or over_count > totals.count - totals.locked:
            raise RefusedError(
                f"the store is full: {totals.count} pictures with {_mb(totals.size_bytes)} MB are kept, "
                f"{totals.locked} of them locked, and the new one with {_mb(new_bytes)} MB does not fit into "
                f"snapshots.limit_mb: {_mb(self.limit_bytes)} and limit_count: {self.limit_count}; "
                "unlock or delete some (images), or raise the limits",
                code="store_full",
                value=new_bytes,
                allowed={"limit_bytes": self.limit_bytes, "limit_count": self.limit_count},
            )
        if short > loose_bytes:
            raise RefusedError(
                f"the disk is full: {_mb(free_bytes)} MB are free, snapshots.min_free_mb: "
                f"{_mb(self.min_free_bytes)} must stay free, and the pictures that may be deleted have only "
                f"{_mb(loose_bytes)} MB; free some space, or lower min_free_mb",
                code="disk_full",
                value=free_bytes,
                allowed={"min_free_bytes": self.min_free_bytes},
            )
        return Excess(count=over_count, size_bytes=max(over, short))


def _mb(size_bytes: int) -> str:
    return f"{size_bytes / _MB:.3g}" if size_bytes < 1000 * _MB else f"{size_bytes / _MB:.0f}"


class SteadyClock:
    """The wall clock, once it can be relied on to say how old a picture is.

    A machine without a battery for its clock starts years off and jumps when the network comes. Whoever
    deleted by such a clock would lose everything, so that ten minutes without a jump come first.
    """

    def __init__(self, clock: Clock, *, steady_s: float = 600.0, jump_s: float = 60.0) -> None:
        self._clock = clock
        self._steady_s = steady_s
        self._jump_s = jump_s
        self._offset_s = self._offset()
        self._since_s = clock.monotonic()

    def cutoff(self, keep_s: float | None) -> datetime | None:
        """Return the moment before which pictures are too old, None where that cannot be said."""
        offset_s = self._offset()
        if abs(offset_s - self._offset_s) > self._jump_s:
            self._since_s = self._clock.monotonic()
        self._offset_s = offset_s
        if keep_s is None or self._clock.monotonic() - self._since_s < self._steady_s:
            return None
        return self._clock.now() - timedelta(seconds=keep_s)

    def _offset(self) -> float:
        return self._clock.now().timestamp() - self._clock.monotonic()
