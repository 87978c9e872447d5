"""One RTSP session, written by libav: the one place that knows PyAV's muxer and its errors.

The handshake holds Python's interpreter lock, for about the connect timeout at most. A write does not hold
it, and has no limit: a server that stops reading blocks it until somebody ends the process.
"""

from __future__ import annotations

import io
import logging
import socket
import time
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final, Literal

from edge_agent.errors import StreamError
from edge_agent.stream.messages import StreamCode
from edge_agent.stream.packets import PacketMessage
from edge_agent.stream.timeline import TICKS_PER_SECOND, Timeline
from edge_agent.stream.url import StreamUrl

if TYPE_CHECKING:
    from collections.abc import Callable

    from av.container import OutputContainer
    from av.video.stream import VideoStream

__all__ = ["RtspMux", "StreamTargetError"]

logger = logging.getLogger(__name__)

_TIME_BASE: Final = Fraction(1, TICKS_PER_SECOND)
# libav's default is 1472, which MediaMTX has to cut into smaller ones again for its readers.
_RTP_PACKET_BYTES: Final = 1442


class StreamTargetError(StreamError):
    """A session with the stream's target could not be had, or broke; the code is one of StreamCode."""

    def __init__(self, message: str, *, code: StreamCode) -> None:
        super().__init__(message, code=code)
        self.stream_code: StreamCode = code


class RtspMux:
    """One session with `target`; constructing one connects to nothing.

    `first` is the keyframe that the stream begins with: its parameter sets are announced to the server.
    """

    def __init__(
        self,
        *,
        target: StreamUrl,
        transport: Literal["tcp", "udp"],
        connect_timeout_s: float,
        first: PacketMessage,
    ) -> None:
        self._target = target
        self._transport = transport
        self._connect_timeout_s = connect_timeout_s
        self._first = first
        self._timeline = Timeline()
        self._output: OutputContainer | None = None
        self._stream: VideoStream | None = None
        self._new_packet: Callable[[bytes], Any] | None = None

    def connect(self) -> None:
        """Resolve the host, connect and announce the stream. Raises StreamTargetError."""
        self._resolve()
        self._prepare()
        begin_s = time.monotonic()
        try:
            if self._output is not None:
                self._output.start_encoding()
        except Exception as error:
            raise self._translated(error, took_s=time.monotonic() - begin_s) from error

    def write(self, packet: PacketMessage) -> None:
        """Write one access unit; blocks while the server does not read. Raises StreamTargetError."""
        if self._output is None or self._stream is None or self._new_packet is None:
            raise StreamTargetError("the session is not open", code="stream_unreachable")
        muxed = self._new_packet(packet.data)
        muxed.stream = self._stream
        muxed.time_base = _TIME_BASE
        muxed.pts = muxed.dts = self._timeline.ticks(packet.pts_us, now_s=time.monotonic())
        muxed.is_keyframe = packet.keyframe
        try:
            self._output.mux_one(muxed)
        except Exception as error:
            raise self._translated(error, took_s=None) from error

    def close(self) -> None:
        """Tear the session down. Never raises; may be called twice."""
        output, self._output = self._output, None
        if output is None:
            return
        try:
            output.close()
        except Exception as error:  # noqa: BLE001 - a session that broke cannot be torn down; it is gone anyhow
            logger.debug("the RTSP session was not torn down: %s", type(error).__name__)

    def _resolve(self) -> None:
        """Ask for the host here, where the interpreter lock is free: libav's asking holds it."""
        try:
            socket.getaddrinfo(self._target.host, self._target.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or "not a host name"
            raise StreamTargetError(
                f"the host '{self._target.host}' was not found: {reason}", code="stream_unreachable"
            ) from error

    def _prepare(self) -> None:
        """Describe the stream by the keyframe itself: an encoder opened here would announce its own sets."""
        import av  # noqa: PLC0415 - the agent imports this package and must not carry libav

        self._new_packet = av.Packet
        options = {
            "rtsp_transport": self._transport,
            "timeout": str(int(self._connect_timeout_s * 1_000_000)),
            "pkt_size": str(_RTP_PACKET_BYTES),
        }
        try:
            with av.open(io.BytesIO(self._first.data), "r", format="h264") as source:
                self._output = av.open(self._target.raw, "w", format="rtsp", options=options)
                self._stream = self._output.add_stream_from_template(source.streams.video[0], opaque=True)
        except Exception as error:
            raise StreamTargetError(
                f"the stream could not be prepared from the camera's keyframe: {type(error).__name__}",
                code="stream_rejected",
            ) from error

    def _translated(self, error: Exception, *, took_s: float | None) -> StreamTargetError:
        code, what = _classify(error, took_s=took_s, connect_timeout_s=self._connect_timeout_s)
        return StreamTargetError(f"{self._target.masked}: {what}", code=code)


def _classify(error: Any, *, took_s: float | None, connect_timeout_s: float) -> tuple[StreamCode, str]:
    """Return the code and the text for what libav raised; its own message names the URL and is left out.

    `took_s` is how long the handshake took, None where the session was up.
    """
    import av.error  # noqa: PLC0415 - see RtspMux._prepare()

    says = getattr(error, "strerror", None) or type(error).__name__
    if isinstance(error, av.error.HTTPUnauthorizedError | av.error.HTTPForbiddenError):
        return "stream_refused_credentials", f"the server refused the user or the password ({says})"
    if isinstance(error, av.error.HTTPNotFoundError):
        return "stream_not_found", f"the server does not know this path ({says})"
    if isinstance(error, av.error.HTTPError | av.error.HTTPClientError):
        return "stream_rejected", f"the server rejected the stream ({says})"
    if isinstance(error, TimeoutError):
        return "stream_timeout", "the server did not answer in time"
    if isinstance(error, av.error.InvalidDataError) and took_s is not None:
        # libav says the same of a server that is silent and of one that speaks something else.
        if took_s >= connect_timeout_s * 0.9:
            return "stream_timeout", f"the server did not answer within {connect_timeout_s:g} s"
        return "stream_rejected", "the server did not answer in RTSP"
    if took_s is None:
        return "stream_unreachable", f"the connection was lost ({says})"
    return "stream_unreachable", f"the server could not be reached ({says})"
