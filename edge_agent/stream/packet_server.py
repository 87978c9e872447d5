"""Hands encoded packets from the camera's frame loop to whoever connects, and never makes the loop wait.

Each consumer has a bounded queue. One that does not keep up loses everything up to the next keyframe, which
is counted, and a new keyframe is asked for; the others do not notice.
"""

from __future__ import annotations

import logging
import os
import selectors
import socket
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, get_args

from edge_agent.stream.packet_queue import PacketQueue, Why
from edge_agent.stream.packets import MAX_BODY_BYTES, StreamFormat, encode_format, packet_header

if TYPE_CHECKING:
    from edge_agent.camera.drivers.base import EncodedPacket

__all__ = ["PacketServer", "PacketServerStats"]

logger = logging.getLogger(__name__)

_MAX_CONSUMERS: Final = 4
_CLOSE_TIMEOUT_S: Final = 2.0
_ACCEPT_PAUSE_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class PacketServerStats:
    """Totals over all consumers since the start; `queued` packets are waiting at this moment.

    `fill` is how full the fullest queue is, of 1.
    `dropped_packets` did not fit into a queue; `left_out` counts, by their reasons, all that did not go out:
    those, what nobody was there for, and what came before a keyframe that something could begin with.
    """

    consumers: int
    sent_packets: int
    sent_bytes: int
    dropped_packets: int
    left_out: dict[str, int]
    queued: int
    fill: float


class _Consumer:
    """One connection: its socket, its queue and what is left of the frame that is being sent."""

    def __init__(self, connection: socket.socket, queue: PacketQueue) -> None:
        self.connection = connection
        self.queue = queue
        self.rest = memoryview(b"")
        self.rest_is_packet = False
        self.wants_write = False


