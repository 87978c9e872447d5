"""Hands encoded packets from the camera's frame loop to whoever connects, and never makes the loop wait.

Where a publisher lends its server's connection, packets are written to that (see `loan`).

Each consumer has a bounded queue. One that does not keep up loses everything up to the next keyframe, which
is counted, and a new keyframe is asked for; the others do not notice.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import selectors
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, get_args

from edge_agent.errors import ProcessError
from edge_agent.stream.consumer import Consumer
from edge_agent.stream.loan import GoOn, Insert, Said, Take
from edge_agent.stream.packet_queue import PacketQueue, Why
from edge_agent.stream.packets import (
    MAX_BODY_BYTES,
    Lost,
    StreamFormat,
    encode_format,
    encode_lost,
    encode_packet,
    encode_progress,
)

if TYPE_CHECKING:
    from edge_agent.camera.drivers.base import EncodedPacket

__all__ = ["PacketServer", "PacketServerStats"]

logger = logging.getLogger(__name__)

_MAX_CONSUMERS: Final = 4
_CLOSE_TIMEOUT_S: Final = 2.0
_ACCEPT_PAUSE_S: Final = 1.0
_BLOCKED_S: Final = 5.0  # after this a server that takes nothing has stopped


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
        self._consumers: list[Consumer] = []
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
        size_bytes, keyframe = len(packet.data), packet.keyframe
        with self._lock:
            if self._closing or self._format is None:
                return
            if not self._consumers:
                self._left_out["no_consumer"] += 1
                return
            fits = size_bytes <= MAX_BODY_BYTES
            for consumer in self._consumers:
                # Mostly everything before was taken, and waking up the thread would cost more than this.
                if fits and consumer.lets_by(size_bytes, keyframe=keyframe):
                    self._count_sent(consumer, consumer.send(packet))
                    waits = waits or bool(consumer.rest)
                else:
                    asked = self._queued(consumer, packet) or asked
                    waits = waits or consumer.has_work
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
                queued=sum(map(_waiting, self._consumers)),
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

    def _queued(self, consumer: Consumer, packet: EncodedPacket) -> bool:
        """Queue a packet, under the lock; whether a keyframe is to be asked for."""
        frame = None
        if len(packet.data) <= MAX_BODY_BYTES:
            frame = encode_packet(packet.data, pts_us=packet.pts_us, keyframe=packet.keyframe)
        outcome = consumer.queue.put_packet(frame, keyframe=packet.keyframe)
        self._dropped += outcome.dropped
        if outcome.why is not None:
            self._left_out[outcome.why] += outcome.dropped + outcome.left_out
        return outcome.needs_keyframe

    def _count_sent(self, consumer: Consumer, count: int) -> None:
        self._sent_bytes += count
        self._sent_packets += consumer.rest_is_packet and not consumer.rest

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
        consumer = Consumer(connection, queue)
        self._selector.register(connection, selectors.EVENT_READ, consumer)
        with self._lock:
            if self._format is not None:
                queue.put_format(encode_format(self._format))
            self._consumers.append(consumer)
        self._ask_for_keyframe()

    def _hear(self, consumer: Consumer) -> None:
        """Do what a publisher says; its end is heard here, too."""
        try:
            if not consumer.sayings.receive(consumer.connection):
                self._drop(consumer)
                return
            while (said := consumer.sayings.next()) is not None:
                self._heed(consumer, said)
        except BlockingIOError:
            return
        except OSError:
            self._drop(consumer)
        except ProcessError as error:
            logger.warning("a consumer of packets was dropped: %s", error)
            self._drop(consumer)

    def _heed(self, consumer: Consumer, said: Said) -> None:
        with self._lock:
            if isinstance(said, GoOn):
                consumer.go_on()
            elif isinstance(said, Take):
                consumer.take(said)
            elif isinstance(said, Insert):
                consumer.insert(said)
            else:
                self._tell(consumer)

    def _tell(self, consumer: Consumer, *, final: bool = False) -> None:
        """Tell a publisher how far its lent connection is, under the lock."""
        progress = consumer.progress(final=final)
        if progress is None:
            return
        if progress.blocked_s < _BLOCKED_S:
            consumer.connection.send(encode_progress(progress), socket.MSG_NOSIGNAL)
        else:
            self._lose(consumer, errno.EAGAIN)

    def _lose(self, consumer: Consumer, number: int) -> None:
        """Give up a lent connection, and say so; under the lock."""
        self._left_out["no_consumer"] += consumer.lose()
        consumer.connection.send(encode_lost(Lost(number)), socket.MSG_NOSIGNAL)

    def _flush(self, consumer: Consumer) -> None:
        while consumer in self._consumers and self._load(consumer):
            out = consumer.out
            try:
                count = consumer.send_rest()
            except BlockingIOError:
                self._wait_for(consumer, out)
                return
            except OSError as error:
                self._broke(consumer, out, error)
                continue
            with self._lock:
                consumer.sent(count, time.monotonic())
                self._count_sent(consumer, count)
        self._wait_for(consumer, None)

    def _load(self, consumer: Consumer) -> bool:
        """Take the next frame from the queue where none is under way. Whether there is anything to send."""
        with self._lock:
            loaded = consumer.load()
        if consumer.loan_is_over:
            self._wait_for(consumer, None)
            with self._lock:
                consumer.end_loan()
        return loaded

    def _broke(self, consumer: Consumer, out: socket.socket, error: OSError) -> None:
        if out is consumer.connection:
            self._drop(consumer)
            return
        try:
            with self._lock:
                self._lose(consumer, error.errno or errno.ECONNRESET)
        except OSError:
            self._drop(consumer)

    def _wait_for(self, consumer: Consumer, out: socket.socket | None) -> None:
        """Wake up when there is room in `out`, or for None not any more."""
        before, own = consumer.waits_on, consumer.connection
        if before is out or consumer not in self._consumers:
            return
        consumer.waits_on = out
        if before is not None and before is not own:
            self._selector.unregister(before)
        if out is not None and out is not own:
            self._selector.register(out, selectors.EVENT_WRITE, consumer)
        if own in (before, out):
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if out is own else 0)
            self._selector.modify(own, events, consumer)

    def _drop(self, consumer: Consumer) -> None:
        if consumer not in self._consumers:
            return
        self._wait_for(consumer, None)
        self._selector.unregister(consumer.connection)
        with self._lock:
            self._consumers.remove(consumer)
            self._left_out["no_consumer"] += _waiting(consumer)
            consumer.close()

    def _shut(self) -> None:
        with self._lock:
            self._closing = True
            consumers, self._consumers = self._consumers, []
            wake, self._wake = self._wake, -1
            self._selector.close()
            os.close(wake)
            for consumer in consumers:
                # Whoever carries the session on must know where it ended.
                with contextlib.suppress(OSError):
                    self._tell(consumer, final=True)
                consumer.close()
        self._listener.close()


def _waiting(consumer: Consumer) -> int:
    """Return how many packets have not gone out to the last byte."""
    return consumer.queue.packets + (consumer.rest_is_packet and bool(consumer.rest))
