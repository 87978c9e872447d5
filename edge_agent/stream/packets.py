"""How encoded packets travel from the camera child to the publisher child.

A stream socket on the machine. It carries frames, each a fixed header and its body:

    kind (1 byte)  flags (1 byte)  length (4 bytes)  pts_us (8 bytes)   then `length` bytes

`FORMAT` carries a JSON object and comes first, and again whenever the picture's format changes; `PACKET`
carries one access unit of H.264 in Annex B. The first packet after a FORMAT is a keyframe, and the only one
until the publisher has said how it goes on: see `loan`, where `PROGRESS` and `LOST` belong.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from edge_agent.errors import ProcessError

__all__ = [
    "MAX_BODY_BYTES",
    "Arrived",
    "Lost",
    "PacketMessage",
    "Progress",
    "StreamFormat",
    "encode_format",
    "encode_lost",
    "encode_packet",
    "encode_progress",
    "packet_header",
    "parse_message",
]

_HEADER: Final = struct.Struct("!BBIq")
_FORMAT: Final = 1
_PACKET: Final = 2
_PROGRESS: Final = 3
_LOST: Final = 4
_KEYFRAME: Final = 1

# A keyframe of 4K at the highest quality is below 4 MiB; more than this is not a packet but a fault.
MAX_BODY_BYTES: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class StreamFormat:
    """What the packets that follow are."""

    codec: str
    width: int
    height: int
    fps: float


@dataclass(slots=True)
class PacketMessage:
    """One access unit as it came over the socket.

    `data` may be a part of a buffer that is used again: it is good until the next one is read. Then `within`
    is that buffer and `offset` where the part begins: a search in a buffer is quick, one in a view is not.
    """

    data: bytes | memoryview
    pts_us: int
    keyframe: bool
    within: bytearray | bytes | None = field(default=None, compare=False, repr=False)
    offset: int = field(default=0, compare=False, repr=False)

    def kept(self) -> PacketMessage:
        """Return it with bytes of its own, good for ever."""
        return PacketMessage(bytes(self.data), self.pts_us, self.keyframe)


@dataclass(frozen=True, slots=True)
class Progress:
    """What the camera has written to a connection that was lent to it, since it was.

    `last_s` is when the last packet was, `now_s` when this was (monotonic, the same in every process);
    `blocked_s` is for how long the server has taken nothing of what waits for it. `rtp` is where the stream
    is, with `whole` at the end of a packet; nothing is written after a `final` one.
    """

    packets: int
    bytes: int
    keyframes: int
    keyframe_interval_s: float | None
    last_s: float | None
    now_s: float
    blocked_s: float
    whole: bool
    final: bool
    rtp: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Lost:
    """A connection that was lent broke, by the system's number of the error."""

    errno: int


Arrived = StreamFormat | PacketMessage | Progress | Lost


def encode_progress(progress: Progress) -> bytes:
    """Return a PROGRESS frame."""
    body = json.dumps(asdict(progress)).encode()
    return _HEADER.pack(_PROGRESS, 0, len(body), 0) + body


def encode_lost(lost: Lost) -> bytes:
    """Return a LOST frame."""
    body = json.dumps(asdict(lost)).encode()
    return _HEADER.pack(_LOST, 0, len(body), 0) + body


def encode_format(stream_format: StreamFormat) -> bytes:
    """Return a FORMAT frame."""
    body = json.dumps(asdict(stream_format)).encode()
    return _HEADER.pack(_FORMAT, 0, len(body), 0) + body


def packet_header(length: int, *, pts_us: int, keyframe: bool) -> bytes:
    """Return what goes before the data of a PACKET frame, which are `length` bytes."""
    return _HEADER.pack(_PACKET, _KEYFRAME if keyframe else 0, length, pts_us)


def encode_packet(data: bytes, *, pts_us: int, keyframe: bool) -> bytes:
    """Return a PACKET frame."""
    return packet_header(len(data), pts_us=pts_us, keyframe=keyframe) + data


_MADE: Final[dict[int, Callable[..., Arrived]]] = {
    _FORMAT: StreamFormat,
    _PROGRESS: Progress,
    _LOST: Lost,
}


def parse_message(
    buffer: bytearray | bytes, view: memoryview, begin: int, end: int
) -> tuple[Arrived, int] | None:
    """Return the frame that begins at `begin` of a buffer and its view, and where it ends.

    None where it is not whole before `end`. Raises ProcessError on nonsense.
    """
    start = begin + _HEADER.size
    if start > end:
        return None
    kind, flags, length, pts_us = _HEADER.unpack_from(buffer, begin)
    if length > MAX_BODY_BYTES:
        raise ProcessError(
            f"a packet of {length} bytes came over the packet socket, allowed are {MAX_BODY_BYTES}"
        )
    stop = start + length
    if kind == _PACKET:
        if stop > end:
            return None
        return PacketMessage(view[start:stop], pts_us, flags & _KEYFRAME != 0, buffer, start), stop
    made = _MADE.get(kind)
    if made is None:
        raise ProcessError(f"an unknown kind of frame came over the packet socket: {kind}")
    return (made(**json.loads(bytes(view[start:stop]))), stop) if stop <= end else None
