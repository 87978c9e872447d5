"""Of which moment a picture is: not before it was asked for, and no later than need be."""

from __future__ import annotations

import io
from collections.abc import Generator
from datetime import timedelta

import numpy as np
import pytest
from av import VideoFrame
from PIL import ExifTags, Image

from edge_agent.camera.drivers.base import Sample, Still, Wish
from edge_agent.clock import SystemClock
from tests.camera.drivers.prints import mean_of
from tests.camera.studio import FPS, exif_of, studio

TAGS = ExifTags.Base


def test_a_picture_is_of_a_frame_that_came_after_it_was_asked_for() -> None:
    with studio() as at_work:
        asked_after, asked_at = at_work.samples[-1].reading.sequence, SystemClock().now()
        info, content = at_work.picture()
        image = Image.open(io.BytesIO(content))
        assert (image.format, image.size) == ("JPEG", (320, 180)) == ("JPEG", (info.width, info.height))
        assert info.reading.sequence > asked_after
        assert asked_at - timedelta(seconds=2 / FPS) <= info.captured_at <= SystemClock().now()
        assert info.settings == at_work.start
        (sample,) = [s for s in at_work.samples if s.reading.sequence == info.reading.sequence]
        assert sample.reading == info.reading
        assert sample.frame is not None
        assert np.abs(mean_of(image) - mean_of(sample.frame)).max() < 3


def test_the_frame_that_is_awaited_when_it_is_asked_for_is_the_picture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with studio() as at_work:
        read, awaited = at_work.driver.read, list[int]()

        def reading(timeout_s: float) -> Sample | None:
            is_first = not awaited
            if is_first:
                awaited.append(0)
                at_work.ask()
            sample = read(timeout_s)
            if is_first and sample is not None:
                awaited[0] = sample.reading.sequence
            return sample

        monkeypatch.setattr(at_work.driver, "read", reading)
        info, _ = at_work.answer()
        assert info.reading.sequence == awaited[0]


def test_a_picture_that_is_the_frame_is_not_made_to_wait_for_the_stream(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with studio() as at_work:
        order: list[tuple[str, int]] = []
        stills, encode = at_work.driver.stills, at_work.loop._encode_frame

        def copying(last: Sample, wish: Wish) -> Generator[Still, None, None]:
            order.append(("copied", last.pts_us))
            yield from stills(last, wish)

        def encoding(frame: VideoFrame, sample: Sample) -> None:
            order.append(("encoded", sample.pts_us))
            encode(frame, sample)

        monkeypatch.setattr(at_work.driver, "stills", copying)
        monkeypatch.setattr(at_work.loop, "_encode_frame", encoding)
        at_work.picture()
        at_work.frames(1)
        (copied_us,) = [pts_us for what, pts_us in order if what == "copied"]
        assert order.index(("copied", copied_us)) < order.index(("encoded", copied_us))


def test_the_clock_s_reading_of_a_frame_and_the_exif_are_the_same() -> None:
    with studio() as at_work:
        info, content = at_work.picture(format="png")
        exif = exif_of(content)
        assert exif[TAGS.DateTimeOriginal] == f"{info.captured_at:%Y:%m:%d %H:%M:%S}"
        assert int(exif[TAGS.SubsecTimeOriginal]) == info.captured_at.microsecond // 1000
