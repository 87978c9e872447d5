"""What a picture's own bytes say of its size, for one whose record was lost."""

from __future__ import annotations

import struct
from typing import Final

from edge_agent.snapshots.picture import PictureFormat

__all__ = ["HEADER_BYTES", "pixels_of"]

# Enough for the EXIF, the preview in it, and what comes before a JPEG's frame header.
HEADER_BYTES: Final = 256 * 1024

_FRAME_HEADERS: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WIDTH, _HEIGHT = 256, 257
_MAX_TAGS: Final = 512


def pixels_of(header: bytes, format_: PictureFormat) -> tuple[int, int] | None:
    """Return width and height, None where these are not the first bytes of such a picture."""
    read = {"jpeg": _jpeg, "png": _png, "dng": _tiff}[format_]
    try:
        found = read(header)
    except (struct.error, IndexError):
        return None
    return found if found and min(found) > 0 else None


def _jpeg(header: bytes) -> tuple[int, int] | None:
    if not header.startswith(b"\xff\xd8"):
        return None
    position = 2
    while header[position] == 0xFF:
        marker = header[position + 1]
        if marker == 0xFF:
            position += 1
        elif marker in _FRAME_HEADERS:
            height, width = struct.unpack_from(">HH", header, position + 5)
            return width, height
        else:
            (length,) = struct.unpack_from(">H", header, position + 2)
            position += 2 + length
    return None


def _png(header: bytes) -> tuple[int, int] | None:
    if not header.startswith(b"\x89PNG\r\n\x1a\n"):
        return None
    width, height = struct.unpack_from(">II", header, 16)
    return width, height


def _tiff(header: bytes) -> tuple[int, int] | None:
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(header[:4])
    if order is None:
        return None
    (position,) = struct.unpack_from(order + "I", header, 4)
    (count,) = struct.unpack_from(order + "H", header, position)
    found: dict[int, int] = {}
    for number in range(min(count, _MAX_TAGS)):
        tag, kind = struct.unpack_from(order + "HH", header, position + 2 + 12 * number)
        if tag in (_WIDTH, _HEIGHT):
            (found[tag],) = struct.unpack_from(
                order + ("H" if kind == 3 else "I"), header, position + 10 + 12 * number
            )
    return (found[_WIDTH], found[_HEIGHT]) if len(found) == 2 else None
