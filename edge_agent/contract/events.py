"""Something happened: one way to tell it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edge_agent.clock import Clock, rfc3339
from edge_agent.contract.topics import Topics
from edge_agent.contract.wire import encoded
from edge_agent.mqtt.message import Outgoing

__all__ = ["Events"]


class Events:
    """Publishes on `event/<kind>`: `{"event_type": …, "time": …, …}`, never retained."""

    def __init__(self, *, topics: Topics, clock: Clock, publish: Callable[[Outgoing], None]) -> None:
        self._topics = topics
        self._clock = clock
        self._publish = publish

    def emit(self, kind: str, event_type: str, **fields: Any) -> None:
        """Tell that something happened. `kind` is the topic's last level, `event_type` what it was."""
        document = {"event_type": event_type, "time": rfc3339(self._clock.now()), **fields}
        self._publish(Outgoing(topic=self._topics.event(kind), payload=encoded(document), kind="event"))
