"""Letters, each drawn once: a text is put together from them, so that a clock costs next to nothing."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final
from unicodedata import combining, normalize

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont, features

from edge_agent.errors import CameraError

__all__ = ["Bytes", "Coverage", "Glyphs", "font_file", "missing"]

logger = logging.getLogger(__name__)

Bytes = npt.NDArray[np.uint8]

# Pillow's own font knows no accents; one of these is on most machines.
_FONTS: Final = (
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
    "/usr/share/fonts/truetype/noto/NotoSans-Regular.ttf",
    "/usr/share/fonts/truetype/liberation/LiberationSans-Regular.ttf",
    "/usr/share/fonts/truetype/freefont/FreeSans.ttf",
)
# What a font without a letter writes in its place, beside the letter without its accent.
_INSTEAD: Final = {
    "ä": "ae",
    "ö": "oe",
    "ü": "ue",
    "Ä": "Ae",
    "Ö": "Oe",
    "Ü": "Ue",
    "ß": "ss",
    "ø": "o",
    "Ø": "O",
    "æ": "ae",
    "Æ": "Ae",
    "\N{MICRO SIGN}": "u",
    "\N{GREEK SMALL LETTER MU}": "u",
    "\N{MULTIPLICATION SIGN}": "x",
    "\N{EN DASH}": "-",
    "\N{EM DASH}": "-",
    "\N{MINUS SIGN}": "-",
    "…": "...",
    "\N{RIGHT SINGLE QUOTATION MARK}": "'",
    "·": ".",
}
_NO_LETTER: Final = "\uffff"
_ELLIPSIS: Final = "…"
_DIGITS: Final = "0123456789"
_CACHED: Final = 512
_STROKE: Final = 14  # one part in so many of the letters' size
_FONT: Final = 0.74  # of a line's height


def missing() -> str | None:
    """Return why no text can be drawn here, or None."""
    if features.check("freetype2"):
        return None
    return "Pillow was built without FreeType here: install another Pillow"


def font_file(wanted: Path | None) -> Path | None:
    """Return the font to draw with: the wanted one, else one that is installed; None is Pillow's own."""
    if wanted is not None:
        try:
            ImageFont.truetype(wanted)
        except (OSError, ValueError) as error:
            logger.warning("The overlay's font '%s' cannot be used: %s", wanted, error)
        else:
            return wanted
    return next((path for path in map(Path, _FONTS) if path.is_file()), None)


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of each pixel the letters cover, and how much they and their dark edge do, up to 255."""

    letters: Bytes
    edged: Bytes


class Glyphs:
    """Letters for lines of one height in pixels, of a font file, or of Pillow's own. Raises CameraError."""

    def __init__(self, height: int, *, font_file: Path | None = None) -> None:
        self.height = height
        size = max(6, round(height * _FONT))
        try:
            font = ImageFont.load_default(size) if font_file is None else ImageFont.truetype(font_file, size)
        except (OSError, ValueError) as error:
            raise CameraError(f"the overlay's font '{font_file}' cannot be read: {error}") from error
        if not isinstance(font, ImageFont.FreeTypeFont):
            raise CameraError(missing() or "Pillow has no font of any size here")
        self._font = font
        self._stroke = max(1, round(height / _STROKE))
        self._no_letter = self._shape(_NO_LETTER)
        ascent, descent = font.getmetrics()
        self._baseline = round((height + ascent - descent) / 2)
        # A clock whose digits are not equally wide would never stand still.
        self._digit = max(self._wide(digit) for digit in _DIGITS)
        self._drawn = lru_cache(maxsize=_CACHED)(self._draw)
        self._written = lru_cache(maxsize=_CACHED)(self._write)

    def writable(self, text: str) -> str:
        """Return `text` as this font can write it: a letter that it has not is written otherwise."""
        return "".join(self._written(character) for character in text)

    def width(self, text: str) -> int:
        """Return how wide a line is, in pixels."""
        return sum(self._advance(character) for character in text) + 2 * self._stroke

    def fitting(self, text: str, width: int) -> str:
        """Return `text` as it can be written, cut off with an ellipsis where it is wider than `width`."""
        text = self.writable(text)
        if self.width(text) <= width:
            return text
        ellipsis = self.writable(_ELLIPSIS)
        left = width - self.width(ellipsis)
        kept = 0
        for character in text:
            left -= self._advance(character)
            if left < 0:
                break
            kept += 1
        return text[:kept].rstrip() + ellipsis

    def lines(self, lines: Sequence[str], *, right: bool) -> Coverage:
        """Put lines together, below each other, flush right where asked for."""
        widths = [self.width(line) for line in lines]
        shape = (self.height * len(lines), max(widths, default=0))
        letters, edged = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
        for number, (line, width) in enumerate(zip(lines, widths, strict=True)):
            x = shape[1] - width if right else 0
            rows = slice(number * self.height, (number + 1) * self.height)
            for cell, advance in self._cells(line):
                # A cell is wider than its letter: the edges of neighbours overlap.
                columns = slice(x, min(x + cell.letters.shape[1], shape[1]))
                span = columns.stop - columns.start
                for whole, part in ((letters, cell.letters), (edged, cell.edged)):
                    place = whole[rows, columns]
                    np.maximum(place, part[:, :span], out=place)
                x += advance
        return Coverage(letters, edged)

    def _write(self, character: str) -> str:
        if character.isascii() or self._shape(character) != self._no_letter:
            return character
        bare = "".join(part for part in normalize("NFD", character) if not combining(part))
        instead = _INSTEAD.get(character, bare)
        return instead if instead.isascii() else "?"

    def _shape(self, character: str) -> tuple[tuple[int, int], bytes]:
        mask = self._font.getmask(character)
        return mask.size, bytes(mask)

    def _cells(self, line: str) -> Iterable[tuple[Coverage, int]]:
        return ((self._drawn(character), self._advance(character)) for character in line)

    def _wide(self, character: str) -> int:
        return round(self._font.getlength(character))

    def _advance(self, character: str) -> int:
        return self._digit if character in _DIGITS else self._drawn_width(character)

    def _drawn_width(self, character: str) -> int:
        width: int = self._drawn(character).letters.shape[1]
        return max(1, width - 2 * self._stroke)

    def _draw(self, character: str) -> Coverage:
        width = self._digit if character in _DIGITS else max(1, self._wide(character))
        size = (width + 2 * self._stroke, self.height)
        # In the middle of its advance, so that a narrow digit stands where a wide one would.
        at = (self._stroke + (width - self._wide(character)) / 2, self._baseline)
        letters, edged = Image.new("L", size), Image.new("L", size)
        ImageDraw.Draw(letters).text(at, character, fill=255, font=self._font, anchor="ls")
        ImageDraw.Draw(edged).text(
            at, character, fill=255, font=self._font, anchor="ls", stroke_width=self._stroke
        )
        return Coverage(np.asarray(letters, np.uint8), np.asarray(edged, np.uint8))
