"""Draws the overlay on frames: renders where its text changed, and lays it over where it did not."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import numpy as np

from edge_agent.camera.capabilities import Reading
from edge_agent.camera.overlay.glyphs import Bytes, Glyphs, font_file
from edge_agent.camera.overlay.patch import LAYOUTS, Look, Patch, Plane
from edge_agent.camera.overlay.template import Template, Token, said
from edge_agent.camera.settings import Overlay
from edge_agent.clock import Clock

if TYPE_CHECKING:
    from av import VideoFrame

__all__ = ["Caption", "Painter"]

logger = logging.getLogger(__name__)

# How often the text may change, and what the camera reports in it.
_TEXT_EVERY_S: Final = 0.1
_READING_EVERY_S: Final = 0.5
_MOST_PATCHES: Final = 4
_MOST_GLYPHS: Final = 3
# A token's name -> the reading's field.
_READ: Final = {
    "exposure_us": "exposure_us",
    "gain": "analogue_gain",
    "lux": "lux",
    "temperature_c": "sensor_temperature_c",
}


@dataclass(frozen=True, slots=True)
class Caption:
    """The words of a moment, and how they are drawn."""

    settings: Overlay
    words: str


@dataclass(frozen=True, slots=True)
class _Text:
    """What is to be drawn now, and until when that is not asked again."""

    caption: Caption
    until_s: float


class Painter:
    """`note` and `on` belong to one thread; the rest may be called from any.

    Whatever goes wrong costs the text, never the picture: `failure` says so until it works again.
    """

    def __init__(
        self,
        *,
        names: Mapping[str, str],
        clock: Clock,
        timezone: str | None = None,
        font: Path | None = None,
    ) -> None:
        self._clock = clock
        self._zone = _zone(timezone)
        self._font = font_file(font)
        self._names = dict(names)
        self._settings = Overlay()
        self._template = Template.of(self._settings.text)
        self._fields: Mapping[str, Any] = {}
        self._reading: dict[str, Any] = {}
        self._reading_at_s: float | None = None
        self._text: _Text | None = None
        self._patches: dict[tuple[int, int, str], tuple[tuple[str, Look], Patch]] = {}
        self._glyphs: dict[int, Glyphs] = {}
        self._drawing = threading.Lock()  # what is kept from picture to picture, and the patches' own memory
        self.failure: str | None = None

    def configure(self, settings: Overlay) -> None:
        """Draw like this from the next frame on."""
        if settings != self._settings:
            self._template = Template.of(settings.text)
            self._settings = settings

    def show(self, fields: Mapping[str, Any]) -> None:
        """Take note of fields of status, by their paths; those that are not named are not known any more."""
        self._fields = dict(fields)

    def note(self, reading: Reading, *, fps: float | None) -> None:
        """Take note of what the camera reports of a frame."""
        if not self._settings.enabled:
            return
        now_s = self._clock.monotonic()
        if self._reading_at_s is not None and now_s - self._reading_at_s < _READING_EVERY_S:
            return
        self._reading_at_s = now_s
        self._reading = {token: getattr(reading, field) for token, field in _READ.items()}
        self._reading["fps"] = fps

    @contextmanager
    def on(self, frame: VideoFrame, *, shared: bool = False) -> Iterator[None]:
        """Have the text on `frame` inside the block; after it the frame is as it was.

        `shared` tells that somebody else reads the frame's memory, such as a decoder: it is copied then.
        """
        if not self._settings.enabled:
            yield
            return
        drawn = self._drawn(frame, shared=shared)
        try:
            yield
        finally:
            if drawn is not None:
                patch, planes, under = drawn
                patch.take_off(planes, under)

    def caption(self, settings: Overlay) -> Caption | None:
        """Return what a picture that is taken now for itself is to say, None where that is nothing."""
        if not (settings.enabled and settings.snapshots):
            return None
        return Caption(settings, Template.of(settings.text).filled(self._value))

    def still(self, frame: VideoFrame, caption: Caption) -> None:
        """Draw on a picture that was taken for itself; it may be later and on another thread than that."""
        self._drawn(frame, shared=True, caption=caption)

    def _drawn(
        self, frame: VideoFrame, *, shared: bool, caption: Caption | None = None
    ) -> tuple[Patch, list[Bytes], list[Bytes]] | None:
        try:
            layout = LAYOUTS.get(frame.format.name)
            if layout is None:
                raise TypeError(f"a picture of the format {frame.format.name} cannot be drawn on")  # noqa: TRY301 - one way out
            if shared:
                frame.make_writable()
            planes = _planes(frame, layout)
            with self._drawing:
                patch = self._patch(frame, layout, caption or self._caption_now())
                drawn = patch, planes, patch.lay(planes)
        except Exception as error:
            if self.failure is None:
                logger.exception("The overlay cannot be drawn")
            self.failure = f"{type(error).__name__}: {error}"
            return None
        self.failure = None
        return drawn

    def _patch(self, frame: VideoFrame, layout: tuple[Plane, ...], caption: Caption) -> Patch:
        settings = caption.settings
        look = Look(
            position=settings.position,
            size=settings.size,
            margin=settings.margin,
            background=settings.background,
        )
        key, what = (frame.width, frame.height, frame.format.name), (caption.words, look)
        kept = self._patches.get(key)
        if kept is not None and kept[0] == what:
            return kept[1]
        patch = Patch(
            caption.words,
            look=look,
            glyphs=self._glyphs_of(Patch.glyph_height(look, frame.height)),
            width=frame.width,
            height=frame.height,
            layout=layout,
        )
        if len(self._patches) >= _MOST_PATCHES:
            self._patches.clear()
        self._patches[key] = (what, patch)
        return patch

    def _glyphs_of(self, height: int) -> Glyphs:
        glyphs = self._glyphs.get(height)
        if glyphs is None:
            if len(self._glyphs) >= _MOST_GLYPHS:
                self._glyphs.clear()
            glyphs = self._glyphs[height] = Glyphs(height, font_file=self._font)
        return glyphs

    def _caption_now(self) -> Caption:
        now_s, settings = self._clock.monotonic(), self._settings
        known = self._text
        if known is None or known.caption.settings is not settings or now_s >= known.until_s:
            caption = Caption(settings, self._template.filled(self._value))
            known = self._text = _Text(caption, now_s + _TEXT_EVERY_S)
        return known.caption

    def _value(self, token: Token) -> str:
        if token.dated:
            return said(token, self._clock.now().astimezone(self._zone))
        for source in (self._names, self._reading, self._fields):
            if token.name in source:
                return said(token, source[token.name])
        return said(token, None)


def _zone(name: str | None) -> tzinfo | None:
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError) as error:
        logger.warning("The overlay's time is the machine's: there is no time zone '%s': %s", name, error)
        return None


def _planes(frame: VideoFrame, layout: tuple[Plane, ...]) -> list[Bytes]:
    """Return the frame's planes as rows of bytes; FFmpeg's rows may be longer than the picture is wide."""
    planes: list[Bytes] = []
    plane: Any  # PyAV's types do not say that it is a buffer
    for plane, _ in zip(frame.planes, layout, strict=True):
        rows = np.frombuffer(plane, np.uint8)[: plane.line_size * plane.height]
        planes.append(rows.reshape(plane.height, plane.line_size))
    return planes
