"""One stream's way out of the camera's process: encoded or passed on, measured, and given to the server."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from edge_agent.camera.adaptive_bitrate import AdaptiveBitrate, Load
from edge_agent.camera.drivers.base import EncodedPacket
from edge_agent.camera.encoder_settings import EncoderSettings
from edge_agent.camera.messages import Adaptive, Encoded
from edge_agent.camera.parameter_sets import Declared, declared
from edge_agent.camera.rate import Rate
from edge_agent.stream.packet_server import PacketServer
from edge_agent.stream.packets import StreamFormat

if TYPE_CHECKING:
    from av import VideoFrame

    from edge_agent.camera.encoder import H264Encoder

__all__ = ["OutputStats", "StreamOutput"]

logger = logging.getLogger(__name__)

_ADAPT_EVERY_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class OutputStats:
    """What came out. `packet_age_s` counts from the beginning where none has come yet."""

    packets: int
    bytes: int
    bitrate_bps: int | None
    packet_age_s: float
    encoded: Encoded | None


class StreamOutput:
    """`encode`, `pass_on` and `close_encoder` belong to one thread, the rest may be called from any."""

    def __init__(
        self, *, server: PacketServer, settings: EncoderSettings, adaptive: AdaptiveBitrate | None = None
    ) -> None:
        self._server = server
        self._lock = threading.Lock()  # the encoder, what it is to do, and the adaptation
        self._settings = settings
        self._adaptive = adaptive
        self._adapt_at_s = 0.0
        self._encoder: H264Encoder | None = None
        self._format: StreamFormat | None = None
        self._passing = False
        self._keyframe_wanted = threading.Event()
        self._packets = 0
        self._bytes = 0
        self._rate = Rate()
        self._declared: Declared | None = None
        self._keyframe_us: int | None = None
        self._keyframe_interval_s: float | None = None

    def encode(self, frame: VideoFrame, pts_us: int, *, fps: float) -> None:
        """Encode a frame and give it away. Raises CameraError."""
        if self._passing:
            self._passing, self._format = False, None
        self._announce(frame.width, frame.height, fps)
        with self._lock:
            if self._encoder is None or (self._encoder.width, self._encoder.height) != (
                frame.width,
                frame.height,
            ):
                self._encoder = self._new_encoder(frame.width, frame.height, fps)
            encoder = self._encoder
        forced = self._keyframe_wanted.is_set()
        if forced:
            self._keyframe_wanted.clear()
        self._publish(encoder.encode(frame, pts_us, force_keyframe=forced))

    def pass_on(self, packets: Iterable[EncodedPacket], *, width: int, height: int, fps: float) -> None:
        """Give away packets that somebody else has encoded."""
        if self._encoder is not None:
            self.close_encoder()
            self._format = None  # their own parameter sets take the place of x264's
        self._passing = True
        self._announce(width, height, fps)
        self._publish(packets)

    def change(self, settings: EncoderSettings) -> None:
        """Encode like this from the next frame on. Raises CameraError; then nothing was changed."""
        with self._lock:
            bps = self._adaptive.within(settings.bitrate_bps) if self._adaptive else settings.bitrate_bps
            effective = replace(settings, bitrate_bps=bps)
            if self._encoder is not None:
                self._encoder.change(effective)
            if self._adaptive is not None:
                self._adaptive.aim(settings.bitrate_bps)
            self._settings = effective

    @property
    def bitrate_bps(self) -> int:
        """The bit rate that is aimed at now: that of the settings, or what of it gets through."""
        return self._settings.bitrate_bps

    def adapt(self) -> int | None:
        """Look at the queue, not too often, and step where that is needed. Returns another bit rate's bps."""
        now_s = time.monotonic()
        if self._adaptive is None or now_s < self._adapt_at_s:
            return None
        self._adapt_at_s = now_s + _ADAPT_EVERY_S
        stats = self._server.stats()
        load = Load(fill=stats.fill, dropped=stats.dropped_packets, sent=stats.sent_packets)
        with self._lock:
            step = self._adaptive.observe(load, now_s=now_s)
            if step is None:
                return None
            self._settings = replace(self._settings, bitrate_bps=step.to_bps)
            if self._encoder is not None:
                self._encoder.set_bitrate(step.to_bps)
        logger.info("The bit rate goes from %d to %d bit/s: %s", step.from_bps, step.to_bps, step.reason)
        return step.to_bps

    def adaptation(self, *, active: bool) -> Adaptive:
        """Return how the bit rate is adapted; `active` tells whether there is one to adapt now."""
        adaptive = self._adaptive
        if adaptive is None:
            return Adaptive()
        return Adaptive(
            active=active and adaptive.enabled,
            target_bps=adaptive.target_bps,
            current_bps=adaptive.current_bps,
            steps_down=adaptive.steps_down,
            steps_up=adaptive.steps_up,
            reason=adaptive.reason,
        )

    def request_keyframe(self) -> None:
        """Make the next frame a keyframe."""
        self._keyframe_wanted.set()

    def close_encoder(self) -> None:
        """Let go of x264; the next frame gets a new one."""
        with self._lock:
            encoder, self._encoder = self._encoder, None
        if encoder is not None:
            encoder.close()

    def begin(self) -> None:
        """Count the age of the last packet from now: there was nothing to encode before."""
        self._rate = Rate()

    def stats(self) -> OutputStats:
        """Return what was measured."""
        return OutputStats(
            packets=self._packets,
            bytes=self._bytes,
            bitrate_bps=self._rate.bits_per_second(),
            packet_age_s=self._rate.age_s(),
            encoded=self._encoded(),
        )

    def _encoded(self) -> Encoded | None:
        known, said = self._format, self._declared
        if known is None or not self._packets:
            return None
        return Encoded(
            encoder="pass-through" if self._encoder is None else "libx264",
            width=known.width,
            height=known.height,
            profile=said.profile if said else None,
            level=said.level if said else None,
            keyframe_interval_s=self._keyframe_interval_s,
            bitrate_bps=self._rate.bits_per_second(),
        )

    def _new_encoder(self, width: int, height: int, fps: float) -> H264Encoder:
        from edge_agent.camera.encoder import H264Encoder  # noqa: PLC0415 - PyAV only where it encodes

        return H264Encoder(width=width, height=height, fps=fps, settings=self._settings)

    def _announce(self, width: int, height: int, fps: float) -> None:
        # A new frame rate alone is no new format: the publisher's session goes on through it.
        known = self._format
        if known is None or (known.width, known.height) != (width, height):
            self._format = StreamFormat("h264", width, height, fps)
            self._server.set_format(self._format)

    def _publish(self, packets: Iterable[EncodedPacket]) -> None:
        for packet in packets:
            self._packets += 1
            self._bytes += len(packet.data)
            self._rate.add(len(packet.data))
            if packet.keyframe:
                self._note_keyframe(packet)
            self._server.publish(packet)

    def _note_keyframe(self, packet: EncodedPacket) -> None:
        self._declared = declared(packet.data) or self._declared
        if self._keyframe_us is not None and packet.pts_us > self._keyframe_us:
            self._keyframe_interval_s = round((packet.pts_us - self._keyframe_us) / 1_000_000, 3)
        self._keyframe_us = packet.pts_us
