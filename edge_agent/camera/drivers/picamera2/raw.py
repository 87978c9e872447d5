"""The sensor's raw data as picamera2 hands them over, in one of several packings, as a mosaic.

picamera2 can write DNGs by itself, but only with the PiDNG that fits its version, which PyPI does not have,
without a picture that others can show, and with no time over a second.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from edge_agent.camera.drivers.base import Mosaic
from edge_agent.camera.drivers.mosaics import preview_of
from edge_agent.errors import CameraError

__all__ = ["RawBuffer", "mosaic_of", "unpacked"]

_FORMAT: Final = re.compile(r"S?(?P<order>[RGB]{4})(?P<bits>\d+)(?:_(?P<packing>\w+))?")
_COMPRESSED: Final = "PISP_COMP1"
_PACKED: Final = "CSI2P"
# libcamera tells black levels as if the sensor had this many bits.
_LEVEL_BITS: Final = 16
_RGB_TO_XYZ: Final = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
_NO_CORRECTION: Final = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class RawBuffer:
    """A copy of a request's raw stream, its configuration and metadata; `decompress` is picamera2's."""

    data: Any
    config: Mapping[str, Any]
    metadata: Mapping[str, Any]
    decompress: Callable[[Any], Any]


def mosaic_of(raw: RawBuffer) -> Mosaic:
    """Return the raw picture. Raises CameraError for what cannot be read."""
    try:
        return _mosaic_of(raw)
    except CameraError:
        raise
    except Exception as error:
        raise CameraError(f"the raw data cannot be read: {type(error).__name__}: {error}") from error


def _mosaic_of(raw: RawBuffer) -> Mosaic:
    (width, height), stride, name = raw.config["size"], int(raw.config["stride"]), str(raw.config["format"])
    rows = raw.data[: stride * height].reshape(height, stride)
    codes, order, bits = unpacked(rows, name, width=width, decompress=raw.decompress)
    pattern = ("RGB".index(order[0]), "RGB".index(order[1]), "RGB".index(order[2]), "RGB".index(order[3]))
    told = raw.metadata
    levels = told.get("SensorBlackLevels") or (0,)
    black, white = int(levels[0]) >> (_LEVEL_BITS - bits), (1 << bits) - 1
    red, blue = told.get("ColourGains") or (1.0, 1.0)
    gains = (float(red) or 1.0, 1.0, float(blue) or 1.0)
    correction = np.array(told.get("ColourCorrectionMatrix") or _NO_CORRECTION).reshape(3, 3)
    to_camera = np.linalg.inv(np.array(_RGB_TO_XYZ) @ correction @ np.diag(gains))
    return Mosaic(
        data=codes.astype("<u2").tobytes(),
        width=width,
        height=height,
        pattern=pattern,
        black_level=black,
        white_level=white,
        neutral=(1 / gains[0], 1.0, 1 / gains[2]),
        xyz_to_camera=tuple(float(value) for value in to_camera.ravel()),
        preview=preview_of(codes, pattern=pattern, levels=(black, white), gains=gains),
    )


def unpacked(rows: Any, name: str, *, width: int, decompress: Callable[[Any], Any]) -> tuple[Any, str, int]:
    """Return a pixel's code each of `rows` of bytes, the order of colours, and how many bits there are.

    Raises CameraError for a format that is not known.
    """
    known = _FORMAT.fullmatch(name)
    if known is None:
        raise CameraError(f"raw data in the format {name} are not known")
    order, bits, packing = known["order"], int(known["bits"]), known["packing"]
    if packing == _COMPRESSED:
        return decompress(rows).view("<u2")[:, :width], order, 16
    if packing is None:
        return (rows.view("<u2") if bits > 8 else rows)[:, :width], order, bits
    if packing == _PACKED and bits in (10, 12):
        # Some pixels' upper eight bits, then a byte of what is below, the first pixel's lowest.
        count, below = (4, 2) if bits == 10 else (2, 4)
        groups = rows[:, : -(-width // count) * (count + 1)].reshape(rows.shape[0], -1, count + 1)
        codes = groups[:, :, :count].astype(np.uint16) << below
        for pixel in range(count):
            codes[:, :, pixel] |= (groups[:, :, count] >> (below * pixel)) & ((1 << below) - 1)
        return codes.reshape(rows.shape[0], -1)[:, :width], order, bits
    raise CameraError(f"raw data in the format {name} are not known")
