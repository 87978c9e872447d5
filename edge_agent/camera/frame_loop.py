"""The camera child's one loop: frames in, packets out, and jobs between two frames."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Final, TypeVar

from edge_agent.camera.adaptive_bitrate import AdaptiveBitrate
from edge_agent.camera.drivers.base import Driver, Sample
from edge_agent.camera.encoder_settings import EncoderSettings
from edge_agent.camera.messages import AdaptiveOptions, Beat, StreamName
from edge_agent.camera.overlay.painter import Painter
from edge_agent.camera.rate import Rate
from edge_agent.camera.settings import CameraSettings
from edge_agent.camera.software import SoftwareSettings
from edge_agent.camera.stream_output import StreamOutput
from edge_agent.camera.substream import Substream
from edge_agent.errors import CameraError, EdgeAgentError
from edge_agent.stream.packet_server import PacketServer

if TYPE_CHECKING:
    from av import VideoFrame

__all__ = ["FrameLoop"]

logger = logging.getLogger(__name__)
_T = TypeVar("_T")

_READ_TIMEOUT_S: Final = 1.0
_MAX_JOBS: Final = 32


class FrameLoop:
    """Reads samples from the driver, encodes them, gives packets to the server; all on one thread."""

    def __init__(
        self,
        *,
        driver: Driver,
        server: PacketServer,
        settings: CameraSettings,
        software: SoftwareSettings,
        painter: Painter,
        encode: bool,
        adaptive: AdaptiveOptions | None = None,
        sub: Substream | None = None,
    ) -> None:
        self._driver = driver
        self._server = server
        self._settings = self._wanted = settings
        self._software = software
        self._painter = painter
        self._encode = encode
        wanted = EncoderSettings.of(settings.video)
        self._output = StreamOutput(
            server=server,
            settings=wanted,
            adaptive=_adaptive(adaptive or AdaptiveOptions(), wanted, software),
        )
        self._jobs: queue.Queue[Callable[[], None]] = queue.Queue(_MAX_JOBS)
        self._watchers: list[Callable[[Sample], None]] = []
        self._sub = sub
        self._driver_encodes = False
        self._driver_bps = settings.video.bitrate_bps
        self._frames = 0
        self._frame_rate = Rate()
        self._last: Sample | None = None

    def start(self) -> None:
        """Configure and start the camera. Raises CameraError."""
        if self._sub is not None:
            self._driver.want_small(self._sub.size_of)
        self._configure(self._wanted)

    def run(self, stopped: threading.Event) -> None:
        """Turn until stopped. Raises CameraError where the camera is gone."""
        try:
            while not stopped.is_set():
                self._run_jobs()
                sample = self._driver.read(_READ_TIMEOUT_S)
                if sample is not None:
                    self._take(sample)
        finally:
            self._output.close_encoder()
            if self._sub is not None:
                self._sub.close()
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

    def request_keyframe(self, stream: StreamName = "main") -> None:
        """Make the next frame a keyframe; from any thread."""
        if stream == "sub":
            if self._sub is not None:
                self._sub.request_keyframe()
            return
        self._output.request_keyframe()
        self._driver.request_keyframe()

    def last_sample(self) -> Sample:
        """Return the newest sample. Raises CameraError before the first."""
        if self._last is None:
            raise CameraError("the camera has not given a frame yet")
        return self._last

    def applied(self) -> CameraSettings:
        """Return what holds: in the camera as read back from it, in the encoder what it was opened with."""
        return self._software.over(self._driver.applied(), self._wanted)

    def apply(self, settings: CameraSettings) -> None:
        """Set what is live, from any thread. Raises CameraError; then nothing was changed."""
        before = self._settings
        self._output.change(EncoderSettings.of(settings.video))
        try:
            self._driver.apply(settings)
        except EdgeAgentError:
            self._output.change(EncoderSettings.of(before.video))
            raise
        self._took(settings)
        self._follow_adaptation()

    def reconfigure(self, settings: CameraSettings) -> None:
        """Stop, configure and start; a job of the loop. What held before is restored where it fails."""
        before = self._settings
        try:
            self._configure(settings)
        except EdgeAgentError:
            self._configure(before)
            raise

    def set_encoding(self, *, enabled: bool, stream: StreamName = "main") -> None:
        """Encode, or spare the work; a job of the loop."""
        if stream == "sub":
            if self._sub is not None:
                self._sub.set_encoding(enabled=enabled)
            return
        if enabled and not self._encode:
            self._output.begin()
        self._encode = enabled
        if not enabled:
            self._output.close_encoder()

    def beat(self) -> Beat:
        """Return what was measured; from any thread."""
        stats = self._server.stats()
        output = self._output.stats()
        encoded = output.encoded if self._encode else None
        last = self._last
        return Beat(
            frames=self._frames,
            fps=self._frame_rate.per_second(),
            last_frame_age_s=self._frame_rate.age_s(),
            packets=output.packets,
            encoded_bytes=output.bytes,
            encoded_bps=output.bitrate_bps,
            last_packet_age_s=output.packet_age_s if self._encode else None,
            encoder=encoded.encoder if encoded else None,
            encoded=encoded,
            encoding=self._encode,
            consumers=stats.consumers,
            sent_packets=stats.sent_packets,
            dropped_packets=stats.dropped_packets,
            left_out_packets=stats.left_out,
            queued_packets=stats.queued,
            adaptive=self._output.adaptation(active=self._adapts),
            overlay_failure=self._painter.failure,
            sub=self._sub.beat() if self._sub is not None else None,
            reading=last.reading if last else None,
        )

    def _configure(self, settings: CameraSettings) -> None:
        self._output.close_encoder()
        self._driver.configure(settings)
        self._took(settings)
        self._output.change(EncoderSettings.of(self._settings.video))
        self._follow_adaptation()

    @property
    def _adapts(self) -> bool:
        """Whether the bit rate can be changed: what somebody encoded long ago is as it is."""
        return self._encode and (not self._driver_encodes or self._software.capabilities.live_encode)

    def _follow_adaptation(self) -> None:
        """Have the driver encode at the rate that gets through, where it is the driver that encodes."""
        bps = self._output.bitrate_bps
        if bps == self._settings.video.bitrate_bps and bps == self._driver_bps:
            return
        self._driver_bps = bps
        try:
            self._driver.set_bitrate(bps)
        except CameraError as error:
            logger.warning("The bit rate could not be adapted: %s", error.message)

    def _took(self, settings: CameraSettings) -> None:
        self._wanted = settings
        self._settings = self.applied()
        self._painter.configure(self._settings.overlay)

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
        if sample.frame is not None:
            self._painter.note(sample.reading, fps=self._frame_rate.per_second())
        for watcher in tuple(self._watchers):
            watcher(sample)
        video = self._settings.video
        self._driver_encodes = bool(sample.packets)
        if sample.packets and self._encode:
            self._output.pass_on(sample.packets, width=video.width, height=video.height, fps=video.fps)
        if sample.frame is not None:
            self._encode_frame(sample.frame, sample)
        if self._sub is not None and self._sub.enabled:
            self._feed(self._sub, sample)
        if self._adapts and self._output.adapt() is not None:
            self._follow_adaptation()

    def _encode_frame(self, frame: VideoFrame, sample: Sample) -> None:
        scaled = self._sub if self._sub is not None and self._sub.enabled and sample.small is None else None
        if not self._encode and scaled is None:
            return
        video = self._settings.video
        with self._painter.on(frame, shared=sample.shared):
            if self._encode:
                self._output.encode(frame, sample.pts_us, fps=video.fps)
            if scaled is not None:
                scaled.take(frame, sample.pts_us, video=video)

    def _feed(self, sub: Substream, sample: Sample) -> None:
        """Give the substream what the camera has scaled for it."""
        if sample.small is not None:
            with self._painter.on(sample.small):
                sub.take(sample.small, sample.pts_us, video=self._settings.video)
        elif sample.frame is None:
            sub.no_picture()


def _adaptive(
    options: AdaptiveOptions, settings: EncoderSettings, software: SoftwareSettings
) -> AdaptiveBitrate:
    lowest = software.capabilities.controls.get("video.bitrate_bps")
    floor_bps = max(options.floor_bps, int(lowest.min or 0) if lowest is not None else 0)
    return AdaptiveBitrate(target_bps=settings.bitrate_bps, floor_bps=floor_bps, enabled=options.enabled)
