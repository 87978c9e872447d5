"""How encoded packets travel from the camera child to the publisher child.

A stream socket on the machine, one direction. It carries frames, each a fixed header and its body:

    kind (1 byte)  flags (1 byte)  length (4 bytes)  pts_us (8 bytes)   then `length` bytes

`FORMAT` carries a JSON object and comes first, and again whenever the picture's format changes; `PACKET`
carries one access unit of H.264 in Annex B. The first packet after a FORMAT is a keyframe.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Final

from edge_agent.errors import ProcessError

__all__ = [
    "MAX_BODY_BYTES",
    "PacketMessage",
    "StreamFormat",
    "encode_format",
    "encode_packet",
    "read_message",
]

_HEADER: Final = struct.Struct("!BBIq")
_FORMAT: Final = 1
_PACKET: Final = 2
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


@dataclass(frozen=True, slots=True)
class PacketMessage:
    """One access unit as it came over the socket."""

    data: bytes
    pts_us: int
    keyframe: bool


def encode_format(stream_format: StreamFormat) -> bytes:
    """Return a FORMAT frame."""
    body = json.dumps(asdict(stream_format)).encode()
    return _HEADER.pack(_FORMAT, 0, len(body), 0) + body


def encode_packet(data: bytes, *, pts_us: int, keyframe: bool) -> bytes:
    """Return a PACKET frame."""
    return _HEADER.pack(_PACKET, _KEYFRAME if keyframe else 0, len(data), pts_us) + data


def read_message(read_exactly: Callable[[int], bytes]) -> StreamFormat | PacketMessage:
    """Read one frame; `read_exactly(n)` returns n bytes or raises. Raises ProcessError on nonsense."""
    kind, flags, length, pts_us = _HEADER.unpack(read_exactly(_HEADER.size))
    if length > MAX_BODY_BYTES:
        raise ProcessError(
            f"a packet of {length} bytes came over the packet socket, allowed are {MAX_BODY_BYTES}"
        )
    body = read_exactly(length)
    if kind == _FORMAT:
        return StreamFormat(**json.loads(body))
    if kind == _PACKET:
        return PacketMessage(data=body, pts_us=pts_us, keyframe=bool(flags & _KEYFRAME))
    raise ProcessError(f"an unknown kind of frame came over the packet socket: {kind}")
