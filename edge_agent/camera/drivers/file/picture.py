"""The file's picture made into the camera's: crop, flips, size, brightness, contrast and saturation."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from av import VideoFrame
from av.filter import Graph

from edge_agent.camera.settings import CameraSettings, Image, Window

__all__ = ["PictureFilter"]

_FORMAT: Final = "yuv420p"
_SMALLEST_CROP_PX: Final = 16


@dataclass(frozen=True)
class _Change:
    """All that a filter chain depends on."""

    format: str
    width: int
    height: int
    to_width: int
    to_height: int
    hflip: bool
    vflip: bool
    roi: Window
    image: Image

    @property
    def is_none(self) -> bool:
        return (
            self.format == _FORMAT
            and (self.width, self.height) == (self.to_width, self.to_height)
            and not (self.hflip or self.vflip)
            and self.roi == Window()
            and self.image == Image()
        )


def _change(frame: VideoFrame, settings: CameraSettings) -> _Change:
    view, video = settings.view, settings.video
    upside_down = view.rotation == 180
    return _Change(
        format=frame.format.name,
        width=frame.width,
        height=frame.height,
        to_width=video.width,
        to_height=video.height,
        hflip=view.hflip != upside_down,
        vflip=view.vflip != upside_down,
        roi=view.roi,
        image=settings.image,
    )


def _crop(change: _Change) -> tuple[int, int, int, int]:
    """Return width, height, x, y: of the region the middle that has the shape asked for, so nothing bends."""
    roi = change.roi
    width, height = roi.width * change.width, roi.height * change.height
    shape = change.to_width / change.to_height
    left, top = roi.x * change.width, roi.y * change.height
    if width > height * shape:
        left += (width - height * shape) / 2
        width = height * shape
    else:
        top += (height - width / shape) / 2
        height = width / shape
    wide = min(change.width, max(_SMALLEST_CROP_PX, round(width)))
    high = min(change.height, max(_SMALLEST_CROP_PX, round(height)))
    return wide, high, min(round(left), change.width - wide), min(round(top), change.height - high)


def _table(image: Image) -> str:
    """Return the look-up tables of luma and chroma. The middle of luma's range, 16 to 235, is 126."""
    luma = f"clip((val-126)*{image.contrast:.4f}+126+{219 * image.brightness:.4f}\\,minval\\,maxval)"
    chroma = f"clip((val-128)*{image.saturation:.4f}+128\\,minval\\,maxval)"
    return f"y={luma}:u={chroma}:v={chroma}"


def _steps(change: _Change) -> list[tuple[str, str]]:
    steps: list[tuple[str, str]] = []
    wide, high, left, top = _crop(change)
    if (wide, high) != (change.width, change.height):
        steps.append(("crop", f"{wide}:{high}:{left}:{top}"))
    if (wide, high) != (change.to_width, change.to_height):
        steps.append(("scale", f"{change.to_width}:{change.to_height}:flags=bilinear"))
    steps.append(("format", _FORMAT))
    if change.hflip:
        steps.append(("hflip", ""))
    if change.vflip:
        # It only turns the addresses round: lines that run backwards in memory are not for everybody.
        steps += [("vflip", ""), ("copy", "")]
    if change.image != Image():
        steps.append(("lutyuv", _table(change.image)))
    return steps


class _Chain:
    """A filter graph for one change. It has to be held: its ends do not keep it alive."""

    def __init__(self, change: _Change) -> None:
        self.change = change
        graph: Any = Graph()  # its type hints want a format object where its code takes a name
        self._graph = graph
        self._source: Any = graph.add_buffer(
            width=change.width, height=change.height, format=change.format, time_base=Fraction(1, 1_000_000)
        )
        last: Any = self._source
        for name, arguments in (*_steps(change), ("buffersink", "")):
            step = graph.add(name, arguments) if arguments else graph.add(name)
            last.link_to(step)
            last = step
        self._sink = last
        graph.configure()

    def run(self, frame: VideoFrame) -> VideoFrame:
        self._source.push(frame)
        changed: VideoFrame = self._sink.pull()
        return changed


class PictureFilter:
    """Changes frames as the settings say; a frame that needs no change is returned as it is.

    The region of interest is a part of the file's picture, before it is flipped.
    """

    def __init__(self) -> None:
        self._chain: _Chain | None = None

    def apply(self, frame: VideoFrame, settings: CameraSettings) -> VideoFrame:
        """Return the frame as yuv420p of the size that is set, its `pts` unset."""
        change = _change(frame, settings)
        frame.pts = None
        if change.is_none:
            return frame
        if self._chain is None or self._chain.change != change:
            self._chain = _Chain(change)
        changed = self._chain.run(frame)
        changed.pts = None
        return changed
