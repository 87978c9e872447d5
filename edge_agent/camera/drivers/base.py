"""The one protocol of every camera driver.

A driver lives in the camera child, never in the agent. One thread, the frame loop, calls `read`; another,
the control thread, may call `apply`, `applied` and `trigger_focus` while `read` is under way, so these must
be quick and safe beside it. `configure`, `stills` and `close` are called only between two calls of `read`,
by the frame loop's own thread.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from edge_agent.camera.capabilities import CameraCapabilities, Reading
from edge_agent.camera.settings import CameraSettings

if TYPE_CHECKING:
    from av import VideoFrame

__all__ = ["Driver", "EncodedPacket", "Mosaic", "Sample", "Still", "Wish"]


@dataclass(frozen=True, slots=True)
class EncodedPacket:
    """One access unit of H.264 in Annex B; a keyframe carries its SPS and PPS."""

    data: bytes
    pts_us: int
    keyframe: bool


@dataclass(frozen=True, slots=True)
class Sample:
    """One frame's worth of camera: a picture to be encoded, or what is encoded already, and its reading.

    `frame` is yuv420p (or nv12) at the configured size, its `pts` unset; `pts_us` rises strictly from one
    sample to the next, by the sensor's clock. `packets` is used by cameras that encode by themselves.
    `small` is a second picture of the same moment, where the camera itself can give one (`want_small`).
    `shared` tells that the frame's memory is somebody else's, too, such as a decoder's: who would draw on it
    must copy it.
    """

    reading: Reading
    pts_us: int
    frame: VideoFrame | None = None
    packets: tuple[EncodedPacket, ...] = field(default=())
    shared: bool = False
    small: VideoFrame | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """What pictures are wanted: of the stream's size, or of `size` at least; raw is the sensor's own data."""

    size: tuple[int, int] | None = None
    raw: bool = False
    count: int = 1


@dataclass(frozen=True, slots=True)
class Mosaic:
    """A raw picture: 16 bits a pixel, little-endian, the colours in `pattern` (0 red, 1 green, 2 blue).

    `neutral` is what a white thing comes to, as red, green and blue; `xyz_to_camera` is for daylight.
    `preview` is a small RGB picture of the same, with its width and height.
    """

    data: bytes
    width: int
    height: int
    pattern: tuple[int, int, int, int]
    black_level: int
    white_level: int
    neutral: tuple[float, float, float]
    xyz_to_camera: tuple[float, ...]
    preview: tuple[int, int, bytes]


@dataclass(frozen=True, slots=True)
class Still:
    """One picture taken for itself, and its reading.

    `develop` makes it: an RGB or YUV frame at its own size, or raw data. It is called once, on
    the thread that encodes pictures, beside `read`, and may raise CameraError. Until then `waiting_bytes` are
    kept for it.
    """

    reading: Reading
    develop: Callable[[], VideoFrame | Mosaic]
    waiting_bytes: int = 0


class Driver(Protocol):
    """A camera. Constructing one opens nothing; every method but `close` may raise CameraError."""

    name: str

    def open(self) -> CameraCapabilities:
        """Open the camera and say what it can do. Raises CameraUnavailableError where there is none."""
        ...

    def configure(self, settings: CameraSettings) -> None:
        """Configure size, transform and everything that is not live, apply the rest, and start."""
        ...

    def apply(self, settings: CameraSettings) -> None:
        """Set what is live. Only what differs from the present is touched."""
        ...

    def applied(self) -> CameraSettings:
        """Return what the camera really has now, read back, not what was asked."""
        ...

    def want_small(self, size_of: Callable[[int, int], tuple[int, int]]) -> None:
        """Give a smaller picture with each sample, of what `size_of` says for the main one's size.

        Called before `configure`; what costs the camera more than scaling the main picture is left out.
        """
        ...

    def read(self, timeout_s: float) -> Sample | None:
        """Wait for the next frame. None where the time ran out; raises CameraError where it is gone."""
        ...

    def request_keyframe(self) -> None:
        """Make the next packet a keyframe, where the driver encodes; from any thread."""
        ...

    def set_bitrate(self, bps: int) -> None:
        """Encode at this rate, where the driver encodes, until told again; the settings stay. Any thread."""
        ...

    def trigger_focus(self) -> None:
        """Start one autofocus scan; how it ends is seen in `Reading.af_state` of the samples."""
        ...

    def stills(self, last: Sample, wish: Wish) -> Generator[Still, None, None]:
        """Yield one picture at least, of `last` or newer, and as many as are wished where the camera stops.

        What is beyond the camera comes as large as it can be; nothing is ever enlarged. When the generator is
        closed the camera runs as it did before. Raises CameraError, also where there is no such picture.
        """
        ...

    def close(self) -> None:
        """Let go of the camera, whatever state it is in. Never raises, may be called twice."""
        ...
