"""One session's stream of RTP: its times, its packets, its reports; another process can carry it on."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Final

from edge_agent.stream.packets import PacketMessage
from edge_agent.stream.rtp import RtpSender
from edge_agent.stream.rtp_state import RtpState
from edge_agent.stream.timeline import TICKS_PER_SECOND, Timeline

__all__ = ["RtpStream"]

_REPORT_EVERY_S: Final = 5.0
_CLOCK_SET_S: Final = 1.0


class RtpStream:
    """Makes the packets of access units, and every five seconds a report before them. Used by one thread."""

    def __init__(
        self, *, sender: RtpSender, timeline: Timeline, wall: Callable[[], float] = time.time
    ) -> None:
        self._sender = sender
        self._timeline = timeline
        self._wall = wall
        self._next_report_s = 0.0
        self._begin_s: float | None = None

    @classmethod
    def begun(
        cls, *, chance: random.Random, channel: int = 0, wall: Callable[[], float] = time.time
    ) -> RtpStream:
        """Return a stream that begins."""
        return cls(sender=RtpSender(chance=chance, channel=channel), timeline=Timeline(), wall=wall)

    @classmethod
    def resumed(cls, state: RtpState, *, wall: Callable[[], float] = time.time) -> RtpStream:
        """Return the stream that goes on where another one was."""
        stream = cls(sender=RtpSender.resumed(state), timeline=Timeline.resumed(state), wall=wall)
        stream._next_report_s, stream._begin_s = state.next_report_s, state.begin_s
        return stream

    def state(self) -> RtpState:
        """Return where it is now."""
        sender, timeline = self._sender, self._timeline
        return RtpState(
            channel=sender.channel,
            ssrc=sender.ssrc,
            sequence=sender.sequence,
            stamp_offset=sender.stamp_offset,
            packets=sender.sent_packets,
            octets=sender.sent_octets,
            last_pts_us=timeline.last_pts_us,
            last_now_s=timeline.last_now_s,
            offset_us=timeline.offset_us,
            last_ticks=timeline.last_ticks,
            next_report_s=self._next_report_s,
            begin_s=self._begin_s,
        )

    def packets(self, packet: PacketMessage, now_s: float) -> tuple[list[bytes | memoryview], int]:
        """Return headers and payloads in turn, and the bytes of them all, of what is sent at `now_s`."""
        ticks = self._timeline.ticks(packet.pts_us, now_s=now_s)
        if now_s < self._next_report_s:
            return self._sender.packets(packet, ticks)
        self._next_report_s = now_s + _REPORT_EVERY_S
        report = self._sender.report(ticks, time_s=self.wall_time_s(ticks))
        parts, size_bytes = self._sender.packets(packet, ticks)
        return [report, b"", *parts], len(report) + size_bytes

    def wall_time_s(self, ticks: int) -> float:
        """Return the wall clock's time of a packet, without the wait that it had to get here."""
        passed_s = ticks / TICKS_PER_SECOND
        begin_s = self._wall() - passed_s
        known_s = self._begin_s
        # The packet that waited least tells best when it began; a clock that was set is a new beginning.
        if known_s is None or begin_s < known_s or begin_s - known_s > _CLOCK_SET_S:
            self._begin_s = known_s = begin_s
        return known_s + passed_s
