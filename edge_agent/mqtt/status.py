"""What the link says of itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from edge_agent.mqtt.outbox import Dropped
from edge_agent.mqtt.protocol import Version

__all__ = ["LinkState", "LinkStatus"]

LinkState = Literal["offline", "connecting", "online", "refused", "backing_off", "flapping"]


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """The link's state, and since when; `reason` is for people and says what to do, `code` is for machines.

    `attempts` counts failures in a row, `reconnects` the connections after the first one, `rejected` the
    publishes that the broker acknowledged with a refusal, `denied_publishes` the first topics of those since
    this connection's start. `session_epoch` is the present connection's epoch,
    None without one.
    """

    state: LinkState
    since: datetime
    reason: str | None = None
    code: str | None = None
    attempts: int = 0
    protocol: Version | None = None
    session_epoch: int | None = None
    denied_subscriptions: tuple[str, ...] = ()
    denied_publishes: tuple[str, ...] = ()
    dropped: Dropped = field(default_factory=Dropped)
    rejected: int = 0
    reconnects: int = 0