class PacketServer:
    """Serves packets on `listener`, an AF_UNIX stream socket that listens already and is closed with this.

    `request_keyframe` is called from any thread when a consumer has to begin anew; it must be quick.
    `max_packets` and `max_bytes` bound each consumer's queue. `publish` and `set_format` never wait for a
    consumer and never raise.
    """

    def __init__(
        self,
        *,
        listener: socket.socket,
        request_keyframe: Callable[[], None],
        max_packets: int = 90,
        max_bytes: int = 8 * 1024 * 1024,
    ) -> None:
        self._listener = listener
        self._request_keyframe = request_keyframe
        self._max_packets = max_packets
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._consumers: list[_Consumer] = []
        self._format: StreamFormat | None = None
        self._sent_packets = 0
        self._sent_bytes = 0
        self._dropped = 0
        self._left_out: Counter[str] = Counter(dict.fromkeys((*get_args(Why), "no_consumer"), 0))
        self._callback_failed = False
        self._accept_failed = False
        self._closing = False
        listener.setblocking(False)
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._wake, selectors.EVENT_READ)
        self._selector.register(listener, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._serve, name="packet-server", daemon=True)
        self._thread.start()

    def set_format(self, stream_format: StreamFormat) -> None:
        """Say what the packets from now on are. After a change the next one sent is a keyframe."""
        with self._lock:
            if self._closing or stream_format == self._format:
                return
            self._format = stream_format
            frame = encode_format(stream_format)
            for consumer in self._consumers:
                consumer.queue.put_format(frame)
            asked = bool(self._consumers)
            self._notify()
        if asked:
            self._ask_for_keyframe()

    def publish(self, packet: EncodedPacket) -> None:
        """Queue one packet for every consumer."""
        asked = waits = False
        data, keyframe = packet.data, packet.keyframe
        with self._lock:
            if self._closing or self._format is None:
                return
            if not self._consumers:
                self._left_out["no_consumer"] += 1
                return
            header = packet_header(len(data), pts_us=packet.pts_us, keyframe=keyframe)
            size_bytes = len(header) + len(data)
            fits = len(data) <= MAX_BODY_BYTES
            for consumer in self._consumers:
                if fits and not consumer.rest and consumer.queue.lets_by(size_bytes, keyframe=keyframe):
                    waits = not self._sent_at_once(consumer, header, data) or waits
                else:
                    asked = self._queued(consumer, header, data, keyframe=keyframe) or asked
                    waits = waits or consumer.queue.entries > 0
            if waits:
                self._notify()
        if asked:
            self._ask_for_keyframe()

    def stats(self) -> PacketServerStats:
        """Return the present counts."""
        with self._lock:
            return PacketServerStats(
                consumers=len(self._consumers),
                sent_packets=self._sent_packets,
                sent_bytes=self._sent_bytes,
                dropped_packets=self._dropped,
                left_out=dict(self._left_out),
                queued=sum(consumer.queue.packets + consumer.rest_is_packet for consumer in self._consumers),
                fill=max((consumer.queue.fill for consumer in self._consumers), default=0.0),
            )

    def close(self) -> None:
        """End every connection and the listener, within two seconds. May be called twice."""
        with self._lock:
            if not self._closing:
                self._closing = True
                self._notify()
        self._thread.join(_CLOSE_TIMEOUT_S)
        if self._thread.is_alive():
            logger.error("the packet server did not end within %.0f s", _CLOSE_TIMEOUT_S)

    def _sent_at_once(self, consumer: _Consumer, header: bytes, data: bytes) -> bool:
        """Send a packet past the queue, under the lock; whether nothing of it is left for the thread.

        Mostly the consumer has taken everything before, and waking up the thread would cost more than this.
        """
        try:
            count = consumer.connection.sendmsg((header, data), (), socket.MSG_NOSIGNAL)
        except OSError:
            # It is full, or gone: the thread will see.
            count = 0
        if count < len(header) + len(data):
            consumer.rest = memoryview(header + data)[count:]
        self._count_sent(consumer, count, is_packet=True)
        return not consumer.rest

    def _queued(self, consumer: _Consumer, header: bytes, data: bytes, *, keyframe: bool) -> bool:
        """Queue a packet, under the lock; whether a keyframe is to be asked for."""
        frame = header + data if len(data) <= MAX_BODY_BYTES else None
        outcome = consumer.queue.put_packet(frame, keyframe=keyframe)
        self._dropped += outcome.dropped
        if outcome.why is not None:
            self._left_out[outcome.why] += outcome.dropped + outcome.left_out
        return outcome.needs_keyframe

    def _count_sent(self, consumer: _Consumer, count: int, *, is_packet: bool) -> None:
        self._sent_bytes += count
        consumer.rest_is_packet = is_packet and bool(consumer.rest)
        self._sent_packets += is_packet and not consumer.rest

    def _notify(self) -> None:
        # Under the lock: the descriptor is closed under it, too, and cannot be another file's by now.
        if self._wake >= 0:
            os.eventfd_write(self._wake, 1)

    def _ask_for_keyframe(self) -> None:
        try:
            self._request_keyframe()
        except Exception:
            if not self._callback_failed:
                logger.exception("a keyframe could not be asked for")
            self._callback_failed = True

    def _serve(self) -> None:
        try:
            while not self._closing:
                self._turn()
        except Exception:
            logger.exception("the packet server ended unexpectedly")
        finally:
            self._shut()

    def _turn(self) -> None:
        paused = self._accept_failed
        events = self._selector.select(_ACCEPT_PAUSE_S if paused else None)
        for key, mask in events:
            if key.fileobj is self._listener:
                self._accept()
            elif key.data is None:
                os.eventfd_read(self._wake)
            elif mask & selectors.EVENT_READ:
                self._hear(key.data)
        for consumer in tuple(self._consumers):
            self._flush(consumer)
        if paused:
            self._accept_failed = False
            self._selector.register(self._listener, selectors.EVENT_READ)

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except BlockingIOError:
            return
        except OSError as error:
            # Such as no descriptors left: what stays in the backlog would be announced for ever.
            logger.warning("a consumer of packets could not be accepted: %s", error)
            self._selector.unregister(self._listener)
            self._accept_failed = True
            return
        if len(self._consumers) >= _MAX_CONSUMERS:
            logger.warning("a consumer of packets was turned away, %d are connected", len(self._consumers))
            connection.close()
            return
        connection.setblocking(False)
        queue = PacketQueue(max_packets=self._max_packets, max_bytes=self._max_bytes)
        consumer = _Consumer(connection, queue)
        self._selector.register(connection, selectors.EVENT_READ, consumer)
        with self._lock:
            if self._format is not None:
                queue.put_format(encode_format(self._format))
            self._consumers.append(consumer)
        self._ask_for_keyframe()

    def _hear(self, consumer: _Consumer) -> None:
        """Consumers have nothing to say: this is how their end is noticed."""
        try:
            gone = not consumer.connection.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            gone = True
        if gone:
            self._drop(consumer)

    def _flush(self, consumer: _Consumer) -> None:
        while self._load(consumer):
            try:
                count = consumer.connection.send(consumer.rest, socket.MSG_NOSIGNAL)
            except BlockingIOError:
                self._want_write(consumer, wanted=True)
                return
            except OSError:
                self._drop(consumer)
                return
            with self._lock:
                consumer.rest = consumer.rest[count:]
                self._count_sent(consumer, count, is_packet=consumer.rest_is_packet)
        self._want_write(consumer, wanted=False)

    def _load(self, consumer: _Consumer) -> bool:
        """Take the next frame from the queue where none is under way. Whether there is anything to send."""
        if consumer.rest:
            return True
        with self._lock:
            entry = consumer.queue.take()
            if entry is None:
                return False
            consumer.rest = memoryview(entry.frame)
            consumer.rest_is_packet = entry.is_packet
        return True

    def _want_write(self, consumer: _Consumer, *, wanted: bool) -> None:
        if consumer.wants_write != wanted and consumer in self._consumers:
            consumer.wants_write = wanted
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if wanted else 0)
            self._selector.modify(consumer.connection, events, consumer)

    def _drop(self, consumer: _Consumer) -> None:
        with self._lock:
            if consumer not in self._consumers:
                return
            self._consumers.remove(consumer)
            self._left_out["no_consumer"] += consumer.queue.packets + consumer.rest_is_packet
        self._selector.unregister(consumer.connection)
        consumer.connection.close()

    def _shut(self) -> None:
        with self._lock:
            self._closing = True
            consumers, self._consumers = self._consumers, []
            wake, self._wake = self._wake, -1
            self._selector.close()
            os.close(wake)
        for consumer in consumers:
            consumer.connection.close()
        self._listener.close()
