"""A drawn text laid over a picture's planes, and taken off again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edge_agent.camera.overlay.glyphs import Bytes, Coverage, Glyphs

__all__ = ["LAYOUTS", "Look", "Patch", "Plane"]

_BLACK, _WHITE, _NEUTRAL = 16, 235, 128
_SMALLEST_PX: Final = 10
_PADDING: Final = 0.25  # of a line's height, around the text

Words = npt.NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class Plane:
    """A plane's place in a pixel format: bytes a sample, and how many pixels a sample is wide and high.

    `colour` tells that it holds chroma; the others hold what is bright and dark, from `black` to `white`.
    """

    step: int = 1
    across: int = 1
    down: int = 1
    colour: bool = False
    black: int = _BLACK
    white: int = _WHITE


_LUMA: Final = Plane()
_FULL_LUMA: Final = Plane(black=0, white=255)
_CHROMA: Final = Plane(across=2, down=2, colour=True)
_RGB: Final = Plane(step=3, black=0, white=255)
LAYOUTS: Final[dict[str, tuple[Plane, ...]]] = {
    "yuv420p": (_LUMA, _CHROMA, _CHROMA),
    "yuvj420p": (_FULL_LUMA, _CHROMA, _CHROMA),
    "nv12": (_LUMA, Plane(step=2, across=2, down=2, colour=True)),
    "rgb24": (_RGB,),
    "bgr24": (_RGB,),
}


@dataclass(frozen=True, slots=True)
class Look:
    """Where a text is and how it looks; shares are of the picture's height."""

    position: str
    size: float
    margin: float
    background: float


@dataclass(frozen=True, slots=True)
class _Blend:
    """One plane's part: what of the picture is kept, of 256, and what is added to it."""

    rows: slice
    columns: slice
    keep: Words
    add: Words
    scratch: Words


class Patch:
    """A text as it lies over pictures of one size and format; it costs a few operations on its own area."""

    def __init__(
        self, text: str, *, look: Look, glyphs: Glyphs, width: int, height: int, layout: tuple[Plane, ...]
    ) -> None:
        self._blends: tuple[_Blend, ...] = ()
        margin = min(round(look.margin * height), width // 4, height // 4)
        padding = max(2, round(glyphs.height * _PADDING))
        room = (width - 2 * (margin + padding), height - 2 * (margin + padding))
        lines = [
            glyphs.fitting(line, room[0]) for line in text.split("\n")[: max(1, room[1] // glyphs.height)]
        ]
        if not any(line.strip() for line in lines):
            return
        right, bottom = look.position.endswith("right"), look.position.startswith("bottom")
        coverage = glyphs.lines(lines, right=right)
        box = _padded(coverage, padding, most=(height - height % 2, width - width % 2))
        high, wide = box.letters.shape
        left = min(max(0, width - margin - wide if right else margin), width - wide) & ~1
        top = min(max(0, height - margin - high if bottom else margin), height - high) & ~1
        alpha = np.maximum(box.edged, round(look.background * 255)).astype(np.uint16)
        alpha += alpha >> 7  # 255 becomes 256, which is all
        self._blends = tuple(_blend(plane, box.letters, alpha, left, top) for plane in layout)

    @staticmethod
    def glyph_height(look: Look, height: int) -> int:
        """Return the height of a line, in pixels, in a picture of this height."""
        return min(max(round(look.size * height), _SMALLEST_PX), max(height // 2, 2))

    def lay(self, planes: list[Any]) -> list[Bytes]:
        """Draw on planes (rows of bytes); returns what was under it, for `take_off`."""
        under: list[Bytes] = []
        for plane, blend in zip(planes, self._blends, strict=False):
            area = plane[blend.rows, blend.columns]
            under.append(area.copy())
            np.multiply(area, blend.keep, out=blend.scratch)
            np.add(blend.scratch, blend.add, out=blend.scratch)
            np.right_shift(blend.scratch, 8, out=blend.scratch)
            area[:] = blend.scratch
        return under

    def take_off(self, planes: list[Any], under: list[Bytes]) -> None:
        """Put back what was under it."""
        for plane, blend, before in zip(planes, self._blends, under, strict=False):
            plane[blend.rows, blend.columns] = before


def _padded(coverage: Coverage, padding: int, *, most: tuple[int, int]) -> Coverage:
    """Return the letters with room around them, an even number of pixels wide and high, and cut to fit."""
    high, wide = coverage.letters.shape
    around = ((padding, padding + high % 2), (padding, padding + wide % 2))
    letters, edged = (
        np.ascontiguousarray(np.pad(part, around)[: most[0], : most[1]])
        for part in (coverage.letters, coverage.edged)
    )
    return Coverage(letters, edged)


def _blend(plane: Plane, letters: Bytes, alpha: Words, left: int, top: int) -> _Blend:
    # Of chroma, the pixel of each sample that is covered most counts: no colour shines through an edge.
    high, wide = alpha.shape[0] // plane.down, alpha.shape[1] // plane.across
    most = alpha.reshape(high, plane.down, wide, plane.across).max(axis=(1, 3))
    if plane.colour:
        value: npt.NDArray[Any] = np.full_like(most, _NEUTRAL)
    else:
        value = plane.black + letters.astype(np.uint32) * (plane.white - plane.black) // 255
    add = (most * value.astype(np.uint32)).astype(np.uint16)
    keep = (256 - most).astype(np.uint16)
    if plane.step > 1:
        add, keep = (np.repeat(part, plane.step, axis=1) for part in (add, keep))
    first_row, first_column = top // plane.down, left // plane.across * plane.step
    return _Blend(
        rows=slice(first_row, first_row + keep.shape[0]),
        columns=slice(first_column, first_column + keep.shape[1]),
        keep=keep,
        add=add,
        scratch=np.empty_like(keep),
    )
