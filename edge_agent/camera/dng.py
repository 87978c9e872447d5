"""DNG: raw data as raw developers read it, with a small picture for everybody else."""

from __future__ import annotations

from typing import Final

from edge_agent.camera.drivers.base import Mosaic
from edge_agent.camera.exif import EXIF_DIRECTORY, Facts, exif_directory, main_fields
from edge_agent.camera.tiff import (
    PAYLOAD_AT,
    Directory,
    byte,
    long,
    rational,
    short,
    signed_rational,
    text,
    tiff,
)

__all__ = ["dng"]

_SUB_FILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 256, 257, 258, 259, 262
_MAKE, _STRIP_OFFSETS, _ORIENTATION, _SAMPLES, _ROWS_PER_STRIP, _STRIP_BYTES = 271, 273, 274, 277, 278, 279
_PLANAR, _SUB_DIRECTORIES, _CFA_REPEAT, _CFA_PATTERN = 284, 330, 33421, 33422
_DNG_VERSION, _DNG_BACKWARD_VERSION, _UNIQUE_MODEL = 50706, 50707, 50708
_CFA_PLANE_COLOUR, _CFA_LAYOUT, _BLACK_LEVEL, _WHITE_LEVEL = 50710, 50711, 50714, 50717
_COLOUR_MATRIX_1, _AS_SHOT_NEUTRAL, _CALIBRATION_ILLUMINANT_1 = 50721, 50728, 50778

_RAW: Final = 0
_REDUCED: Final = 1
_RGB: Final = 2
_COLOUR_FILTER_ARRAY: Final = 32803
_UNCOMPRESSED: Final = 1
_UPRIGHT: Final = 1
_D65: Final = 21
_MAKER: Final = "edge-agent"


def dng(mosaic: Mosaic, facts: Facts) -> bytes:
    """Return the file: the small picture comes first, as the format wants it, the raw data below it."""
    wide, high, preview = mosaic.preview
    raw_bytes = len(mosaic.data)
    main: Directory = {
        **_image(wide, high, at=PAYLOAD_AT + raw_bytes, size=len(preview), kind=_REDUCED),
        _BITS: short(8, 8, 8),
        _PHOTOMETRIC: short(_RGB),
        _SAMPLES: short(3),
        _MAKE: text(_MAKER),
        **main_fields(facts),
        _DNG_VERSION: byte(1, 4, 0, 0),
        _DNG_BACKWARD_VERSION: byte(1, 1, 0, 0),
        _UNIQUE_MODEL: text(f"{_MAKER} {facts.model}"),
        _COLOUR_MATRIX_1: signed_rational(*mosaic.xyz_to_camera),
        _AS_SHOT_NEUTRAL: rational(*mosaic.neutral),
        _CALIBRATION_ILLUMINANT_1: short(_D65),
        _SUB_DIRECTORIES: {
            **_image(mosaic.width, mosaic.height, at=PAYLOAD_AT, size=raw_bytes, kind=_RAW),
            _BITS: short(16),
            _PHOTOMETRIC: short(_COLOUR_FILTER_ARRAY),
            _SAMPLES: short(1),
            _CFA_REPEAT: short(2, 2),
            _CFA_PATTERN: byte(*mosaic.pattern),
            _CFA_PLANE_COLOUR: byte(0, 1, 2),
            _CFA_LAYOUT: short(1),
            _BLACK_LEVEL: short(mosaic.black_level),
            _WHITE_LEVEL: short(mosaic.white_level),
        },
        EXIF_DIRECTORY: exif_directory(facts),
    }
    return tiff(main, payload=mosaic.data + preview)


def _image(width: int, height: int, *, at: int, size: int, kind: int) -> Directory:
    return {
        _SUB_FILE: long(kind),
        _WIDTH: long(width),
        _HEIGHT: long(height),
        _COMPRESSION: short(_UNCOMPRESSED),
        _STRIP_OFFSETS: long(at),
        _ORIENTATION: short(_UPRIGHT),
        _ROWS_PER_STRIP: long(height),
        _STRIP_BYTES: long(size),
        _PLANAR: short(1),
    }
