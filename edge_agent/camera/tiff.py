"""TIFF, written by hand: what EXIF and DNG are made of, and no more of it. Little-endian throughout."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, TypeAlias

__all__ = [
    "PAYLOAD_AT",
    "Directory",
    "Field",
    "byte",
    "long",
    "rational",
    "short",
    "signed_rational",
    "text",
    "tiff",
    "undefined",
]

# Where the payload of a file begins, for the offsets that point into it.
PAYLOAD_AT: Final = 8

_MAGIC: Final = b"II*\x00"
_BYTE, _ASCII, _SHORT, _LONG, _RATIONAL, _UNDEFINED, _SIGNED_RATIONAL = 1, 2, 3, 4, 5, 7, 10
_ENTRY: Final = struct.Struct("<HHI4s")
_MOST: Final = 2**32 - 1
_MOST_SIGNED: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Field:
    """The values of one tag."""

    kind: int
    count: int
    data: bytes


Directory: TypeAlias = Mapping[int, "Field | Directory"]


def byte(*values: int) -> Field:
    """Return bytes."""
    return Field(_BYTE, len(values), bytes(values))


def text(value: str) -> Field:
    """Return a text. The format has ASCII only; UTF-8 is what readers expect of everything else."""
    data = value.replace("\x00", "").encode() + b"\x00"
    return Field(_ASCII, len(data), data)


def short(*values: int) -> Field:
    """Return numbers of 16 bits."""
    return Field(_SHORT, len(values), struct.pack(f"<{len(values)}H", *values))


def long(*values: int) -> Field:
    """Return numbers of 32 bits."""
    return Field(_LONG, len(values), struct.pack(f"<{len(values)}I", *values))


def undefined(data: bytes) -> Field:
    """Return bytes that mean what their tag says."""
    return Field(_UNDEFINED, len(data), data)


def rational(*values: float | Fraction) -> Field:
    """Return fractions, from 0 on; what is too large is as large as can be, which means infinity."""
    within = (max(Fraction(0), min(Fraction(value), Fraction(_MOST))) for value in values)
    parts = [part for value in within for part in _parts(value, _MOST)]
    return Field(_RATIONAL, len(values), struct.pack(f"<{len(parts)}I", *parts))


def signed_rational(*values: float | Fraction) -> Field:
    """Return fractions of either sign."""
    parts = [part for value in values for part in _parts(Fraction(value), _MOST_SIGNED)]
    return Field(_SIGNED_RATIONAL, len(values), struct.pack(f"<{len(parts)}i", *parts))


def _parts(fraction: Fraction, most: int) -> tuple[int, int]:
    # The denominator is small enough for the numerator to fit, too.
    fraction = fraction.limit_denominator(max(1, min(1_000_000, most // (abs(int(fraction)) + 1))))
    return fraction.numerator, fraction.denominator


def tiff(directory: Directory, *, payload: bytes = b"") -> bytes:
    """Return a file of one directory and those in it. The payload is at `PAYLOAD_AT`."""
    padding = b"\x00" * (len(payload) % 2)
    at = PAYLOAD_AT + len(payload) + len(padding)
    return b"".join((_MAGIC, struct.pack("<I", at), payload, padding, _written(directory, at)))


def _written(directory: Directory, at: int) -> bytes:
    """Return a directory that is written at `at`: its table, and behind it what does not fit into that."""
    data_at = at + 2 + 12 * len(directory) + 4
    table: dict[int, bytes] = {}
    data = bytearray()
    for tag, value in directory.items():
        if isinstance(value, Field):
            kind, count, content = value.kind, value.count, value.data
        else:
            kind, count, content = _LONG, 1, b""
        if isinstance(value, Field) and len(content) <= 4:
            inline = content.ljust(4, b"\x00")
        else:
            data += b"\x00" * (len(data) % 2)
            offset = data_at + len(data)
            data += content if isinstance(value, Field) else _written(value, offset)
            inline = struct.pack("<I", offset)
        table[tag] = _ENTRY.pack(tag, kind, count, inline)
    entries = b"".join(entry for _, entry in sorted(table.items()))
    return struct.pack("<H", len(table)) + entries + struct.pack("<I", 0) + bytes(data)
