"""One session by libav, for the protocols that are its own: RTMP, SRT, WHIP.

libav's muxer runs on a thread of its own, behind the pseudo-muxer `fifo`: otherwise its handshake would hold
Python's interpreter, without a limit for some protocols. One packet fits in between, so that the writer waits
where the server does; an error shows in the write that follows.
"""

from __future__ import annotations

import io
import logging
import time
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from edge_agent.stream.libav_errors import classify
from edge_agent.stream.messages import TlsTrust
from edge_agent.stream.mux import StreamTargetError
from edge_agent.stream.packets import PacketMessage
from edge_agent.stream.routes import route_to
from edge_agent.stream.timeline import TICKS_PER_SECOND, Timeline
from edge_agent.stream.url import StreamUrl

if TYPE_CHECKING:
    from collections.abc import Callable

    from av.container import OutputContainer
    from av.video.stream import VideoStream

__all__ = ["LibavMux"]

logger = logging.getLogger(__name__)

_IO_TIMEOUT_S: Final = 5.0
_TIME_BASE: Final = Fraction(1, TICKS_PER_SECOND)
# The second packet is taken when the handshake is done and the first one is out of the way.
_TAKEN: Final = 2


class LibavMux:
    """One session with `target`; constructing one connects to nothing.

    `first` is the keyframe that the stream begins with: its parameter sets are announced to the server.
    `why` is asked after a handshake that failed; it raises StreamTargetError where it knows better.
    """

    def __init__(
        self,
        *,
        target: StreamUrl,
        trust: TlsTrust,
        connect_timeout_s: float,
        first: PacketMessage,
        why: Callable[[], None] = lambda: None,
    ) -> None:
        self._target = target
        self._trust = trust
        self._connect_timeout_s = connect_timeout_s
        self._first = first
        self._why = why
        self._timeline = Timeline()
        self._begun_s = 0.0
        self._written = 0
        self._output: OutputContainer | None = None
        self._stream: VideoStream | None = None
        self._new_packet: Callable[[int], Any] | None = None

    @property
    def established(self) -> bool:
        """Whether the handshake is done."""
        return self._written >= _TAKEN

    def connect(self) -> None:
        """Begin the handshake; the second write waits for its end. Raises StreamTargetError."""
        import av  # noqa: PLC0415 - the agent imports this package, and RTSP's publisher needs no libav

        route = route_to(
            self._target,
            trust=self._trust,
            connect_timeout_s=self._connect_timeout_s,
            io_timeout_s=_IO_TIMEOUT_S,
        )
        self._new_packet = av.Packet
        self._begun_s = time.monotonic()
        options = {"fifo_format": route.format, "queue_size": "1", "format_opts": route.joined()}
        try:
            with av.open(io.BytesIO(self._first.data), "r", format="h264") as source:
                self._output = av.open(route.url, "w", format="fifo", options=options)
                self._stream = self._output.add_stream_from_template(source.streams.video[0], opaque=True)
            self._output.start_encoding()
        except Exception as error:
            raise self._translated(error) from error

    def write(self, packet: PacketMessage, *, now_s: float) -> None:
        """Write one access unit; blocks while the server does not read. Raises StreamTargetError."""
        if self._output is None or self._stream is None or self._new_packet is None:
            raise StreamTargetError(f"{self._target}: the session is not open", code="stream_unreachable")
        # A packet made of bytes borrows them: to give them back, libav's thread waits for the interpreter,
        # which close() holds while it waits for that thread.
        muxed = self._new_packet(len(packet.data))
        muxed.update(packet.data)
        muxed.stream = self._stream
        muxed.time_base = _TIME_BASE
        muxed.pts = muxed.dts = self._timeline.ticks(packet.pts_us, now_s=now_s)
        muxed.is_keyframe = packet.keyframe
        try:
            self._output.mux_one(muxed)
        except Exception as error:
            raise self._translated(error) from error
        self._written += 1

    @property
    def lendable(self) -> None:
        """None: what libav has begun nobody else can go on with."""

    def close(self) -> None:
        """Tear the session down. Never raises; may be called twice."""
        output, self._output = self._output, None
        if output is None:
            return
        try:
            output.close()
        except Exception as error:  # noqa: BLE001 - a session that broke cannot be torn down; it is gone anyhow
            logger.debug("the session was not torn down: %s", type(error).__name__)

    def _translated(self, error: Exception) -> StreamTargetError:
        took_s = None if self.established else time.monotonic() - self._begun_s
        if took_s is not None:
            try:
                self._why()
            except StreamTargetError as known:
                return known
        return classify(error, target=self._target, took_s=took_s, connect_timeout_s=self._connect_timeout_s)
