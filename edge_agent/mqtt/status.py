"""What the link says of itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from edge_agent.clock import rfc3339
from edge_agent.mqtt.outbox import Dropped
from edge_agent.mqtt.protocol import Version
from edge_agent.mqtt.validity import Validity

__all__ = ["LinkState", "LinkStatus", "Outage"]

LinkState = Literal["offline", "connecting", "online", "refused", "backing_off", "flapping"]


@dataclass(frozen=True, slots=True)
class Outage:
    """A time without the broker that is over: since when, how long, and why.

    `codes` are the different reasons in the order in which they came, `reason` is the last one's for people.
    """

    since: datetime
    lasted_s: float
    codes: tuple[str, ...]
    reason: str

    def document(self) -> dict[str, Any]:
        """Return it as `status` tells it."""
        return {
            "since": rfc3339(self.since),
            "lasted_s": self.lasted_s,
            "codes": list(self.codes),
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """The link's state, and since when; `reason` is for people and says what to do, `code` is for machines.

    `attempts` counts failures in a row, `reconnects` the connections after the first one, `rejected` the
    publishes that the broker acknowledged with a refusal, `denied_publishes` the first topics of those since
    this connection's start. `session_epoch` is the present connection's epoch, None without one.
    `last_outage` is None where there was none: while it lasts nobody can be told. `broker_certificate` is
    that of the last connection, None without TLS. `contested` says that another client has taken this one's
    identity, until a connection has lasted again.
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
    last_outage: Outage | None = None
    broker_certificate: Validity | None = None
    contested: str | None = None

    def document(self) -> dict[str, Any]:
        """Return the part of it that `status` tells: what can be said with a connection."""
        return {
            "protocol": self.protocol,
            "epoch": self.session_epoch,
            "reconnects": self.reconnects,
            "last_outage": None if self.last_outage is None else self.last_outage.document(),
            "denied_subscriptions": list(self.denied_subscriptions),
            "denied_publishes": list(self.denied_publishes),
            "dropped": {"replies": self.dropped.replies, "events": self.dropped.events},
        }
