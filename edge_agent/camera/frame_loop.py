"""The camera child's one loop: frames in, packets out, and jobs between two frames."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Final, TypeVar

from edge_agent.camera.drivers.base import Driver, EncodedPacket, Sample
from edge_agent.camera.messages import Beat
from edge_agent.camera.settings import CameraSettings
from edge_agent.errors import CameraError, EdgeAgentError
from edge_agent.stream.packet_server import PacketServer
from edge_agent.stream.packets import StreamFormat

if TYPE_CHECKING:
    from edge_agent.camera.encoder import H264Encoder

__all__ = ["FrameLoop"]

logger = logging.getLogger(__name__)
_T = TypeVar("_T")

_READ_TIMEOUT_S: Final = 1.0
_MAX_JOBS: Final = 32
_MEASURED_S: Final = 3.0


class _Rate:
    """Counts and bytes over the last seconds."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._marks: deque[tuple[float, int]] = deque(maxlen=1000)

    def add(self, size: int = 0) -> None:
        self._marks.append((time.monotonic(), size))

    def _recent(self) -> list[tuple[float, int]]:
        since = time.monotonic() - _MEASURED_S
        return [mark for mark in list(self._marks) if mark[0] >= since]

    def age_s(self) -> float:
        """Return the seconds since the last one, or since the beginning where none has come yet."""
        return time.monotonic() - (self._marks[-1][0] if self._marks else self._begun)

    def per_second(self) -> float | None:
        marks = self._recent()
        span = marks[-1][0] - marks[0][0] if len(marks) > 1 else 0.0
        return (len(marks) - 1) / span if span else None

    def bits_per_second(self) -> int | None:
        marks = self._recent()
        span = marks[-1][0] - marks[0][0] if len(marks) > 1 else 0.0
        return int(sum(size for _, size in marks[1:]) * 8 / span) if span else None


