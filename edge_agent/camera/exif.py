"""EXIF: when a picture was taken, where, by what, and how it was exposed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from typing import Final

from edge_agent import __version__
from edge_agent.camera.capabilities import Reading
from edge_agent.camera.messages import PictureTags
from edge_agent.camera.settings import CameraSettings
from edge_agent.camera.tiff import Directory, Field, rational, short, signed_rational, text, tiff, undefined

__all__ = ["EXIF_DIRECTORY", "Facts", "exif", "exif_directory", "main_fields"]

EXIF_DIRECTORY: Final = 0x8769

_IMAGE_DESCRIPTION: Final = 0x010E
_MODEL: Final = 0x0110
_SOFTWARE: Final = 0x0131
_DATE_TIME: Final = 0x0132
_HOST_COMPUTER: Final = 0x013C
_EXPOSURE_TIME: Final = 0x829A
_SENSITIVITY: Final = 0x8827
_VERSION: Final = 0x9000
_TIMES: Final = (0x9003, 0x9004)  # original, digitized
_OFFSETS: Final = (0x9010, 0x9011, 0x9012)  # of the time, original, digitized
_SUB_SECONDS: Final = (0x9290, 0x9291, 0x9292)
_BRIGHTNESS: Final = 0x9203
_SUBJECT_DISTANCE: Final = 0x9206
_USER_COMMENT: Final = 0x9286
_EXPOSURE_MODE: Final = 0xA402
_WHITE_BALANCE: Final = 0xA403

_ASCII_COMMENT: Final = b"ASCII\x00\x00\x00"
_MOST_SENSITIVITY: Final = 65_535
# A grey scene throws back 18 % of the light, evenly all around; APEX counts in foot-lamberts.
_APEX_PER_LUX: Final = 0.18 / math.pi / 3.4263


@dataclass(frozen=True, slots=True)
class Facts:
    """What there is to tell of one picture."""

    tags: PictureTags
    reading: Reading
    captured_at: datetime
    model: str
    settings: CameraSettings


def exif(facts: Facts) -> bytes:
    """Return the block as JPEG carries it; without its first six bytes it is PNG's."""
    return b"Exif\x00\x00" + tiff({**main_fields(facts), EXIF_DIRECTORY: exif_directory(facts)})


def main_fields(facts: Facts) -> Mapping[int, Field]:
    """Return the fields of a file's main directory."""
    tags = facts.tags
    fields = {
        _MODEL: text(facts.model),
        _SOFTWARE: text(tags.software or f"edge-agent {__version__}"),
        _DATE_TIME: text(f"{facts.captured_at.astimezone(UTC):%Y:%m:%d %H:%M:%S}"),
    }
    if tags.node:
        fields[_HOST_COMPUTER] = text(tags.node)
    if tags.description:
        fields[_IMAGE_DESCRIPTION] = text(tags.description)
    return fields


def exif_directory(facts: Facts) -> Directory:
    """Return the directory of EXIF's own: the exact time in UTC, and how the frame was exposed."""
    moment = facts.captured_at.astimezone(UTC)
    fields: dict[int, Field] = {_VERSION: undefined(b"0232")}
    fields |= dict.fromkeys(_TIMES, text(f"{moment:%Y:%m:%d %H:%M:%S}"))
    fields |= dict.fromkeys(_OFFSETS, text("+00:00"))
    fields |= dict.fromkeys(_SUB_SECONDS, text(f"{moment.microsecond // 1000:03d}"))
    fields[_EXPOSURE_MODE] = short(1 if facts.settings.exposure.mode == "manual" else 0)
    fields[_WHITE_BALANCE] = short(0 if facts.settings.white_balance.mode == "auto" else 1)
    fields |= _exposed(facts.reading)
    comment = _comment(facts.reading)
    if comment:
        fields[_USER_COMMENT] = undefined(_ASCII_COMMENT + comment.encode())
    return fields


def _exposed(reading: Reading) -> dict[int, Field]:
    fields: dict[int, Field] = {}
    if reading.exposure_us is not None:
        fields[_EXPOSURE_TIME] = rational(Fraction(reading.exposure_us, 1_000_000))
    if reading.analogue_gain is not None:
        gain = reading.analogue_gain * (reading.digital_gain or 1.0)
        fields[_SENSITIVITY] = short(min(max(round(gain * 100), 1), _MOST_SENSITIVITY))
    if reading.lux is not None and reading.lux > 0:
        fields[_BRIGHTNESS] = signed_rational(round(math.log2(reading.lux * _APEX_PER_LUX), 4))
    if reading.lens_position is not None:
        dioptres = Fraction(reading.lens_position).limit_denominator(10_000)
        fields[_SUBJECT_DISTANCE] = rational(1 / dioptres if dioptres > 0 else 2**32)
    return fields


def _comment(reading: Reading) -> str:
    """Return what EXIF has no tag of its own for."""
    told = {
        "lux": reading.lux,
        "analogue_gain": reading.analogue_gain,
        "colour_temperature_k": reading.colour_temperature_k,
        "lens_position": reading.lens_position,
        "sequence": reading.sequence,
    }
    return " ".join(f"{name}={value:g}" for name, value in told.items() if value is not None)
