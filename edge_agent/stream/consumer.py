"""One publisher, as the packet server sees it: what waits for it, and where its packets go."""

from __future__ import annotations

import os
import socket
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from edge_agent.errors import ProcessError
from edge_agent.stream.loan import Insert, Sayings, Take
from edge_agent.stream.packet_queue import PacketQueue
from edge_agent.stream.packets import PacketMessage, Progress, packet_header, parse_message
from edge_agent.stream.rtp_stream import RtpStream

if TYPE_CHECKING:
    from edge_agent.camera.drivers.base import EncodedPacket

__all__ = ["Consumer"]

# The lent connection is the publisher's, too, who waits in it: whether one waits is said for each call.
_FLAGS: Final = socket.MSG_NOSIGNAL | socket.MSG_DONTWAIT
_MAX_PARTS: Final = 1000  # the kernel's own limit is 1024
_MAX_INSERTS: Final = 16


class _Loan:
    """A server's connection that packets are written to from here, and what was written."""

    def __init__(self, connection: socket.socket, rtp: RtpStream, keyframe_us: int | None) -> None:
        self.connection = connection
        self.rtp = rtp
        self.packets = 0
        self.bytes = 0
        self.keyframes = 0
        self.last_s: float | None = None
        self.taken_s = time.monotonic()
        self.is_over = False
        self._keyframe_us = keyframe_us
        self._keyframe_interval_s: float | None = None

    def wrote(self, size_bytes: int, pts_us: int, *, keyframe: bool) -> None:
        """Count a packet whose last byte was taken."""
        self.packets += 1
        self.bytes += size_bytes
        self.last_s = self.taken_s
        if keyframe:
            self.keyframes += 1
            before, self._keyframe_us = self._keyframe_us, pts_us
            if before is not None and pts_us > before:
                self._keyframe_interval_s = (pts_us - before) / 1_000_000

    def progress(self, *, waits: bool, final: bool) -> Progress:
        """Return what was written; `waits` tells whether the server has yet to take something."""
        now_s = time.monotonic()
        return Progress(
            packets=self.packets,
            bytes=self.bytes,
            keyframes=self.keyframes,
            keyframe_interval_s=self._keyframe_interval_s,
            last_s=self.last_s,
            now_s=now_s,
            blocked_s=now_s - self.taken_s if waits else 0.0,
            whole=not waits,
            final=final,
            rtp=self.rtp.state().body(),
        )


