from __future__ import annotations

import io

import pytest
from PIL import Image

from edge_agent.snapshots.headers import pixels_of
from edge_agent.snapshots.picture import PictureFormat
from tests.snapshots.gallery import jpeg


def _tiff() -> bytes:
    stream = io.BytesIO()
    Image.new("L", (200, 100)).save(stream, "TIFF")
    return stream.getvalue()


def _with_exif() -> bytes:
    exif = Image.Exif()
    exif[0x010E] = "x" * 30_000
    stream = io.BytesIO()
    Image.new("RGB", (640, 360)).save(stream, "JPEG", exif=exif, progressive=True)
    return stream.getvalue()


PICTURES: list[tuple[PictureFormat, bytes, tuple[int, int]]] = [
    ("jpeg", jpeg(64, 48), (64, 48)),
    ("jpeg", _with_exif(), (640, 360)),
    ("png", jpeg(33, 17, format_="PNG"), (33, 17)),
    ("dng", _tiff(), (200, 100)),
]


@pytest.mark.parametrize(("format_", "content", "size"), PICTURES)
def test_the_size_is_read_from_the_picture(
    format_: PictureFormat, content: bytes, size: tuple[int, int]
) -> None:
    assert pixels_of(content, format_) == size


@pytest.mark.parametrize(("format_", "content", "_size"), PICTURES)
def test_what_is_cut_off_has_a_size_or_none_but_no_other(
    format_: PictureFormat, content: bytes, _size: tuple[int, int]
) -> None:
    found = {pixels_of(content[:length], format_) for length in range(min(len(content), 2000))}
    assert found <= {None, _size}
    assert None in found


@pytest.mark.parametrize("format_", ["jpeg", "png", "dng"])
def test_another_format_has_no_size(format_: PictureFormat) -> None:
    for other, content, _ in PICTURES:
        if other != format_:
            assert pixels_of(content, format_) is None
    assert pixels_of(b"", format_) is None
