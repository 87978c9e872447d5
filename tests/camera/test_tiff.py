from __future__ import annotations

import io
import struct
from fractions import Fraction

import pytest
from PIL import Image

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
    undefined,
)

INNER, SOFTWARE, MODEL = 0x8769, 305, 272
PICTURE: Directory = {
    256: long(2),
    257: long(2),
    258: short(8),
    259: short(1),
    262: short(1),
    273: long(PAYLOAD_AT),
    277: short(1),
    278: long(2),
    279: long(4),
}


def read(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def test_a_picture_and_its_fields_are_what_an_independent_reader_sees() -> None:
    content = tiff({**PICTURE, SOFTWARE: text("größer"), MODEL: text("abc")}, payload=bytes([1, 2, 3, 4]))
    image = read(content)
    assert (image.size, list(image.tobytes())) == ((2, 2), [1, 2, 3, 4])
    exif = image.getexif()
    assert exif[MODEL] == "abc"
    assert "größer".encode() in content


def test_a_directory_within_another_is_found_there() -> None:
    inner: Directory = {
        33434: rational(Fraction(1, 3), 0.5),
        37380: signed_rational(-1.25),
        37500: undefined(b"12345"),
        34855: short(100, 200, 300),
        50706: byte(1, 4, 0, 0),
    }
    found = read(tiff({**PICTURE, INNER: inner}, payload=bytes(4))).getexif().get_ifd(INNER)
    assert [float(value) for value in found[33434]] == [pytest.approx(1 / 3), 0.5]
    assert (float(found[37380]), found[37500]) == (-1.25, b"12345")
    assert (found[34855], found[50706]) == ((100, 200, 300), b"\x01\x04\x00\x00")


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        (Fraction(26, 1_000_000), (13, 500_000)),
        (Fraction(220_416_802, 1_000_000), (110_208_401, 500_000)),
        (2**40, (2**32 - 1, 1)),  # infinity, as EXIF writes it
        (-1, (0, 1)),
        (4_000_000_000.5, (4_000_000_000, 1)),
    ],
)
def test_fractions_fit_into_their_field(value: float | Fraction, parts: tuple[int, int]) -> None:
    assert struct.unpack("<II", rational(value).data) == parts
