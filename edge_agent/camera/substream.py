"""The second, small stream: frames scaled down and encoded once more. Its failures are its own."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from edge_agent.camera.bitrate import auto_bitrate_bps
from edge_agent.camera.encoder_settings import EncoderSettings
from edge_agent.camera.messages import SubBeat, SubOptions
from edge_agent.camera.settings import Video
from edge_agent.camera.stream_output import StreamOutput
from edge_agent.errors import CameraError
from edge_agent.stream.packet_server import PacketServer

if TYPE_CHECKING:
    from av import VideoFrame
    from av.video.reformatter import VideoReformatter

__all__ = ["Substream", "sub_size"]

logger = logging.getLogger(__name__)

_AGAIN_AFTER_S: Final = 5.0
_SMALLEST_PX: Final = 32
_NO_PICTURE: Final = "the camera's packets pass through as they are: there is no picture to make it of"


def sub_size(options: SubOptions, width: int, height: int) -> tuple[int, int]:
    """Return how large the small picture of a picture is: never larger, never bent unless asked for, even."""
    wide = min(options.width, width)
    high = round(wide * height / width) if options.height is None else min(options.height, height)
    return max(wide - wide % 2, _SMALLEST_PX), max(high - high % 2, _SMALLEST_PX)


class Substream:
    """`take` and `no_picture` belong to the frame loop's thread; they never raise. The rest is for any."""

    def __init__(
        self,
        *,
        server: PacketServer,
        options: SubOptions,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._server = server
        self._options = options
        self._monotonic = monotonic
        self._output = StreamOutput(
            server=server, settings=EncoderSettings(bitrate_bps=_bps(options, 640, 360, 30))
        )
        self._reformatter: VideoReformatter | None = None
        self._wanted: EncoderSettings | None = None
        self._due_us: float | None = None
        self._failed_at_s: float | None = None
        self._failure: str | None = None
        self._encode = options.encode

    @property
    def enabled(self) -> bool:
        """Whether it is to be encoded."""
        return self._encode

    def size_of(self, width: int, height: int) -> tuple[int, int]:
        """Return how large its picture is beside a main one of this size."""
        return sub_size(self._options, width, height)

    def set_encoding(self, *, enabled: bool) -> None:
        """Encode, or spare the work; on the frame loop's thread."""
        if enabled and not self._encode:
            self._output.begin()
        self._encode = enabled
        if not enabled:
            self._output.close_encoder()

    def request_keyframe(self) -> None:
        """Make its next frame a keyframe."""
        self._output.request_keyframe()

    def close(self) -> None:
        """Let go of its encoder; on the frame loop's thread."""
        self._output.close_encoder()

    def no_picture(self) -> None:
        """Take note that a sample came without a picture."""
        self._failure = _NO_PICTURE

    def take(self, frame: VideoFrame, pts_us: int, *, video: Video) -> None:
        """Encode a frame of the main size, or one that is small already, if its time has come."""
        if not self._is_due(pts_us, video.fps) or not self._may_try():
            return
        try:
            small = self._scaled(frame)
            fps = min(self._options.fps or video.fps, video.fps)
            self._follow(small, fps, video)
            self._output.encode(small, pts_us, fps=fps)
        except Exception as error:
            if self._failure is None:
                logger.exception("The substream cannot be encoded; it is tried again")
            self._failure = (
                error.message if isinstance(error, CameraError) else f"{type(error).__name__}: {error}"
            )
            self._failed_at_s = self._monotonic()
            self._output.close_encoder()
        else:
            self._failure = None

    def beat(self) -> SubBeat:
        """Return what was measured."""
        stats, output = self._server.stats(), self._output.stats()
        return SubBeat(
            encoding=self._encode,
            encoded=output.encoded if self._encode else None,
            packets=output.packets,
            last_packet_age_s=output.packet_age_s if self._encode else None,
            dropped_packets=stats.dropped_packets,
            failure=self._failure if self._encode else None,
        )

    def _is_due(self, pts_us: int, fps: float) -> bool:
        wanted = self._options.fps
        if wanted is None or wanted >= fps:
            return True
        step_us = 1_000_000 / wanted
        # Half a frame early is nearer than half a frame late, and a gap is not made up for.
        if self._due_us is None or not -2 * step_us < pts_us - self._due_us < 2 * step_us:
            self._due_us = float(pts_us)
        if pts_us < self._due_us - 500_000 / fps:
            return False
        self._due_us += step_us
        return True

    def _may_try(self) -> bool:
        failed_at_s = self._failed_at_s
        return failed_at_s is None or self._monotonic() - failed_at_s >= _AGAIN_AFTER_S

    def _scaled(self, frame: VideoFrame) -> VideoFrame:
        size = self.size_of(frame.width, frame.height)
        if (frame.width, frame.height) == size:
            return frame
        if self._reformatter is None:
            from av.video.reformatter import VideoReformatter  # noqa: PLC0415 - PyAV only where it encodes

            self._reformatter = VideoReformatter()
        return self._reformatter.reformat(frame, *size, "yuv420p", interpolation="BILINEAR")

    def _follow(self, frame: VideoFrame, fps: float, video: Video) -> None:
        """Encode as the main stream is encoded, at a bit rate of its own."""
        wanted = EncoderSettings(
            bitrate_bps=_bps(self._options, frame.width, frame.height, fps),
            keyframe_interval_s=video.keyframe_interval_s,
        )
        if wanted != self._wanted:
            self._output.change(wanted)
            self._wanted = wanted


def _bps(options: SubOptions, width: int, height: int, fps: float) -> int:
    return options.bitrate_bps or auto_bitrate_bps(width, height, fps)
