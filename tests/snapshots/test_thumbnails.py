from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from edge_agent.errors import ProcessError, RefusedError
from edge_agent.snapshots.thumbnails import Thumbnailer
from tests.snapshots.gallery import jpeg

Opened = Callable[[bytes], int]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    """Make a file with a content, and open it."""
    descriptors: list[int] = []

    def open_with(content: bytes) -> int:
        path = tmp_path / str(len(descriptors))
        path.write_bytes(content)
        descriptors.append(os.open(path, os.O_RDONLY))
        return descriptors[-1]

    yield open_with
    for descriptor in descriptors:
        os.close(descriptor)


@pytest.mark.parametrize("format_", ["JPEG", "PNG"])
async def test_a_thumbnail_is_small_and_shows_the_picture(opened: Opened, format_: str) -> None:
    content = await Thumbnailer().make(opened(jpeg(1600, 900, format_=format_)))
    with Image.open(io.BytesIO(content)) as small:
        assert (small.format, small.size) == ("JPEG", (320, 180))
        pixel = small.convert("RGB").getpixel((160, 90))
    assert isinstance(pixel, tuple)
    assert max(abs(a - b) for a, b in zip(pixel, (200, 60, 20), strict=True)) < 12


async def test_it_is_upright(opened: Opened) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    stream = io.BytesIO()
    Image.new("RGB", (640, 320)).save(stream, "JPEG", exif=exif)
    with Image.open(io.BytesIO(await Thumbnailer().make(opened(stream.getvalue())))) as small:
        assert small.size == (160, 320)


@pytest.mark.parametrize("content", [b"", b"no picture", jpeg(640, 480)[:300]])
async def test_what_cannot_be_decoded_has_none(opened: Opened, content: bytes) -> None:
    with pytest.raises(RefusedError, match="cannot be decoded") as caught:
        await Thumbnailer().make(opened(content))
    assert caught.value.code == "no_thumbnail"


async def test_a_worker_that_hangs_is_ended(opened: Opened) -> None:
    hanging = Thumbnailer(worker="tests.snapshots.hanging_worker", timeout_s=0.3)
    with pytest.raises(ProcessError, match=r"not made within 0\.3 s") as caught:
        await hanging.make(opened(jpeg()))
    assert caught.value.code == "timeout"
