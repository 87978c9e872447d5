"""The DNG, read field by field by an independent reader of TIFF."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image, TiffImagePlugin

from edge_agent.camera.capabilities import Reading
from edge_agent.camera.dng import dng
from edge_agent.camera.drivers.base import Mosaic
from edge_agent.camera.exif import Facts
from edge_agent.camera.messages import PictureTags
from edge_agent.camera.settings import CameraSettings
from tests.camera.drivers.prints import MOMENT

RAW = bytes(range(48))  # 6 by 4 pixels of two bytes
MOSAIC = Mosaic(
    data=RAW,
    width=6,
    height=4,
    pattern=(2, 1, 1, 0),
    black_level=64,
    white_level=1023,
    neutral=(0.5, 1.0, 0.625),
    xyz_to_camera=(1.5, -0.25, 0.0, 0.0, 1.0, 0.0, -0.5, 0.0, 2.0),
    preview=(2, 1, bytes([255, 0, 0, 0, 0, 255])),
)
FACTS = Facts(
    tags=PictureTags(node="porch"),
    reading=Reading(exposure_us=20_000, analogue_gain=4.0),
    captured_at=MOMENT,
    model="imx708",
    settings=CameraSettings(),
)


def raw_directory(content: bytes) -> dict[int, Any]:
    image = Image.open(io.BytesIO(content))
    assert isinstance(image, TiffImagePlugin.TiffImageFile)
    at = image.tag_v2[330]
    directory = TiffImagePlugin.ImageFileDirectory_v2(content[:8])
    file = io.BytesIO(content)
    file.seek(at if isinstance(at, int) else at[0])
    directory.load(file)
    return dict(directory)


def test_everybody_sees_the_small_picture() -> None:
    image = Image.open(io.BytesIO(dng(MOSAIC, FACTS)))
    assert (image.size, image.mode) == ((2, 1), "RGB")
    assert [image.getpixel((0, 0)), image.getpixel((1, 0))] == [(255, 0, 0), (0, 0, 255)]


def test_the_raw_data_are_there_as_the_sensor_gave_them() -> None:
    content = dng(MOSAIC, FACTS)
    raw = raw_directory(content)
    assert (raw[256], raw[257], raw[258], raw[262], raw[277]) == (6, 4, (16,), 32803, 1)
    assert (raw[33421], raw[33422]) == ((2, 2), b"\x02\x01\x01\x00")
    assert (raw[50714], raw[50717]) == ((64,), (1023,)) or (raw[50714], raw[50717]) == (64, 1023)
    at, size = (value if isinstance(value, int) else value[0] for value in (raw[273], raw[279]))
    assert content[at : at + size] == RAW


def test_colours_and_exposure_are_told() -> None:
    image = Image.open(io.BytesIO(dng(MOSAIC, FACTS)))
    told = image.getexif()
    assert told[50706] == b"\x01\x04\x00\x00"
    assert [float(value) for value in told[50728]] == [0.5, 1.0, 0.625]
    assert [float(value) for value in told[50721]] == [pytest.approx(v) for v in MOSAIC.xyz_to_camera]
    assert (told[50708], told[272], told[316]) == ("edge-agent imx708", "imx708", "porch")
    exif = told.get_ifd(0x8769)
    assert (float(exif[33434]), exif[34855]) == (0.02, 400)
