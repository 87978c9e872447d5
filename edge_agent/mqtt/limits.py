"""How large a message may be: by configuration, by what the broker says, and by what it showed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from edge_agent.errors import LinkError
from edge_agent.mqtt.config import MqttConfig
from edge_agent.mqtt.message import Outgoing, packet_bytes

__all__ = ["SizeGuard"]

_SUSPICIOUS_BYTES: Final = 1024  # no broker's limit is lower in earnest
_STRIKES: Final = 3


class SizeGuard:
    """Refuses what is too large before it is sent.

    An MQTT 3.1.1 broker does not tell its limit, it just closes. A state document over it would be published
    by every birth, and the link would never be up again. So a message that was on its way when connections
    ended young, three times in a row, teaches the limit.
    """

    def __init__(self, *, config: MqttConfig) -> None:
        self._config = config
        self._broker: int | None = None
        self._learned: int | None = None
        self._unacknowledged_bulk: Outgoing | None = None
        self._suspect: str | None = None
        self._strikes = 0

    def connected(self, maximum_packet_bytes: int | None) -> None:
        """Note what the broker said with its CONNACK; None where it said nothing."""
        self._broker = maximum_packet_bytes
        self._unacknowledged_bulk = None

    def limit_for(self, message: Outgoing) -> int:
        """Return the largest packet in bytes that may be sent."""
        config = self._config
        limits = (
            config.max_image_bytes if message.kind == "bulk" else config.max_message_bytes,
            self._broker,
            self._learned,
        )
        return min(limit for limit in limits if limit is not None)

    def check(self, message: Outgoing) -> None:
        """Raise LinkError `message_too_large`."""
        size, limit = packet_bytes(message), self.limit_for(message)
        if size > limit:
            raise LinkError(
                f"the message for '{message.topic}' has {size} bytes, the limit is {limit}; "
                "make it smaller or raise mqtt.max_message_bytes, mqtt.max_image_bytes, the broker's limit",
                code="message_too_large",
                value=size,
                allowed=limit,
            )

    def sent(self, message: Outgoing) -> None:
        """Note a message that nobody will acknowledge."""
        if message.qos == 0 and packet_bytes(message) > _SUSPICIOUS_BYTES:
            self._unacknowledged_bulk = message

    def ended(self, *, young: bool, under_way: Iterable[Outgoing]) -> int | None:
        """Note that the broker closed. Return the new limit, where this taught one."""
        suspects = [message for message in under_way if packet_bytes(message) > _SUSPICIOUS_BYTES]
        if self._unacknowledged_bulk is not None:
            suspects.append(self._unacknowledged_bulk)
        if not young or not suspects:
            self._suspect, self._strikes = None, 0
            return None
        largest = max(suspects, key=packet_bytes)
        self._strikes = self._strikes + 1 if largest.topic == self._suspect else 1
        self._suspect = largest.topic
        if self._strikes < _STRIKES:
            return None
        self._suspect, self._strikes = None, 0
        self._learned = packet_bytes(largest) - 1
        return self._learned
