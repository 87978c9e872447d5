"""The process that makes one thumbnail: the picture on its standard input, a JPEG on its standard output.

It is a process of its own for its library, which is too large for the agent, and for what it decodes.
"""

from __future__ import annotations

import os
import sys
import warnings
from typing import Final

__all__ = ["main"]

_LONG_SIDE: Final = 320
_QUALITY: Final = 80
_MAX_PIXELS: Final = 256 * 1024 * 1024
_NICE: Final = 10


def main() -> int:
    """Make it; what is wrong goes to standard error, in one line."""
    from PIL import Image, ImageOps  # noqa: PLC0415 - told as an error where it is missing

    os.nice(_NICE)
    warnings.simplefilter("ignore")
    Image.MAX_IMAGE_PIXELS = _MAX_PIXELS
    try:
        with Image.open(sys.stdin.buffer, formats=["JPEG", "PNG", "TIFF"]) as image:
            image.draft("RGB", (2 * _LONG_SIDE, 2 * _LONG_SIDE))
            image.thumbnail((_LONG_SIDE, _LONG_SIDE))
            upright = ImageOps.exif_transpose(image) or image
            upright.convert("RGB").save(sys.stdout.buffer, "JPEG", quality=_QUALITY)
    except (OSError, ValueError, SyntaxError, MemoryError, Image.DecompressionBombError) as error:
        sys.stderr.write(f"{type(error).__name__}: {error}".splitlines()[0])
        return 1
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
