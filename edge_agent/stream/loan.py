"""What a publisher says to the camera that it takes packets from.

The camera sends a format and one keyframe, which a session begins with, and holds the packets after it until
it is told how to go on:

    GO_ON    all of them over this socket, for a session that only the publisher can write to
    TAKE     write them yourself: the server's connection comes along, and where its stream of RTP is

A packet that the camera writes itself is copied once less, and the publisher need not wake up for it: on a
small machine that is most of what a packet costs. The connection stays the publisher's, which opens it, ends
it and hears what the server says. What it has to say itself goes in between two packets:

    INSERT   write this, too; with the last one the camera lets go of the connection
    ASK      say what was written so far: a PROGRESS comes back, or LOST where the server takes nothing

Each is a frame: its kind (1 byte), the length (4 bytes) and the body.
"""

from __future__ import annotations

import json
import os
import socket
import struct
from dataclasses import dataclass
from typing import Final

from edge_agent.errors import ProcessError
from edge_agent.stream.rtp_state import RtpState

__all__ = ["Ask", "GoOn", "Insert", "Said", "Sayings", "Take", "encode_said", "send_said"]

_HEADER: Final = struct.Struct("!BI")
_GO_ON: Final = 1
_TAKE: Final = 2
_INSERT: Final = 3
_INSERT_LAST: Final = 4
_ASK: Final = 5
_MAX_BODY_BYTES: Final = 64 * 1024
_CHUNK_BYTES: Final = 16 * 1024


@dataclass(frozen=True, slots=True)
class GoOn:
    """Send every packet over this socket."""


@dataclass(frozen=True, slots=True)
class Take:
    """Write every packet to a server's connection. Whoever reads it owns the descriptor."""

    state: RtpState
    descriptor: int


@dataclass(frozen=True, slots=True)
class Insert:
    """Write this between two packets; with `last` nothing after it."""

    data: bytes
    last: bool = False


@dataclass(frozen=True, slots=True)
class Ask:
    """Say what was written."""


Said = GoOn | Take | Insert | Ask


def encode_said(said: Said) -> bytes:
    """Return the frame of one of these, without the descriptor."""
    if isinstance(said, Take):
        kind, body = _TAKE, json.dumps(said.state.body()).encode()
    elif isinstance(said, Insert):
        kind, body = _INSERT_LAST if said.last else _INSERT, said.data
    else:
        kind, body = _GO_ON if isinstance(said, GoOn) else _ASK, b""
    return _HEADER.pack(kind, len(body)) + body


def send_said(connection: socket.socket, said: Said) -> None:
    """Send one of these, waiting as long as the connection does. Raises OSError."""
    frame = encode_said(said)
    if isinstance(said, Take):
        sent = socket.send_fds(connection, [frame], [said.descriptor])
        frame = frame[sent:]
    connection.sendall(frame)


class Sayings:
    """What has come over one publisher's socket, put together."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._descriptors: list[int] = []

    def receive(self, connection: socket.socket) -> bool:
        """Take what has come; False at the end. Raises OSError."""
        chunk, descriptors, _, _ = socket.recv_fds(connection, _CHUNK_BYTES, 1, socket.MSG_CMSG_CLOEXEC)
        self._descriptors += descriptors
        self._buffer += chunk
        return bool(chunk)

    def close(self) -> None:
        """Close descriptors that nobody has taken."""
        while self._descriptors:
            os.close(self._descriptors.pop())

    def next(self) -> Said | None:
        """Return the next one that has come whole, None where there is none. Raises ProcessError."""
        buffer = self._buffer
        if len(buffer) < _HEADER.size:
            return None
        kind, length = _HEADER.unpack_from(buffer)
        if length > _MAX_BODY_BYTES:
            raise ProcessError(f"a publisher announced {length} bytes, allowed are {_MAX_BODY_BYTES}")
        end = _HEADER.size + length
        if len(buffer) < end:
            return None
        body = bytes(buffer[_HEADER.size : end])
        del buffer[:end]
        if kind in (_INSERT, _INSERT_LAST):
            return Insert(body, last=kind == _INSERT_LAST)
        if kind == _TAKE:
            return self._take(body)
        if kind not in (_GO_ON, _ASK):
            raise ProcessError(f"a publisher said something unknown: {kind}")
        return GoOn() if kind == _GO_ON else Ask()

    def _take(self, body: bytes) -> Take:
        try:
            state = RtpState.from_body(json.loads(body))
        except ValueError as error:
            raise ProcessError("a publisher sent a state that is no JSON") from error
        if not self._descriptors:
            raise ProcessError("a publisher lent a connection and sent none along")
        return Take(state, self._descriptors.pop(0))
