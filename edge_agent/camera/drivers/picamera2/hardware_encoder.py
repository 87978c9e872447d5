"""H.264 by the hardware of a Pi 4 and older. Not tried on hardware yet: its tests run on a fake.

picamera2 feeds it inside the camera's loop and hands packets over on a thread of its own. Whatever goes wrong
there ends that thread, so that what is called from it copies, counts and never raises.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from edge_agent.camera.drivers.base import EncodedPacket
from edge_agent.camera.drivers.picamera2.backend import Backend
from edge_agent.camera.drivers.picamera2.bounded import bounded
from edge_agent.camera.settings import Video
from edge_agent.errors import CameraError

__all__ = ["MAX_SIDE_PX", "HardwareEncoder", "hardware_encoder_is_here"]

logger = logging.getLogger(__name__)

# On each axis.
MAX_SIDE_PX: Final = 1920
_DEVICE: Final = Path("/dev/video11")
_MAX_PACKETS: Final = 120
_STOP_S: Final = 3.0
# It stalls after hours: frames come, packets do not.
_STALLED_S: Final = 2.0
_STALLED_FRAMES: Final = 5


def hardware_encoder_is_here(backend: Backend, *, device: Path = _DEVICE) -> bool:
    """Whether this board has the encoder: never a Pi 5, and never a PC, which picamera2 takes for a Pi 4."""
    return not backend.pisp and device.exists()


class HardwareEncoder:
    """One encoder, from the start of a configuration to its stop. Raises CameraError where there is none."""

    def __init__(
        self, *, backend: Backend, camera: Any, video: Video, monotonic: Callable[[], float]
    ) -> None:
        try:
            encoder_class, make_output, self._set_bitrate = backend.hardware()
        except Exception as error:
            raise CameraError(f"the hardware encoder cannot be loaded: {error}") from error
        self._camera = camera
        self._monotonic = monotonic
        self._bitrate_bps = video.bitrate_bps
        self._fixed = _fixed(video)
        self._packets: deque[EncodedPacket] = deque(maxlen=_MAX_PACKETS)
        self._lost = 0
        self._broken = False
        self._last_us = -1
        self._last_at_s = monotonic()
        self._frames_since = 0
        self._lock = threading.Lock()
        self._encoder = encoder_class(
            bitrate=video.bitrate_bps,
            repeat=True,
            iperiod=self._fixed[1],
            framerate=video.fps,
            profile=video.h264_profile,
        )
        self._output = make_output(self._take)

    def start(self) -> None:
        """Start it, on the configured camera. Raises CameraError."""
        try:
            self._camera.start_encoder(self._encoder, self._output)
        except Exception as error:
            raise CameraError(f"the hardware encoder does not start: {error}") from error

    def stop(self) -> bool:
        """Stop it within a bounded time; whether that went well. It joins its thread without a limit."""
        return bounded("stop the hardware encoder", lambda: self._camera.stop_encoder(self._encoder), _STOP_S)

    def serves(self, video: Video) -> bool:
        """Whether these settings need no other encoder: of all of them only the bit rate is live."""
        return _fixed(video) == self._fixed

    @property
    def bitrate_bps(self) -> int:
        """The bit rate that it aims at."""
        return self._bitrate_bps

    def set_bitrate(self, bps: int) -> None:
        """Aim at another bit rate. Raises CameraError."""
        if bps == self._bitrate_bps:
            return
        try:
            self._set_bitrate(self._encoder, bps)
        except (OSError, ValueError, AttributeError, TypeError) as error:
            raise CameraError(f"the hardware encoder refuses {bps} bit/s: {error}") from error
        self._bitrate_bps = bps

    def request_keyframe(self) -> None:
        """Make the next frame a keyframe."""
        self._encoder.force_key_frame()

    def packets(self) -> tuple[EncodedPacket, ...]:
        """Take what was encoded since the last call. Raises CameraError where nothing comes any more."""
        with self._lock:
            taken = tuple(self._packets)
            self._packets.clear()
            lost, self._lost = self._lost, 0
        now_s = self._monotonic()
        if taken:
            self._last_at_s, self._frames_since = now_s, 0
        else:
            self._frames_since += 1
            silent_s = now_s - self._last_at_s
            if silent_s > _STALLED_S and self._frames_since > _STALLED_FRAMES:
                raise CameraError(f"the hardware encoder stalls: no packet for {silent_s:.1f} s")
        if lost:
            logger.warning("%d encoded packets were not taken in time and are lost", lost)
            self.request_keyframe()
        return taken

    def _take(self, data: Any, keyframe: bool, timestamp_us: int | None) -> None:
        try:
            first_us = self._encoder.firsttimestamp or 0
            pts_us = max(first_us + (timestamp_us or 0), self._last_us + 1)
            self._last_us = pts_us
            packet = EncodedPacket(data=bytes(data), pts_us=pts_us, keyframe=bool(keyframe))
            with self._lock:
                if len(self._packets) == _MAX_PACKETS:
                    self._lost += len(self._packets)
                    self._packets.clear()
                    self._broken = True
                if packet.keyframe:
                    self._broken = False
                if self._broken:
                    self._lost += 1  # up to the next keyframe nothing could be decoded
                else:
                    self._packets.append(packet)
        except Exception:
            logger.exception("An encoded packet could not be taken")


def _fixed(video: Video) -> tuple[str, int]:
    """Return the profile and the frames from keyframe to keyframe: what an encoder is opened with."""
    return video.h264_profile, max(1, round(video.fps * video.keyframe_interval_s))
