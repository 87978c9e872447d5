"""H.264 as RTP (RFC 6184, packetization mode 1), and the sender's reports of RTCP (RFC 3550)."""

from __future__ import annotations

import random
import struct
from typing import Final

from edge_agent.stream.packets import PacketMessage
from edge_agent.stream.rtp_state import RtpState

__all__ = ["PAYLOAD_TYPE", "RtpSender", "nal_units"]

PAYLOAD_TYPE: Final = 96

_START_CODE: Final = b"\x00\x00\x01"
# RTSP's frame on a TCP connection ('$', channel, length), then RTP's header, then FU-A's two bytes.
_WHOLE: Final = struct.Struct("!BBHBBHII")
_FRAGMENT: Final = struct.Struct("!BBHBBHIIBB")
_FRAME: Final = struct.Struct("!BBH")
_REPORT: Final = struct.Struct("!BBHIIIIII")
_RTP_HEADER_BYTES: Final = 12
_DOLLAR: Final = 0x24
_VERSION: Final = 0x80
_MARKER: Final = 0x80
_FU_A: Final = 28
_FU_START: Final = 0x80
_FU_END: Final = 0x40
_SENDER_REPORT: Final = 200
_DESCRIPTION: Final = 202
_CNAME: Final = 1
_SEQUENCES: Final = 1 << 16
_WORDS: Final = 1 << 32
_NTP_EPOCH_S: Final = 2_208_988_800  # from 1900 to 1970
# Larger ones MediaMTX has to cut into smaller ones again for its readers.
_MAX_PAYLOAD_BYTES: Final = 1442 - _RTP_HEADER_BYTES
_FU_BYTES: Final = 2
_FRAGMENT_BYTES: Final = _MAX_PAYLOAD_BYTES - _FU_BYTES
_FULL: Final = _RTP_HEADER_BYTES + _MAX_PAYLOAD_BYTES


def nal_units(data: bytes | bytearray, begin: int, end: int) -> list[tuple[int, int]]:
    """Return where the NAL units between two places in Annex B begin and end, without start codes."""
    units = []
    stop = end
    # From the end, as Python finds three bytes backwards in less than half of the time.
    while (at := data.rfind(_START_CODE, begin, stop)) >= 0:
        start = at + len(_START_CODE)
        # A start code may have a leading zero, and a unit trailing ones: none of them is the unit's.
        while stop > start and data[stop - 1] == 0:
            stop -= 1
        if stop > start:
            units.append((start, stop))
        stop = at
    units.reverse()
    return units


class RtpSender:
    """One stream of RTP packets, and its reports; each in RTSP's frame for a connection, four bytes long."""

    FRAME_BYTES: Final = _FRAME.size

    def __init__(self, *, chance: random.Random, channel: int = 0) -> None:
        self.channel = channel
        self.ssrc = chance.getrandbits(32)
        self.sequence = chance.getrandbits(16)
        self.stamp_offset = chance.getrandbits(32)
        self.sent_packets = 0
        self.sent_octets = 0

    @classmethod
    def resumed(cls, state: RtpState) -> RtpSender:
        """Return the sender that goes on where another one was."""
        sender = cls(chance=random.Random(), channel=state.channel)
        sender.ssrc, sender.sequence, sender.stamp_offset = state.ssrc, state.sequence, state.stamp_offset
        sender.sent_packets, sender.sent_octets = state.packets, state.octets
        return sender

    def packets(self, packet: PacketMessage, ticks: int) -> tuple[list[bytes | memoryview], int]:
        """Return an access unit's packets, each as a header and a payload, and the bytes of them all."""
        data, shift = packet.data, packet.offset
        if packet.within is None:
            units = nal_units(bytes(data), 0, len(data))
        else:
            units = nal_units(packet.within, shift, shift + len(data))
        view = memoryview(data)
        parts: list[bytes | memoryview] = []
        stamp = (ticks + self.stamp_offset) % _WORDS
        channel, ssrc, sequence = self.channel, self.ssrc, self.sequence
        add, pack = parts.append, _FRAGMENT.pack
        octets = 0
        for start, stop in units:
            begin, end = start - shift, stop - shift
            last = PAYLOAD_TYPE | _MARKER if stop == units[-1][1] else PAYLOAD_TYPE
            octets += end - begin
            if end - begin <= _MAX_PAYLOAD_BYTES:
                length = _RTP_HEADER_BYTES + end - begin
                add(_WHOLE.pack(_DOLLAR, channel, length, _VERSION, last, sequence, stamp, ssrc))
                add(view[begin:end])
                sequence = (sequence + 1) % _SEQUENCES
                continue
            nal = view[begin]
            indicator, kind = nal & 0xE0 | _FU_A, nal & 0x1F
            flags = _FU_START | kind
            # All but the last are full; this runs dozens of times for a frame.
            begin += 1
            octets -= 1
            while (following := begin + _FRAGMENT_BYTES) < end:
                add(
                    pack(
                        _DOLLAR,
                        channel,
                        _FULL,
                        _VERSION,
                        PAYLOAD_TYPE,
                        sequence,
                        stamp,
                        ssrc,
                        indicator,
                        flags,
                    )
                )
                add(view[begin:following])
                octets += _FU_BYTES
                flags = kind
                begin = following
                sequence = (sequence + 1) % _SEQUENCES
            length = _RTP_HEADER_BYTES + _FU_BYTES + end - begin
            add(
                pack(
                    _DOLLAR, channel, length, _VERSION, last, sequence, stamp, ssrc, indicator, _FU_END | kind
                )
            )
            add(view[begin:end])
            octets += _FU_BYTES
            sequence = (sequence + 1) % _SEQUENCES
        count = len(parts) // 2
        self.sequence = sequence
        self.sent_packets += count
        self.sent_octets += octets
        return parts, octets + count * (_FRAME.size + _RTP_HEADER_BYTES)

    def report(self, ticks: int, *, time_s: float) -> bytes:
        """Return a sender's report: the packet of `ticks` is of the wall clock's time `time_s`."""
        seconds = int(time_s)
        report = _REPORT.pack(
            _VERSION,
            _SENDER_REPORT,
            _REPORT.size // 4 - 1,
            self.ssrc,
            (seconds + _NTP_EPOCH_S) % _WORDS,
            int((time_s - seconds) * _WORDS),
            (ticks + self.stamp_offset) % _WORDS,
            self.sent_packets % _WORDS,
            self.sent_octets % _WORDS,
        )
        name = f"{self.ssrc:08x}".encode()
        # One name, a zero that ends it, and zeros up to a multiple of four bytes.
        item = bytes((_CNAME, len(name))) + name
        item += bytes(4 - len(item) % 4)
        description = struct.pack("!BBHI", _VERSION | 1, _DESCRIPTION, 1 + len(item) // 4, self.ssrc) + item
        both = report + description
        return _FRAME.pack(_DOLLAR, self.channel + 1, len(both)) + both
