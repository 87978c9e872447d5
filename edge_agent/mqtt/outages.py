"""Times without the broker, told when they are over: before that nobody can hear of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from edge_agent.clock import Clock
from edge_agent.errors import LinkError
from edge_agent.mqtt.status import Outage

__all__ = ["Outages"]

_MAX_CODES: Final = 8


@dataclass(slots=True)
class _Present:
    since: datetime
    since_s: float
    codes: list[str]
    reason: str


class Outages:
    """Notes why the broker was away; `last` is the last time that it was."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._present: _Present | None = None
        self.last: Outage | None = None

    def failed(self, error: LinkError) -> None:
        """Note the end of a connection, or an attempt that came to nothing."""
        present = self._present
        if present is None:
            present = _Present(self._clock.now(), self._clock.monotonic(), [], "")
            self._present = present
        if error.code not in present.codes and len(present.codes) < _MAX_CODES:
            present.codes.append(error.code)
        present.reason = error.message

    def over(self) -> None:
        """Note that the link is online."""
        present, self._present = self._present, None
        if present is not None:
            self.last = Outage(
                since=present.since,
                lasted_s=round(self._clock.monotonic() - present.since_s, 1),
                codes=tuple(present.codes),
                reason=present.reason,
            )
