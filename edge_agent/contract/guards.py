"""What stands between the wire and a command: denied ones, read-only nodes, and how many come in a while.

What the node itself wants done (schedules, profiles) is only held by what is denied.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from edge_agent.clock import Clock
from edge_agent.contract.command import CommandSpec
from edge_agent.contract.commands import refuse_denied
from edge_agent.errors import RefusedError

__all__ = ["DEFAULT_LIMITS", "Guards", "RateLimit"]

_OTHERS: Final = "*"


@dataclass(frozen=True, slots=True)
class RateLimit:
    """`burst` at once, then `per_s` a second."""

    per_s: float
    burst: int


# A slider that is dragged, and a script that sets a hundred things at once, pass; a loop gone wild does not.
DEFAULT_LIMITS: Final[Mapping[str, RateLimit]] = {
    _OTHERS: RateLimit(per_s=100, burst=1000),
    "snapshot": RateLimit(per_s=5, burst=50),
    "logs": RateLimit(per_s=5, burst=50),
    "refresh": RateLimit(per_s=5, burst=50),
    "restart": RateLimit(per_s=0.2, burst=20),
    "update": RateLimit(per_s=0.2, burst=20),
    "identify": RateLimit(per_s=1, burst=20),
}


class Guards:
    """Asked about every command that comes over the wire. `limits` are laid over the defaults, by name."""

    def __init__(
        self,
        *,
        clock: Clock,
        deny: frozenset[str] = frozenset(),
        read_only: bool = False,
        limits: Mapping[str, RateLimit] | None = None,
    ) -> None:
        self._clock = clock
        self._deny = deny
        self._read_only = read_only
        self._limits = {**DEFAULT_LIMITS, **(limits or {})}
        # A name that is no command's never gets here, so that there are no more of these than commands.
        self._buckets: dict[str, tuple[float, float]] = {}

    def check_name(self, name: str) -> None:
        """Raise RefusedError where the configuration denies the command."""
        refuse_denied(name, self._deny)

    def spend(self, name: str) -> None:
        """Count a command that there is. Raises RefusedError `rate_limited` where there were too many."""
        limit = self._limits.get(name, self._limits[_OTHERS])
        now_s = self._clock.monotonic()
        tokens, at_s = self._buckets.get(name, (float(limit.burst), now_s))
        tokens = min(float(limit.burst), tokens + (now_s - at_s) * limit.per_s)
        if tokens < 1:
            self._buckets[name] = (tokens, now_s)
            retry_after_s = math.ceil((1 - tokens) / limit.per_s * 1000) / 1000
            raise RefusedError(
                f"too many of '{name}': {limit.burst} at once and {limit.per_s:g} a second are taken; "
                f"try again in {retry_after_s:g} s",
                code="rate_limited",
                allowed={"per_s": limit.per_s, "burst": limit.burst, "retry_after_s": retry_after_s},
            )
        self._buckets[name] = (tokens - 1, now_s)

    def check_change(self, spec: CommandSpec, arguments: Any, *, dry_run: bool) -> None:
        """Raise RefusedError `read_only` where this would change something that may not be changed."""
        if self._read_only and not dry_run and spec.changes(arguments):
            raise RefusedError(
                f"this node may only be looked at (commands.read_only): '{spec.name}' would change it",
                code="read_only",
            )
