"""Something happened: one way to tell it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from edge_agent.clock import Clock, rfc3339
from edge_agent.contract.topics import Topics
from edge_agent.contract.wire import encoded
from edge_agent.mqtt.message import Outgoing

__all__ = ["Events", "Listener"]

logger = logging.getLogger(__name__)

# Called with the event's kind and its document.
Listener = Callable[[str, Mapping[str, Any]], None]


class Events:
    """Publishes on `event/<kind>`: `{"event_type": …, "time": …, …}`, never retained."""

    def __init__(self, *, topics: Topics, clock: Clock, publish: Callable[[Outgoing], None]) -> None:
        self._topics = topics
        self._clock = clock
        self._publish = publish
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with every event, before it is sent; returns how to end that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def emit(self, kind: str, event_type: str, **fields: Any) -> None:
        """Tell that something happened. `kind` is the topic's last level, `event_type` what it was."""
        document = {"event_type": event_type, "time": rfc3339(self._clock.now()), **fields}
        for listener in tuple(self._listeners):
            try:
                listener(kind, document)
            except Exception:
                logger.exception("A listener failed at the event %s of %s", event_type, kind)
        self._publish(Outgoing(topic=self._topics.event(kind), payload=encoded(document), kind="event"))
