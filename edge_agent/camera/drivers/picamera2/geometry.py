"""Rectangles: from fractions of the picture to the sensor's pixels, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from edge_agent.camera.settings import Window

__all__ = ["Geometry", "Rect"]

Rect = tuple[int, int, int, int]

# The image processor rounds crops to its own grid.
_SAME_SHARE: Final = 0.01
_WHOLE: Final = Window()


@dataclass(frozen=True, slots=True)
class Geometry:
    """The largest crop of the present sensor mode, the smallest, and the picture's shape (width / height)."""

    largest: Rect
    smallest: tuple[int, int]
    shape: float

    def crop(self, roi: Window) -> Rect:
        """Return the part of the sensor that shows `roi`: its middle, in the picture's shape."""
        left, top, width, height = self.largest
        wide, high = roi.width * width, roi.height * height
        x, y = left + roi.x * width, top + roi.y * height
        new_wide, new_high = min(wide, high * self.shape), min(high, wide / self.shape)
        x += (wide - new_wide) / 2
        y += (high - new_high) / 2
        grow = max(1.0, self.smallest[0] / new_wide, self.smallest[1] / new_high)
        x -= (grow - 1) * new_wide / 2
        y -= (grow - 1) * new_high / 2
        wide, high = min(new_wide * grow, width), min(new_high * grow, height)
        x = min(max(x, left), left + width - wide)
        y = min(max(y, top), top + height - high)
        return _even(x), _even(y), _even(wide), _even(high)

    def roi(self, crop: Rect) -> Window:
        """Return which part of the field of view a crop is."""
        left, top, width, height = self.largest
        x, y = max(0.0, (crop[0] - left) / width), max(0.0, (crop[1] - top) / height)
        return Window(
            x=round(min(x, 0.999), 4),
            y=round(min(y, 0.999), 4),
            width=round(min(crop[2] / width, 1 - min(x, 0.999)), 4),
            height=round(min(crop[3] / height, 1 - min(y, 0.999)), 4),
        )

    def shows(self, roi: Window, crop: Rect) -> bool:
        """Whether `crop` is what `roi` comes to, but for rounding."""
        expected = self.crop(roi)
        spans = (self.largest[2], self.largest[3]) * 2
        return all(abs(a - b) <= _SAME_SHARE * span for a, b, span in zip(expected, crop, spans, strict=True))

    def window(self, window: Window, roi: Window) -> Rect:
        """Return a window in the picture in the sensor's pixels, as autofocus takes it."""
        left, top, width, height = self.crop(roi)
        return (
            round(left + window.x * width),
            round(top + window.y * height),
            max(1, round(window.width * width)),
            max(1, round(window.height * height)),
        )


def _even(value: float) -> int:
    return int(value) & ~1
