"""H.264 by x264, for live pictures: no delay, keyframes by time, and settings that can be changed."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

import av
from av import VideoCodecContext, VideoFrame
from av.error import FFmpegError
from av.video.frame import PictureType
from av.video.reformatter import ColorRange, Colorspace

from edge_agent.camera.drivers.base import EncodedPacket
from edge_agent.camera.encoder_settings import EncoderSettings
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
# x264 names a stream by what is in it: to forbid more says nothing, and a bare ultrafast is baseline.
_PROFILES: Final = {"baseline": (), "main": ("cabac=1",), "high": ("cabac=1", "8x8dct=1")}


@dataclass(frozen=True, slots=True)
class _Opened:
    """An x264 and what it was opened with."""

    context: VideoCodecContext
    settings: EncoderSettings
    fps: float

    def takes(self, settings: EncoderSettings) -> bool:
        """Whether these settings need no other x264: of all of them only the bit rate may be lowered."""
        kept = replace(
            self.settings,
            bitrate_bps=settings.bitrate_bps,
            keyframe_interval_s=settings.keyframe_interval_s,
        )
        if kept != settings:
            return False
        if settings.quality is not None:
            return settings.bitrate_bps == self.settings.bitrate_bps
        # It never goes above the highest rate that it was opened with.
        return settings.bitrate_bps <= self.settings.bitrate_bps


class H264Encoder:
    """Encodes frame by frame: each goes out with the call that brought it in.

    `encode` and `close` belong to one thread; `change`, `set_bitrate` and `request_keyframe` may be called
    from any. A keyframe comes `keyframe_interval_s` after the last by the frames' time, so the frame rate may
    change at will. `fps` is the rate control's first guess; it is corrected by what came, at keyframes.
    Raises CameraError where x264 cannot be opened.
    """

    def __init__(self, *, width: int, height: int, fps: float, settings: EncoderSettings) -> None:
        self.width = width
        self.height = height
        self._fps = fps
        self._keyframe_wanted = threading.Event()
        self._lock = threading.Lock()  # the next two are written by other threads
        self._settings = settings
        self._next: _Opened | None = None
        self._last_us: int | None = None
        self._last_keyframe_us: int | None = None
        self._since_keyframe = 0
        self._opened: _Opened | None = self._open(settings)

    @property
    def bitrate_bps(self) -> int:
        """The bit rate that is aimed at."""
        return self._settings.bitrate_bps

    @property
    def settings(self) -> EncoderSettings:
        """What holds from the next frame on."""
        return self._settings

    def encode(self, frame: VideoFrame, pts_us: int, *, force_keyframe: bool = False) -> list[EncodedPacket]:
        """Return the frame's packet; a keyframe has SPS and PPS in front. Raises CameraError."""
        if self._opened is None:
            raise CameraError("the encoder is closed")
        if (frame.width, frame.height) != (self.width, self.height):
            raise CameraError(
                f"the encoder is for {self.width}x{self.height}, the frame is {frame.width}x{frame.height}"
            )
        if self._last_us is not None and pts_us <= self._last_us:
            logger.debug("A frame's time %d µs is not after the last one's, %d µs", pts_us, self._last_us)
            pts_us = self._last_us + 1
        with self._lock:
            settings = self._settings
            fresh, self._next = self._next, None
        keyframe = self._keyframe_is_due(settings, pts_us) or force_keyframe
        self._opened = self._tuned(fresh or self._opened, settings, pts_us, keyframe=keyframe)
        frame.pts = pts_us
        frame.time_base = _TIME_BASE
        frame.pict_type = PictureType.I if keyframe else PictureType.NONE
        try:
            packets = self._opened.context.encode(frame)
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

    def change(self, settings: EncoderSettings) -> None:
        """Encode like this from the next frame on.

        What needs another x264 gets it here, on the caller's thread: the frames do not wait for it. Raises
        CameraError where it cannot be opened; then nothing was changed.
        """
        opened = self._opened
        if opened is None:
            raise CameraError("the encoder is closed")
        fresh = None if opened.takes(settings) else self._open(settings)
        with self._lock:
            self._settings, self._next = settings, fresh

    def set_bitrate(self, bps: int) -> None:
        """Aim at another bit rate from the next frame on."""
        with self._lock:
            self._settings = replace(self._settings, bitrate_bps=bps)

    def close(self) -> None:
        """Let go of x264. May be called twice."""
        self._opened = None

    def _keyframe_is_due(self, settings: EncoderSettings, pts_us: int) -> bool:
        wanted = self._keyframe_wanted.is_set()
        if wanted:
            self._keyframe_wanted.clear()
        last = self._last_keyframe_us
        if wanted or last is None or self._last_us is None:
            return True
        # The nearest frame: times are rounded, and one µs too early must not cost a whole frame.
        half_us = (pts_us - self._last_us) // 2
        return pts_us - last >= settings.keyframe_interval_s * 1_000_000 - half_us

    def _tuned(self, opened: _Opened, settings: EncoderSettings, pts_us: int, *, keyframe: bool) -> _Opened:
        """Return an x264 that aims at the bit rate that is wanted, at the frame rate that there is.

        Without delay x264 counts frames, not time: at half the frame rate half the bit rate would come out.
        Frame rate and buffer cannot be changed, so it is opened anew, where a keyframe is due anyway.
        """
        if keyframe:
            self._measure(pts_us)
            same_rate = abs(self._fps / opened.fps - 1) < _SAME_RATE
            same = replace(settings, keyframe_interval_s=opened.settings.keyframe_interval_s)
            if not (same_rate and same == opened.settings):
                return self._open(settings)
        elif not opened.takes(settings):
            return self._open(settings)  # this costs a keyframe
        if settings.quality is None and opened.context.bit_rate != settings.bitrate_bps:
            opened.context.bit_rate = settings.bitrate_bps
        return opened

    def _measure(self, pts_us: int) -> None:
        if self._last_keyframe_us is None:
            return
        elapsed_us = pts_us - self._last_keyframe_us
        if elapsed_us >= _MEASURED_US:
            self._fps = max((self._since_keyframe + 1) * 1_000_000 / elapsed_us, 1.0)

    def _open(self, settings: EncoderSettings) -> _Opened:
        fps = self._fps
        context = av.CodecContext.create("libx264", "w")
        if not isinstance(context, VideoCodecContext):
            raise CameraError("this PyAV has no libx264")
        context.width = self.width
        context.height = self.height
        context.pix_fmt = "yuv420p"
        context.time_base = _TIME_BASE
        context.framerate = Fraction(fps).limit_denominator(1000)
        context.gop_size = _NO_GOP
        context.max_b_frames = 0
        context.thread_type = "SLICE"
        context.color_range = ColorRange.MPEG
        context.colorspace = Colorspace.ITU709
        context.color_primaries = _REC709
        context.color_trc = _REC709
        context.options = _options(settings)
        if settings.quality is None:
            context.bit_rate = settings.bitrate_bps
        try:
            context.open()
        except (FFmpegError, OSError, ValueError) as error:
            raise CameraError(f"x264 could not be opened for {self.width}x{self.height}: {error}") from error
        return _Opened(context, settings, fps)


def _options(settings: EncoderSettings) -> dict[str, str]:
    options = {
        "preset": "ultrafast",
        "tune": "zerolatency",
        "maxrate": str(settings.bitrate_bps),
        "bufsize": str(settings.bitrate_bps),
        "forced-idr": "1",
    }
    if settings.quality is not None:
        options["crf"] = str(settings.quality)
    own = [*_PROFILES[settings.profile]]
    if settings.level != "auto":
        own.append(f"level={settings.level}")
    if own:
        # FFmpeg's own names of these are not the same in all its versions.
        options["x264-params"] = ":".join(own)
    return options
