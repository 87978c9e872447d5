"""H.264 by x264, for live pictures: no delay, keyframes by time, a bit rate that can be changed."""

from __future__ import annotations

import logging
import threading
from fractions import Fraction
from typing import Final

import av
from av import VideoCodecContext, VideoFrame
from av.error import FFmpegError
from av.video.frame import PictureType
from av.video.reformatter import ColorRange, Colorspace

from edge_agent.camera.drivers.base import EncodedPacket
from edge_agent.errors import CameraError

__all__ = ["H264Encoder"]

logger = logging.getLogger(__name__)

_TIME_BASE: Final = Fraction(1, 1_000_000)
# Keyframes are placed by time; this only keeps x264 from placing its own.
_NO_GOP: Final = 1_000_000
_REC709: Final = 1
# Over how much time the frame rate is measured at least, and how far off it may be.
_MEASURED_US: Final = 400_000
_SAME_RATE: Final = 0.15


class H264Encoder:
    """Encodes frame by frame: each goes out with the call that brought it in.

    `encode` and `close` belong to one thread; `set_bitrate` and `request_keyframe` may be called from any.
    A keyframe comes `keyframe_interval_s` after the last by the frames' time, so the frame rate may change
    at will. `fps` is the rate control's first guess; it is corrected by what came, at keyframes.
    """

    def __init__(
        self,
        *,
        width: int,
        height: int,
        fps: float,
        bitrate_bps: int,
        keyframe_interval_s: float = 1.0,
    ) -> None:
        self.width = width
        self.height = height
        self._fps = fps
        self._interval_us = int(keyframe_interval_s * 1_000_000)
        self._keyframe_wanted = threading.Event()
        self._bitrate_bps = bitrate_bps
        self._last_us: int | None = None
        self._last_keyframe_us: int | None = None
        self._since_keyframe = 0
        self._opened_bps, self._opened_fps = bitrate_bps, fps
        self._context: VideoCodecContext | None = self._opened(bitrate_bps)

    @property
    def bitrate_bps(self) -> int:
        """The bit rate that is aimed at."""
        return self._bitrate_bps

    def encode(self, frame: VideoFrame, pts_us: int, *, force_keyframe: bool = False) -> list[EncodedPacket]:
        """Return the frame's packet; a keyframe has SPS and PPS in front. Raises CameraError."""
        if self._context is None:
            raise CameraError("the encoder is closed")
        if (frame.width, frame.height) != (self.width, self.height):
            raise CameraError(
                f"the encoder is for {self.width}x{self.height}, the frame is {frame.width}x{frame.height}"
            )
        if self._last_us is not None and pts_us <= self._last_us:
            logger.debug("A frame's time %d µs is not after the last one's, %d µs", pts_us, self._last_us)
            pts_us = self._last_us + 1
        keyframe = self._keyframe_is_due(pts_us) or force_keyframe
        self._context = context = self._tuned(self._context, pts_us, keyframe=keyframe)
        frame.pts = pts_us
        frame.time_base = _TIME_BASE
        frame.pict_type = PictureType.I if keyframe else PictureType.NONE
        try:
            packets = context.encode(frame)
        except (FFmpegError, OSError, ValueError) as error:
            raise CameraError(
                f"x264 did not take a frame of {frame.width}x{frame.height}: {error}"
            ) from error
        self._last_us = pts_us
        encoded = [
            EncodedPacket(data=bytes(packet), pts_us=int(packet.pts), keyframe=bool(packet.is_keyframe))
            for packet in packets
            if packet.pts is not None
        ]
        self._since_keyframe += 1
        if any(packet.keyframe for packet in encoded):
            self._last_keyframe_us = pts_us
            self._since_keyframe = 0
        return encoded

    def request_keyframe(self) -> None:
        """Make the next frame a keyframe."""
        self._keyframe_wanted.set()

    def set_bitrate(self, bps: int) -> None:
        """Aim at another bit rate from the next frame on."""
        self._bitrate_bps = bps

    def close(self) -> None:
        """Let go of x264. May be called twice."""
        self._context = None

    def _keyframe_is_due(self, pts_us: int) -> bool:
        wanted = self._keyframe_wanted.is_set()
        if wanted:
            self._keyframe_wanted.clear()
        last = self._last_keyframe_us
        if wanted or last is None or self._last_us is None:
            return True
        # The nearest frame: times are rounded, and one µs too early must not cost a whole frame.
        half_us = (pts_us - self._last_us) // 2
        return pts_us - last >= self._interval_us - half_us

    def _tuned(self, context: VideoCodecContext, pts_us: int, *, keyframe: bool) -> VideoCodecContext:
        """Return an encoder that aims at the bit rate that is wanted, at the frame rate that there is.

        Without delay x264 counts frames, not time: at half the frame rate half the bit rate would come out.
        Frame rate and buffer cannot be changed, so it is opened anew, where a keyframe is due anyway.
        """
        bps = self._bitrate_bps
        if keyframe:
            self._measure(pts_us)
            same_rate = abs(self._fps / self._opened_fps - 1) < _SAME_RATE
            same_bps = bps == self._opened_bps == context.bit_rate
            return context if same_rate and same_bps else self._opened(bps)
        if bps > self._opened_bps:
            # It never goes above the highest rate that it was opened with: this costs a keyframe.
            return self._opened(bps)
        if context.bit_rate != bps:
            context.bit_rate = bps
        return context

    def _measure(self, pts_us: int) -> None:
        if self._last_keyframe_us is None:
            return
        elapsed_us = pts_us - self._last_keyframe_us
        if elapsed_us >= _MEASURED_US:
            self._fps = max((self._since_keyframe + 1) * 1_000_000 / elapsed_us, 1.0)

    def _opened(self, bps: int) -> VideoCodecContext:
        context = av.CodecContext.create("libx264", "w")
        if not isinstance(context, VideoCodecContext):
            raise CameraError("this PyAV has no libx264")
        context.width = self.width
        context.height = self.height
        context.pix_fmt = "yuv420p"
        context.time_base = _TIME_BASE
        context.framerate = Fraction(self._fps).limit_denominator(1000)
        context.bit_rate = bps
        context.gop_size = _NO_GOP
        context.max_b_frames = 0
        context.thread_type = "SLICE"
        context.color_range = ColorRange.MPEG
        context.colorspace = Colorspace.ITU709
        context.color_primaries = _REC709
        context.color_trc = _REC709
        context.options = {
            "preset": "ultrafast",
            "tune": "zerolatency",
            "maxrate": str(bps),
            "bufsize": str(bps),
            "forced-idr": "1",
        }
        try:
            context.open()
        except (FFmpegError, OSError, ValueError) as error:
            raise CameraError(f"x264 could not be opened for {self.width}x{self.height}: {error}") from error
        self._opened_bps, self._opened_fps = bps, self._fps
        return context
