"""Messages as the rest of the program sees them, and what one weighs on the wire."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from edge_agent.errors import LinkError

__all__ = ["Incoming", "Kind", "Outgoing", "check_outgoing", "packet_bytes"]

Kind = Literal["state", "reply", "event", "bulk"]

# Fixed header, lengths, packet identifier, and the two properties that are ever sent.
_OVERHEAD_BYTES: Final = 5 + 2 + 2 + 4 + 5 + 3
_MAX_STRING_BYTES: Final = 65_535


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message from the broker. The last three are MQTT 5 properties, None with MQTT 3.1.1."""

    topic: str
    payload: bytes
    retain: bool
    qos: int
    response_topic: str | None = None
    correlation_data: bytes | None = None
    expires_s: int | None = None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to the broker.

    `kind` says how it queues: a `state` is replaced by the next one on its topic and forgotten when the
    connection ends; a `reply` and an `event` wait in line, also for the next connection, until they expire
    (30 and 60 seconds without `expires_s`); a `bulk` is sent when nothing else waits and is replaced like
    a state. `expires_s` counts from now and is told to an MQTT 5 broker.
    """

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False
    expires_s: float | None = None
    correlation_data: bytes | None = None
    kind: Kind = "state"


def packet_bytes(message: Outgoing) -> int:
    """Return the largest size that the message's packet can have on the wire."""
    correlation = len(message.correlation_data or b"")
    return _OVERHEAD_BYTES + len(message.topic.encode()) + correlation + len(message.payload)


def check_outgoing(message: Outgoing) -> None:
    """Raise LinkError `message_invalid` for what no broker would take."""
    topic = message.topic
    try:
        length = len(topic.encode())
    except UnicodeEncodeError as error:
        raise LinkError(
            f"the topic {topic!a} is not valid UTF-8", code="message_invalid", field="topic"
        ) from error
    if not 1 <= length <= _MAX_STRING_BYTES or any(sign in topic for sign in "+#\0"):
        raise LinkError(
            f"the topic '{topic[:100]}' cannot be published to: "
            f"it must have 1 to {_MAX_STRING_BYTES} bytes and no '+', '#' or NUL",
            code="message_invalid",
            field="topic",
            value=topic,
        )
    if message.qos not in (0, 1):
        raise LinkError(
            f"QoS {message.qos} for '{topic}' is not supported; 0 and 1 are",
            code="message_invalid",
            field="qos",
            value=message.qos,
            allowed=[0, 1],
        )
    if len(message.correlation_data or b"") > _MAX_STRING_BYTES:
        raise LinkError(
            f"the correlation data for '{topic}' has more than {_MAX_STRING_BYTES} bytes",
            code="message_invalid",
            field="correlation_data",
        )
