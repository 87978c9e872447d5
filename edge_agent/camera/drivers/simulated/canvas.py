"""Drawing in the scene's own units, whatever part of it is shown and how large."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from PIL import Image as Picture
from PIL import ImageChops, ImageDraw

__all__ = ["Canvas", "Colour", "Rect"]

Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Rect:
    """A rectangle, in the scene's units or in pixels."""

    x: float
    y: float
    width: float
    height: float

    def within(self, outer: Rect) -> Rect:
        """Return this rectangle in fractions of `outer`."""
        return Rect(
            (self.x - outer.x) / outer.width,
            (self.y - outer.y) / outer.height,
            self.width / outer.width,
            self.height / outer.height,
        )


class Canvas:
    """A picture of a part of the scene. What lies beyond it is not drawn."""

    def __init__(self, view: Rect, size: tuple[int, int], background: Colour = (0, 0, 0)) -> None:
        self.view = view
        self.image = Picture.new("RGB", size, background)
        self._draw = ImageDraw.Draw(self.image)
        self._scale = (size[0] / view.width, size[1] / view.height)

    def _at(self, x: float, y: float) -> tuple[float, float]:
        return (x - self.view.x) * self._scale[0], (y - self.view.y) * self._scale[1]

    def _box(self, rect: Rect) -> tuple[float, float, float, float] | None:
        left, top = self._at(rect.x, rect.y)
        right, bottom = self._at(rect.x + rect.width, rect.y + rect.height)
        if right < 0 or bottom < 0 or left > self.image.width or top > self.image.height:
            return None
        # Pillow draws the right and lower edge, too.
        return left, top, max(right - 1, left), max(bottom - 1, top)

    def rect(self, x: float, y: float, width: float, height: float, colour: Colour) -> None:
        """Fill a rectangle."""
        box = self._box(Rect(x, y, width, height))
        if box is not None:
            self._draw.rectangle(box, fill=colour)

    def ellipse(self, x: float, y: float, radius_x: float, radius_y: float, colour: Colour) -> None:
        """Fill an ellipse around a point."""
        box = self._box(Rect(x - radius_x, y - radius_y, 2 * radius_x, 2 * radius_y))
        if box is not None:
            self._draw.ellipse(box, fill=colour)

    def polygon(self, points: Iterable[tuple[float, float]], colour: Colour) -> None:
        """Fill a polygon."""
        self._draw.polygon([self._at(x, y) for x, y in points], fill=colour)

    def line(self, points: Sequence[tuple[float, float]], width: float, colour: Colour) -> None:
        """Draw a line of a width in the scene's units."""
        pixels = max(1, round(width * self._scale[0]))
        self._draw.line([self._at(x, y) for x, y in points], fill=colour, width=pixels)

    def modulate(self, picture: Picture.Image, rect: Rect) -> None:
        """Add a texture of greys to what is in a rectangle; 128 changes nothing."""
        left, top = (round(value) for value in self._at(rect.x, rect.y))
        right, bottom = (round(value) for value in self._at(rect.x + rect.width, rect.y + rect.height))
        shown = (max(left, 0), max(top, 0), min(right, self.image.width), min(bottom, self.image.height))
        if shown[0] >= shown[2] or shown[1] >= shown[3]:
            return
        per_x, per_y = picture.width / (right - left), picture.height / (bottom - top)
        box = (
            (shown[0] - left) * per_x,
            (shown[1] - top) * per_y,
            (shown[2] - left) * per_x,
            (shown[3] - top) * per_y,
        )
        size = (shown[2] - shown[0], shown[3] - shown[1])
        texture = picture.resize(size, Picture.Resampling.BILINEAR, box=box)
        below = self.image.crop(shown)
        bands = [ImageChops.add(band, texture, offset=-128) for band in below.split()]
        self.image.paste(Picture.merge("RGB", bands), shown[:2])
