"""The little that has to be known about H.264 to pass it through."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from av import CodecContext, Packet, VideoFrame
from av.error import InvalidDataError

__all__ = ["decode_all", "new_decoder", "parameter_sets_of", "with_parameter_sets"]

_START: Final = b"\x00\x00\x00\x01"
_SLICES: Final = frozenset({1, 2, 3, 4, 5})
_DELIMITER: Final = 9
_SPS: Final = 7
_PPS: Final = 8


def _units(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield type and offset of each NAL unit in front of the picture, the picture's first one included."""
    at = data.find(b"\x00\x00\x01")
    while 0 <= at < len(data) - 3:
        kind = data[at + 3] & 0x1F
        yield kind, at - 1 if at and data[at - 1] == 0 else at
        if kind in _SLICES:
            return
        at = data.find(b"\x00\x00\x01", at + 3)


def with_parameter_sets(data: bytes, parameter_sets: bytes) -> bytes:
    """Return a keyframe in Annex B with its SPS and PPS: as it is where it has them."""
    units = list(_units(data))
    kinds = {kind for kind, _ in units}
    if {_SPS, _PPS} <= kinds or not parameter_sets:
        return data
    # An access unit delimiter stays in front of all others.
    after = 0
    if len(units) > 1 and units[0][0] == _DELIMITER:
        after = units[1][1]
    return data[:after] + parameter_sets + data[after:]


def parameter_sets_of(extradata: bytes | None) -> bytes:
    """Return SPS and PPS in Annex B from a stream's extradata, in whichever form that is."""
    if not extradata:
        return b""
    if extradata[0] != 1:
        return extradata
    sets = bytearray()
    at = 5
    for mask in (0x1F, 0xFF):
        if at >= len(extradata):
            break
        count = extradata[at] & mask
        at += 1
        for _ in range(count):
            length = int.from_bytes(extradata[at : at + 2], "big")
            sets += _START + extradata[at + 2 : at + 2 + length]
            at += 2 + length
    return bytes(sets)


def new_decoder() -> Any:
    """Return a decoder of Annex B that gives each picture at once: slice threads hold none back."""
    decoder: Any = CodecContext.create("h264", "r")
    decoder.thread_type = "SLICE"
    return decoder


def decode_all(decoder: Any, units: Iterable[bytes]) -> VideoFrame | None:
    """Feed access units to `decoder` and return the last picture that came out. Faulty ones are skipped."""
    last: VideoFrame | None = None
    for data in units:
        try:
            frames = decoder.decode(Packet(data))
        except InvalidDataError:
            continue  # a damaged one costs its picture, not the ones after it
        if frames:
            last = frames[-1]
    return last
