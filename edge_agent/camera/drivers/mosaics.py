"""Raw pictures, seen: a small picture of what the sensor gave."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

__all__ = ["preview_of"]

_WIDTH_PX: Final = 288
_GAMMA: Final = 1 / 2.2
_PLACES: Final = ((0, 0), (0, 1), (1, 0), (1, 1))


def preview_of(
    codes: Any, *, pattern: tuple[int, ...], levels: tuple[int, int], gains: tuple[float, float, float]
) -> tuple[int, int, bytes]:
    """Return width, height and RGB of a small picture: one quad of many, in white balance.

    `pattern` says of each quad which colour its pixels see, `levels` are black and white.
    """
    step = 2 * max(1, -(-codes.shape[1] // (2 * _WIDTH_PX)))
    black, white = levels
    planes: dict[int, list[Any]] = {0: [], 1: [], 2: []}
    for (row, column), colour in zip(_PLACES, pattern, strict=True):
        seen = codes[row::step, column::step].astype(np.float32)
        planes[colour].append((seen - black) / (white - black) * gains[colour])
    rgb = np.dstack([sum(parts) / len(parts) for _, parts in sorted(planes.items())])
    small = np.rint(np.clip(rgb, 0, 1) ** _GAMMA * 255).astype(np.uint8)
    return small.shape[1], small.shape[0], small.tobytes()
