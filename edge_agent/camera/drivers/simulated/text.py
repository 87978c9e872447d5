"""Text burnt into the picture, from cells that are drawn once."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from PIL import Image as Picture
from PIL import ImageDraw, ImageFont

from edge_agent.camera.drivers.simulated.backdrop import Plane

__all__ = ["burn"]

_BLACK: Final = 16
_WHITE: Final = 235
_NEUTRAL: Final = 128
_LINES_IN_PICTURE: Final = 30
_SMALLEST_PX: Final = 10
_LARGEST_PX: Final = 64


@lru_cache(maxsize=512)
def _cell(character: str, height: int) -> Plane:
    """Return a character, white on black, in a cell of this height and a little more than half as wide."""
    width = round(height * 0.55)
    try:
        font = ImageFont.load_default(round(height * 0.8))
        picture = Picture.new("L", (width, height), 0)
        ImageDraw.Draw(picture).text((width / 2, height / 2), character, fill=255, font=font, anchor="mm")
    except (TypeError, ImportError, ValueError):
        # Before Pillow 10.1, and without FreeType, there is one font of one size, 6 by 11.
        small = Picture.new("L", (6, 11), 0)
        ImageDraw.Draw(small).text((0, 0), character, fill=255, font=ImageFont.load_default())
        picture = small.resize((width, height), Picture.Resampling.BILINEAR)
    codes = np.asarray(picture, np.float32)
    return np.asarray(_BLACK + codes * ((_WHITE - _BLACK) / 255), np.uint8)


def burn(luma: Plane, chroma: tuple[Plane, Plane], lines: list[str]) -> None:
    """Write lines into the upper left of a picture of limited range; what does not fit is cut off."""
    height = min(max(luma.shape[0] // _LINES_IN_PICTURE, _SMALLEST_PX), _LARGEST_PX) & ~1
    top = left = (height // 3) & ~1
    for line in lines:
        row = np.hstack([_cell(character, height) for character in line])
        part = luma[top : top + height, left : left + row.shape[1]]
        part[:] = row[: part.shape[0], : part.shape[1]]
        for plane in chroma:
            plane[top // 2 : (top + height) // 2, left // 2 : (left + row.shape[1] + 1) // 2] = _NEUTRAL
        top += height
