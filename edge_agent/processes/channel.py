"""Messages between the agent and its children, over a socket pair: their frames, and the child's end.

A frame is two lengths of four bytes (JSON, then attachment), the JSON object and the attachment's bytes:

    {"kind": "apply", "id": 7, "body": {...}}

`id` pairs an answer with its request; a message without one is a notice. The child's end blocks: a child has
a thread for it. The agent's end, in `agent_channel`, is asynchronous, and its library too heavy for a child.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
from dataclasses import dataclass, field
from typing import Any, Final

from edge_agent.errors import ProcessError

__all__ = ["LENGTHS", "ChildChannel", "Message", "decode", "encode", "lengths", "socket_pair"]

LENGTHS: Final = struct.Struct("!II")
_MAX_JSON_BYTES: Final = 1024 * 1024
_MAX_ATTACHMENT_BYTES: Final = 128 * 1024 * 1024  # a full-size DNG of a 64-megapixel sensor
_SEND_TIMEOUT_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Message:
    """One message: what it is, whose answer it is, its fields, and bytes that JSON would only inflate."""

    kind: str
    body: dict[str, Any] = field(default_factory=dict)
    id: int | None = None
    attachment: bytes = b""


def encode(message: Message) -> bytes:
    """Return a message's frame. Raises ProcessError beyond the bounds."""
    document = json.dumps({"kind": message.kind, "id": message.id, "body": message.body}).encode()
    if len(document) > _MAX_JSON_BYTES or len(message.attachment) > _MAX_ATTACHMENT_BYTES:
        raise ProcessError(f"message '{message.kind}' is too large for the channel")
    return LENGTHS.pack(len(document), len(message.attachment)) + document + message.attachment


def lengths(header: bytes) -> tuple[int, int]:
    """Return the bytes of JSON and attachment that follow. Raises ProcessError beyond the bounds."""
    json_bytes, attachment_bytes = LENGTHS.unpack(header)
    if json_bytes > _MAX_JSON_BYTES or attachment_bytes > _MAX_ATTACHMENT_BYTES:
        raise ProcessError("the other end of the channel announced a message beyond all bounds")
    return json_bytes, attachment_bytes


def decode(document: bytes, attachment: bytes) -> Message:
    """Return the message of a frame. Raises ProcessError where it is none."""
    try:
        fields = json.loads(document)
        return Message(kind=fields["kind"], id=fields["id"], body=fields["body"], attachment=attachment)
    except (ValueError, KeyError, TypeError) as error:
        raise ProcessError("the other end of the channel sent something that is no message") from error


def socket_pair() -> tuple[socket.socket, socket.socket]:
    """Return the two ends of a channel: the agent's, and the child's, to be passed by descriptor."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)


class ChildChannel:
    """The child's end: one thread receives, any thread sends."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._sending = threading.Lock()
        # Bounds a send to an agent that is stopped; settimeout() would bound receiving, too.
        seconds = struct.pack("ll", int(_SEND_TIMEOUT_S), 0)
        end.setblocking(True)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, seconds)

    @classmethod
    def from_descriptor(cls, descriptor: int) -> ChildChannel:
        """Take over the descriptor that the agent passed."""
        return cls(socket.socket(fileno=descriptor))

    def receive(self) -> Message | None:
        """Wait for the next message; None when the agent is gone."""
        header = self._exactly(LENGTHS.size)
        if header is None:
            return None
        json_bytes, attachment_bytes = lengths(header)
        document = self._exactly(json_bytes)
        attachment = self._exactly(attachment_bytes)
        if document is None or attachment is None:
            return None
        return decode(document, attachment)

    def send(self, message: Message) -> None:
        """Send, waiting at most five seconds. Raises ProcessError where the agent does not take it."""
        frame = encode(message)
        with self._sending:
            try:
                self._socket.sendall(frame)
            except OSError as error:
                raise ProcessError(f"the agent did not take '{message.kind}': {error}") from error

    def _exactly(self, count: int) -> bytes | None:
        received = bytearray()
        while len(received) < count:
            try:
                part = self._socket.recv(min(count - len(received), 1 << 20))
            except OSError:
                return None
            if not part:
                return None
            received += part
        return bytes(received)
