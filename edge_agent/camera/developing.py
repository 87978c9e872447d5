"""From what a camera took to a finished picture: its size, its format, what it tells of itself.

All of it is done on one thread of its own, as a large PNG takes seconds: the frame loop only hands over.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from edge_agent.camera.dng import dng
from edge_agent.camera.drivers.base import Mosaic, Still
from edge_agent.camera.exif import Facts, exif
from edge_agent.camera.messages import Take

if TYPE_CHECKING:
    from av import VideoFrame
    from PIL.Image import Image

__all__ = ["Darkroom", "Draw", "Print", "developed", "fitted", "image_of"]

logger = logging.getLogger(__name__)

Draw = Callable[["VideoFrame"], None]
_Mode = Literal["RGB", "RGBX"]

_SAFE_WIDTH: Final = 16

# Raw frames that wait: fifteen of 1080p, or two of the largest sensors; one is always taken.
_MOST_WAITING_BYTES: Final = 48_000_000
_MOST_WAITING: Final = 32
# More takes twice the time and saves an eighth.
_PNG_LEVEL: Final = 3


@dataclass(frozen=True, slots=True)
class Print:
    """A finished picture."""

    width: int
    height: int
    content: bytes


class Darkroom:
    """Runs work on stills, one after the other, on its own thread; what waits for it is bounded."""

    def __init__(self) -> None:
        self._work: queue.SimpleQueue[tuple[Still, Callable[[Still], None]] | None] = queue.SimpleQueue()
        self._changed = threading.Condition()
        self._waiting = 0
        self._waiting_bytes = 0
        self._largest_bytes = 0
        threading.Thread(target=self._run, name="pictures", daemon=True).start()

    def room(self) -> bool:
        """Whether one more still like the last ones can wait."""
        with self._changed:
            return self._room()

    def wait_for_room(self, timeout_s: float) -> bool:
        """Wait until there is room; whether there is."""
        with self._changed:
            return self._changed.wait_for(self._room, timeout_s)

    def put(self, still: Still, work: Callable[[Still], None]) -> None:
        """Have `work` done on a still; it must not raise."""
        with self._changed:
            self._waiting += 1
            self._waiting_bytes += still.waiting_bytes
            self._largest_bytes = still.waiting_bytes
        self._work.put((still, work))

    def close(self) -> None:
        """End when the present work is done; what waits is left."""
        self._work.put(None)

    def _room(self) -> bool:
        enough = self._waiting_bytes + self._largest_bytes <= _MOST_WAITING_BYTES
        return not self._waiting or (enough and self._waiting < _MOST_WAITING)

    def _run(self) -> None:
        while (job := self._work.get()) is not None:
            still, work = job
            try:
                work(still)
            except Exception:
                logger.exception("A picture was lost")
            size = still.waiting_bytes
            del job, still, work  # or it would be kept until the next one comes
            with self._changed:
                self._waiting -= 1
                self._waiting_bytes -= size
                self._changed.notify_all()


def developed(still: Still, take: Take, facts: Facts, draw: Draw | None = None) -> Print:
    """Make the picture, with what is to be drawn on it; raw data stay as they are. Raises CameraError."""
    request = take.request
    raw_or_frame = still.develop()
    if isinstance(raw_or_frame, Mosaic):
        return Print(raw_or_frame.width, raw_or_frame.height, dng(raw_or_frame, facts))
    image = _image(raw_or_frame, take.size, draw, mode="RGBX" if request.format == "jpeg" else "RGB")
    options = {"quality": request.quality} if request.format == "jpeg" else {"compress_level": _PNG_LEVEL}
    # It is in memory all the same; but to what has a descriptor Pillow writes a JPEG without holding the
    # interpreter's lock, which the frame loop would wait for otherwise.
    with os.fdopen(os.memfd_create("picture"), "w+b") as file:
        image.save(file, format=request.format.upper(), exif=exif(facts), **options)
        file.seek(0)
        return Print(image.width, image.height, file.read())


def _image(frame: VideoFrame, size: tuple[int, int] | None, draw: Draw | None, *, mode: _Mode) -> Image:
    from av import VideoFrame as Frames  # noqa: PLC0415 - only where pictures are taken

    if draw is None:
        return fitted(image_of(frame, mode), size)
    if size is not None and (frame.width, frame.height) != size:
        # Drawn before, it would be cut off with what is beside the wanted shape.
        frame = Frames.from_image(fitted(image_of(frame), size))  # type: ignore[no-untyped-call] # PyAV's, without types
    draw(frame)
    return image_of(frame, mode)


def image_of(frame: VideoFrame, mode: _Mode = "RGB") -> Image:
    """Return a frame as RGB; as RGBX, which it need not be, nothing is copied, and a JPEG takes it as well.

    PyAV's own way keeps the interpreter's lock for a tenth of a second at 12 MP.
    """
    from PIL import Image as Pictures  # noqa: PLC0415 - only where pictures are taken

    # At other widths FFmpeg 7 writes beyond the end of the last line, and PyAV has left no room for that.
    if frame.width % _SAFE_WIDTH:
        mode = "RGB"
    rgb = frame.reformat(format="rgb24" if mode == "RGB" else "rgb0")
    plane = rgb.planes[0]
    size = (rgb.width, rgb.height)
    return Pictures.frombuffer(mode, size, memoryview(plane), "raw", mode, plane.line_size, 1)  # type: ignore[arg-type] # a buffer, which PyAV's types do not say


def fitted(image: Image, size: tuple[int, int] | None) -> Image:
    """Return the picture's middle in the shape of `size`, made smaller to it; it is never enlarged."""
    from PIL import Image as Pictures  # noqa: PLC0415 - see above

    if size is None or image.size == size:
        return image
    shape = size[0] / size[1]
    width, height = min(image.width, image.height * shape), min(image.height, image.width / shape)
    left, top = (image.width - width) / 2, (image.height - height) / 2
    if width < size[0]:
        size = max(1, round(width)), max(1, round(height))
    box = (left, top, left + width, top + height)
    return image.resize(size, Pictures.Resampling.LANCZOS, box=box, reducing_gap=2.0)