class Consumer:
    """One connection; not safe against threads, the server locks.

    `rest` is what is left of what is being sent to `out`, the publisher or the server's lent connection.
    """

    def __init__(self, connection: socket.socket, queue: PacketQueue) -> None:
        self.connection = connection
        self.queue = queue
        self.sayings = Sayings()
        self.rest = memoryview(b"")
        self.rest_is_packet = False
        self.waits_on: socket.socket | None = None
        self._loan: _Loan | None = None
        self._goes_on = False
        self._holding = False
        self._inserts: deque[Insert] = deque()
        self._sending: tuple[int, int, bool] = (0, 0, False)
        self._ends_loan = False
        self._met: OSError | None = None

    @property
    def out(self) -> socket.socket:
        """Where packets go now."""
        loan = self._loan
        return self.connection if loan is None or loan.is_over else loan.connection

    @property
    def has_work(self) -> bool:
        """Whether there is something that could be sent."""
        return bool(self.rest or self._inserts or (self.queue.entries and not self._holding))

    @property
    def loan_is_over(self) -> bool:
        """Whether the lent connection is to be let go of, with `end_loan`."""
        return self._loan is not None and self._loan.is_over

    def lets_by(self, size_bytes: int, *, keyframe: bool) -> bool:
        """Whether a packet can be sent at once, past the queue; it counts as taken from the queue then."""
        if self.rest or self._holding or self._inserts:
            return False
        return self.queue.lets_by(size_bytes, keyframe=keyframe)

    def send(self, packet: EncodedPacket) -> int:
        """Send a packet that was let by; return the bytes that were taken, what was not is the rest."""
        data, pts_us, keyframe = packet.data, packet.pts_us, packet.keyframe
        loan, now_s = self._loan, time.monotonic()
        parts: list[bytes | memoryview]
        if loan is None:
            parts = [packet_header(len(data), pts_us=pts_us, keyframe=keyframe), data]
            size_bytes = len(parts[0]) + len(data)
        else:
            parts, size_bytes = loan.rtp.packets(PacketMessage(data, pts_us, keyframe), now_s)
            if len(parts) > _MAX_PARTS:
                parts = [b"".join(parts)]
        self._sending = (len(data), pts_us, keyframe)
        self.rest_is_packet = True
        try:
            count = self.out.sendmsg(parts, (), _FLAGS)
        except BlockingIOError:
            count = 0
        except OSError as error:
            # The system says it once, and here is nobody to do something about it: the thread will.
            count, self._met = 0, error
        if count < size_bytes:
            self.rest = memoryview(b"".join(parts))
        self.sent(count, now_s)
        return count

    def send_rest(self) -> int:
        """Send what is left of what is under way; return the bytes that were taken. Raises OSError."""
        met, self._met = self._met, None
        if met is not None:
            raise met
        return self.out.send(self.rest, _FLAGS)

    def load(self) -> bool:
        """Take what is next where nothing is under way. Whether there is a rest to send."""
        if self.rest:
            return True
        if self._inserts:
            insert = self._inserts.popleft()
            self.rest, self.rest_is_packet, self._ends_loan = memoryview(insert.data), False, insert.last
            return True
        entry = None if self._holding else self.queue.take()
        if entry is None:
            return False
        frame, loan = entry.frame, self._loan
        self.rest_is_packet = entry.is_packet
        if not entry.is_packet:
            # Another session begins with it, and with the keyframe after it.
            self._holding = False
            if loan is not None:
                loan.is_over = True
        elif loan is not None:
            packet = _packet_in(frame)
            self._sending = (len(packet.data), packet.pts_us, packet.keyframe)
            frame = b"".join(loan.rtp.packets(packet, time.monotonic())[0])
        self.rest = memoryview(frame)
        return True

    def sent(self, count: int, now_s: float) -> None:
        """Note that so many bytes of the rest were taken, at `now_s` (monotonic)."""
        loan = self._loan
        if loan is not None and count:
            loan.taken_s = now_s
        if self.rest:
            self.rest = self.rest[count:]
            if self.rest:
                return
        ends, self._ends_loan = self._ends_loan, False
        if ends and loan is not None:
            loan.is_over = self._holding = True
        if not self.rest_is_packet:
            return
        if loan is not None:
            size_bytes, pts_us, keyframe = self._sending
            loan.wrote(size_bytes, pts_us, keyframe=keyframe)
        elif not self._goes_on:
            self._holding = True

    def go_on(self) -> None:
        """Send all packets to the publisher from now on."""
        self._goes_on, self._holding = True, False

    def take(self, loan: Take) -> None:
        """Send all packets to a server's connection from now on. Raises ProcessError at a wrong time."""
        try:
            connection = socket.socket(fileno=loan.descriptor)
        except OSError as error:
            os.close(loan.descriptor)
            raise ProcessError(f"what was lent is no connection: {error.strerror}") from error
        if self._loan is not None or self._goes_on or not self._holding or self.rest:
            connection.close()
            raise ProcessError("a connection was lent at a time when it cannot be taken")
        self._loan = _Loan(connection, RtpStream.resumed(loan.state), loan.state.last_pts_us)
        self._holding = False

    def insert(self, insert: Insert) -> None:
        """Send this between two packets, where there still is a loan. Raises ProcessError at too many."""
        if self._loan is None or self._loan.is_over:
            return
        if len(self._inserts) >= _MAX_INSERTS:
            raise ProcessError("a publisher wants to say more than the server takes")
        self._inserts.append(insert)

    def progress(self, *, final: bool) -> Progress | None:
        """Return what was written to a lent connection, None where there is none."""
        loan = self._loan
        return None if loan is None or loan.is_over else loan.progress(waits=bool(self.rest), final=final)

    def lose(self) -> int:
        """Give up what is on its way to a lent connection, which broke; return how many packets that is."""
        if self._loan is not None:
            self._loan.is_over = True
        lost = int(self.rest_is_packet and bool(self.rest))
        self.rest, self._met = memoryview(b""), None
        self._inserts.clear()
        self._holding = True
        return lost

    def end_loan(self) -> None:
        """Let go of a lent connection."""
        loan, self._loan = self._loan, None
        self._inserts.clear()
        if loan is not None:
            loan.connection.close()

    def close(self) -> None:
        """Let go of everything."""
        self.end_loan()
        self.sayings.close()
        self.connection.close()


def _packet_in(frame: bytes) -> PacketMessage:
    parsed = parse_message(frame, memoryview(frame), 0, len(frame))
    if parsed is None or not isinstance(parsed[0], PacketMessage):
        raise ProcessError("what was queued as a packet is none")
    return parsed[0]
