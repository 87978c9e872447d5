"""What every driver promises of pictures. A new one is added to the table in `table.py`, not here."""

from __future__ import annotations

import io
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av import VideoFrame
from PIL import ExifTags, Image

from edge_agent.camera.capabilities import CameraCapabilities
from edge_agent.camera.drivers.base import Driver, Sample, Wish
from edge_agent.camera.settings import merge
from edge_agent.errors import CameraError
from tests.camera.drivers.prints import MOMENT, frame_of, image_of, mean_of, printed
from tests.camera.drivers.table import DRIVERS
from tests.camera.drivers.test_contract import first_settings, take

MODEL, HOST, SOFTWARE = 0x0110, 0x013C, 0x0131


@pytest.fixture(params=sorted(DRIVERS))
def driver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Driver]:
    made = DRIVERS[request.param](tmp_path)
    yield made
    made.close()


def started(driver: Driver, *, size: tuple[int, int] | None = None) -> CameraCapabilities:
    capabilities = driver.open()
    settings = first_settings(capabilities)
    if size is not None:
        settings = merge(settings, {"video": {"width": size[0], "height": size[1]}})
    driver.configure(settings)
    return capabilities


def shown(samples: list[Sample]) -> VideoFrame:
    """The last sample's picture, decoded where it passed through."""
    frame: VideoFrame | None = samples[-1].frame
    if frame is not None:
        return frame
    decoder: Any = av.CodecContext.create("h264", "r")
    decoder.thread_type = "SLICE"
    for sample in samples:
        for packet in sample.packets:
            for decoded in decoder.decode(av.Packet(packet.data)):
                frame = decoded
    assert frame is not None
    return frame


def test_a_still_is_the_stream_s_picture_and_one_of_its_own(driver: Driver) -> None:
    started(driver)
    video = driver.applied().video
    samples = take(driver, 3)
    stills = list(driver.stills(samples[-1], Wish()))
    frame = frame_of(stills[0])
    assert len(stills) == 1
    assert frame is not samples[-1].frame
    assert (frame.width, frame.height) == (video.width, video.height)
    assert stills[0].reading.sequence >= samples[-1].reading.sequence
    assert stills[0].waiting_bytes > 0
    assert np.abs(mean_of(frame) - mean_of(shown(samples))).max() < 2


@pytest.mark.parametrize("picture_format", ["jpeg", "png"])
def test_a_finished_picture_has_the_stream_s_colours_and_tells_of_itself(
    driver: Driver, picture_format: str
) -> None:
    started(driver)
    samples = take(driver, 3)
    still = next(driver.stills(samples[-1], Wish()))
    made = printed(still, format=picture_format, quality=95)
    image = image_of(made)
    assert image.format == picture_format.upper()
    assert image.size == (made.width, made.height)
    assert np.abs(mean_of(image) - mean_of(shown(samples))).max() < 3
    told = Image.open(io.BytesIO(made.content)).getexif()
    assert (told[MODEL], told[HOST]) == ("imx708", "porch")
    exif = told.get_ifd(ExifTags.IFD.Exif)
    tags = ExifTags.Base
    assert exif[tags.DateTimeOriginal] == f"{MOMENT:%Y:%m:%d %H:%M:%S}"
    assert exif[tags.OffsetTimeOriginal] == "+00:00"
    assert exif[tags.SubsecTimeOriginal] == "678"
    reading = still.reading
    if reading.exposure_us is not None and reading.analogue_gain is not None:
        assert exif[tags.ExposureTime] == pytest.approx(reading.exposure_us / 1e6, rel=1e-4)
        assert exif[tags.ISOSpeedRatings] == pytest.approx(reading.analogue_gain * 100, abs=1)
    else:
        assert tags.ExposureTime not in exif


@pytest.mark.parametrize("size", [(32, 32), (63, 41), (60, 20)])
def test_a_smaller_picture_is_the_middle_and_nothing_bends(driver: Driver, size: tuple[int, int]) -> None:
    started(driver)
    samples = take(driver, 3)
    still = next(driver.stills(samples[-1], Wish()))
    image = image_of(printed(still, size, format="png"))
    assert image.size == size
    whole = shown(samples).to_ndarray(format="rgb24")
    height, width, _ = whole.shape
    shape = size[0] / size[1]
    wide, high = min(width, height * shape), min(height, width / shape)
    left, top = round((width - wide) / 2), round((height - high) / 2)
    middle = whole[top : top + round(high), left : left + round(wide)]
    assert np.abs(mean_of(image) - middle.reshape(-1, 3).mean(axis=0)).max() < 6


def test_a_picture_larger_than_the_stream_is_that_large_and_the_stream_as_before(driver: Driver) -> None:
    capabilities = started(driver)
    largest = max(capabilities.resolutions, key=lambda r: r.width * r.height)
    stills = capabilities.stills
    assert (stills.max_width, stills.max_height) == (largest.width, largest.height)
    smallest = driver.applied()
    samples = take(driver, 3)
    (still,) = driver.stills(samples[-1], Wish(size=(largest.width, largest.height)))
    frame = frame_of(still)
    assert (frame.width, frame.height) == (largest.width, largest.height)
    assert still.reading.sequence >= samples[-1].reading.sequence
    assert driver.applied() == smallest
    after = take(driver, 2)
    assert after[0].reading.sequence > still.reading.sequence - 1
    if after[-1].frame is not None:
        video = smallest.video
        assert (after[-1].frame.width, after[-1].frame.height) == (video.width, video.height)


def test_pictures_of_consecutive_samples_are_of_consecutive_frames(driver: Driver) -> None:
    started(driver)
    numbers = []
    take(driver, 2)
    for _ in range(5):
        (sample,) = take(driver, 1)
        numbers += [still.reading.sequence for still in driver.stills(sample, Wish(count=1))]
    assert numbers == sorted(set(numbers))


def test_raw_is_a_dng_or_refused(driver: Driver) -> None:
    capabilities = started(driver)
    stills = capabilities.stills
    assert stills.raw == ("dng" in stills.formats)
    assert stills.raw != ("dng" in stills.unavailable)
    (sample,) = take(driver, 1)
    before = driver.applied()
    if not stills.raw:
        with pytest.raises(CameraError, match="raw data"):
            list(driver.stills(sample, Wish(raw=True)))
        take(driver, 1)
        return
    (still,) = driver.stills(sample, Wish(raw=True))
    made = printed(still, format="dng")
    told = Image.open(io.BytesIO(made.content)).getexif()
    assert (told[MODEL], told[HOST]) == ("imx708", "porch")
    assert told[SOFTWARE].startswith("edge-agent ")
    exposure_us = still.reading.exposure_us
    assert exposure_us is not None
    exif = told.get_ifd(ExifTags.IFD.Exif)
    assert Fraction(str(exif[ExifTags.Base.ExposureTime])) == pytest.approx(exposure_us / 1e6, rel=1e-4)
    assert any((mode.width, mode.height) == (made.width, made.height) for mode in capabilities.modes)
    assert driver.applied() == before
    take(driver, 1)