class FrameLoop:
    """Reads samples from the driver, encodes them, gives packets to the server; all on one thread."""

    def __init__(
        self,
        *,
        driver: Driver,
        server: PacketServer,
        settings: CameraSettings,
        encode: bool,
        keyframe_interval_s: float,
    ) -> None:
        self._driver = driver
        self._server = server
        self._settings = settings
        self._encode = encode
        self._keyframe_interval_s = keyframe_interval_s
        self._encoder: H264Encoder | None = None
        self._format: StreamFormat | None = None
        self._passing = False
        self._jobs: queue.Queue[Callable[[], None]] = queue.Queue(_MAX_JOBS)
        self._watchers: list[Callable[[Sample], None]] = []
        self._keyframe_wanted = threading.Event()
        self._frames = 0
        self._packets = 0
        self._bytes = 0
        self._frame_rate = _Rate()
        self._packet_rate = _Rate()
        self._last: Sample | None = None

    def start(self) -> None:
        """Configure and start the camera. Raises CameraError."""
        self._driver.configure(self._settings)
        self._settings = self._driver.applied()

    def run(self, stopped: threading.Event) -> None:
        """Turn until stopped. Raises CameraError where the camera is gone."""
        try:
            while not stopped.is_set():
                self._run_jobs()
                sample = self._driver.read(_READ_TIMEOUT_S)
                if sample is not None:
                    self._take(sample)
        finally:
            self._close_encoder()
            self._drop_jobs()

    def submit(self, job: Callable[[], _T]) -> Future[_T]:
        """Run `job` on the loop's thread between two frames. Raises CameraError where too much waits."""
        future: Future[_T] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(job())
            except BaseException as error:  # noqa: BLE001 - it is the future's business, not the loop's
                future.set_exception(error)

        try:
            self._jobs.put_nowait(run)
        except queue.Full as error:
            raise CameraError("too much waits for the camera already", code="busy") from error
        return future

    def watch(self, watcher: Callable[[Sample], None]) -> Callable[[], None]:
        """Call `watcher` with every sample, on the loop's thread; returns how to end that."""
        self._watchers.append(watcher)
        return lambda: self._watchers.remove(watcher)

    def request_keyframe(self) -> None:
        """Make the next frame a keyframe; from any thread."""
        self._keyframe_wanted.set()
        self._driver.request_keyframe()

    def last_sample(self) -> Sample:
        """Return the newest sample. Raises CameraError before the first."""
        if self._last is None:
            raise CameraError("the camera has not given a frame yet")
        return self._last

    def reconfigure(self, settings: CameraSettings) -> None:
        """Stop, configure and start; a job of the loop. What held before is restored where it fails."""
        before = self._settings
        try:
            self._driver.configure(settings)
        except EdgeAgentError:
            self._driver.configure(before)
            raise
        self._settings = self._driver.applied()
        self._close_encoder()

    def applied_live(self, settings: CameraSettings) -> None:
        """Take note of what was applied live: frame rate and bit rate are the encoder's, too."""
        self._settings = settings
        encoder = self._encoder
        if encoder is not None:
            encoder.set_bitrate(settings.video.bitrate_bps)

    def set_encoding(self, *, enabled: bool) -> None:
        """Encode, or spare the work; a job of the loop."""
        if enabled and not self._encode:
            self._packet_rate = _Rate()
        self._encode = enabled
        if not enabled:
            self._close_encoder()

    def beat(self) -> Beat:
        """Return what was measured; from any thread."""
        stats = self._server.stats()
        last = self._last
        return Beat(
            frames=self._frames,
            fps=self._frame_rate.per_second(),
            last_frame_age_s=self._frame_rate.age_s(),
            packets=self._packets,
            encoded_bytes=self._bytes,
            encoded_bps=self._packet_rate.bits_per_second(),
            last_packet_age_s=self._packet_rate.age_s() if self._encode else None,
            encoder=("libx264" if self._encoder else "pass-through")
            if self._encode and self._packets
            else None,
            encoding=self._encode,
            consumers=stats.consumers,
            sent_packets=stats.sent_packets,
            dropped_packets=stats.dropped_packets,
            queued_packets=stats.queued,
            reading=last.reading if last else None,
        )

    def _run_jobs(self) -> None:
        while True:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return
            job()

    def _drop_jobs(self) -> None:
        # Their callers hear of the end of the process, which follows.
        while not self._jobs.empty():
            self._jobs.get_nowait()
        self._watchers.clear()

    def _take(self, sample: Sample) -> None:
        self._last = sample
        self._frames += 1
        self._frame_rate.add()
        for watcher in tuple(self._watchers):
            watcher(sample)
        if not self._encode:
            return
        for packet in self._passed_through(sample) if sample.packets else self._encoded(sample):
            self._packets += 1
            self._bytes += len(packet.data)
            self._packet_rate.add(len(packet.data))
            self._server.publish(packet)

    def _passed_through(self, sample: Sample) -> tuple[EncodedPacket, ...]:
        video = self._settings.video
        if self._encoder is not None:
            self._close_encoder()
            self._format = None  # the file's own parameter sets take the place of x264's
        self._passing = True
        self._announce(StreamFormat("h264", video.width, video.height, video.fps))
        return sample.packets

    def _encoded(self, sample: Sample) -> list[EncodedPacket]:
        frame = sample.frame
        if frame is None:
            return []
        video = self._settings.video
        if self._encoder is None and self._passing:
            self._format = None
        self._passing = False
        self._announce(StreamFormat("h264", frame.width, frame.height, video.fps))
        if self._encoder is None or (self._encoder.width, self._encoder.height) != (
            frame.width,
            frame.height,
        ):
            self._close_encoder()
            self._encoder = self._new_encoder(frame.width, frame.height)
        forced = self._keyframe_wanted.is_set()
        if forced:
            self._keyframe_wanted.clear()
        return self._encoder.encode(frame, sample.pts_us, force_keyframe=forced)

    def _new_encoder(self, width: int, height: int) -> H264Encoder:
        from edge_agent.camera.encoder import H264Encoder  # noqa: PLC0415 - PyAV only where it encodes

        video = self._settings.video
        return H264Encoder(
            width=width,
            height=height,
            fps=video.fps,
            bitrate_bps=video.bitrate_bps,
            keyframe_interval_s=self._keyframe_interval_s,
        )

    def _announce(self, stream_format: StreamFormat) -> None:
        # A new frame rate alone is no new format: the publisher's session goes on through it.
        known = self._format
        if known is None or (known.width, known.height) != (stream_format.width, stream_format.height):
            self._format = stream_format
            self._server.set_format(stream_format)

    def _close_encoder(self) -> None:
        if self._encoder is not None:
            self._encoder.close()
            self._encoder = None
