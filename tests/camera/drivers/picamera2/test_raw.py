"""Raw data of a sensor in the packings that there are, packed here bit by bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edge_agent.camera.drivers.picamera2.raw import RawBuffer, mosaic_of, unpacked
from edge_agent.errors import CameraError

WIDTH, HEIGHT = 8, 4
CODES = np.arange(WIDTH * HEIGHT, dtype=np.uint16).reshape(HEIGHT, WIDTH) * 31


def as_is(rows: Any) -> Any:
    return rows


def packed(bits: int, padding: int = 0) -> Any:
    """CSI-2's packing: the upper eight bits of some pixels, then what is below, the first pixel's lowest."""
    count = 8 // (bits - 8)
    rows = []
    for row in CODES.tolist():
        content = bytearray()
        for start in range(0, WIDTH, count):
            pixels = row[start : start + count]
            content += bytes(pixel >> (bits - 8) for pixel in pixels)
            below = [pixel & ((1 << (bits - 8)) - 1) for pixel in pixels]
            content.append(sum(value << (number * (bits - 8)) for number, value in enumerate(below)))
        rows.append(bytes(content) + bytes([255] * padding))
    return np.frombuffer(b"".join(rows), np.uint8).reshape(HEIGHT, -1)


@pytest.mark.parametrize(("bits", "padding"), [(10, 0), (10, 6), (12, 0), (12, 4)])
def test_packed_pixels_are_what_they_were(bits: int, padding: int) -> None:
    name = f"SGBRG{bits}_CSI2P"
    codes, order, found = unpacked(packed(bits, padding), name, width=WIDTH, decompress=as_is)
    assert np.array_equal(codes, CODES)
    assert (order, found) == ("GBRG", bits)


def test_unpacked_pixels_are_what_they_were() -> None:
    padded = np.pad(CODES, ((0, 0), (0, 4))).view(np.uint8)
    codes, order, bits = unpacked(padded, "SRGGB12", width=WIDTH, decompress=as_is)
    assert np.array_equal(codes, CODES)
    assert (order, bits) == ("RGGB", 12)


def test_compressed_pixels_are_picamera2_s_to_decompress() -> None:
    compressed = np.zeros((HEIGHT, WIDTH), np.uint8)
    codes, order, bits = unpacked(
        compressed, "BGGR16_PISP_COMP1", width=WIDTH, decompress=lambda _: CODES.view(np.uint8)
    )
    assert np.array_equal(codes, CODES)
    assert (order, bits) == ("BGGR", 16)


@pytest.mark.parametrize("name", ["MJPEG", "R10_CSI2P", "SRGGB14_CSI2P", "SRGGB10_IPU3"])
def test_a_format_that_is_not_known_is_told(name: str) -> None:
    with pytest.raises(CameraError, match=f"in the format {name} are not known"):
        unpacked(packed(10), name, width=WIDTH, decompress=as_is)


def buffer(metadata: dict[str, Any]) -> RawBuffer:
    rows = packed(10)
    config = {"format": "SBGGR10_CSI2P", "size": (WIDTH, HEIGHT), "stride": rows.shape[1]}
    return RawBuffer(data=rows.ravel(), config=config, metadata=metadata, decompress=as_is)


def test_levels_and_colours_are_the_frame_s() -> None:
    mosaic = mosaic_of(buffer({"SensorBlackLevels": (4096,) * 4, "ColourGains": (2.0, 1.6)}))
    assert (mosaic.width, mosaic.height, mosaic.pattern) == (WIDTH, HEIGHT, (2, 1, 1, 0))
    assert (mosaic.black_level, mosaic.white_level) == (64, 1023)
    assert mosaic.neutral == (0.5, 1.0, 0.625)
    assert mosaic.data == CODES.astype("<u2").tobytes()
    # What is white in daylight comes to the camera's own white.
    white = np.array(mosaic.xyz_to_camera).reshape(3, 3) @ (0.95047, 1.0, 1.08883)
    assert white == pytest.approx((0.5, 1.0, 0.625), abs=1e-3)


def test_a_frame_that_tells_little_is_still_a_picture() -> None:
    mosaic = mosaic_of(buffer({}))
    assert (mosaic.black_level, mosaic.neutral) == (0, (1.0, 1.0, 1.0))
    assert mosaic.preview[:2] == (WIDTH // 2, HEIGHT // 2)


def test_a_buffer_that_is_too_short_is_told() -> None:
    short = buffer({})
    broken = RawBuffer(data=short.data[:7], config=short.config, metadata={}, decompress=as_is)
    with pytest.raises(CameraError, match="the raw data cannot be read: ValueError"):
        mosaic_of(broken)
