"""The small stream beside the main one: its size, its rate, and that it costs the main one nothing."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from edge_agent.camera.drivers.base import Sample
from edge_agent.camera.drivers.file.driver import FileDriver
from edge_agent.camera.drivers.file.options import FileOptions
from edge_agent.camera.drivers.simulated import SimulatedDriver, SimulatedOptions
from edge_agent.camera.messages import SubBeat, SubOptions
from edge_agent.camera.substream import sub_size
from edge_agent.clock import SystemClock
from tests.camera.drivers.clips import make_clip
from tests.camera.loops import Loop
from tests.rtsp_servers import wait_until


def simulated() -> SimulatedDriver:
    return SimulatedDriver(clock=SystemClock(), options=SimulatedOptions(lux=500))


def beat(looping: Loop) -> SubBeat:
    measured = looping.loop.beat().sub
    assert measured is not None
    return measured


@pytest.mark.parametrize(
    ("asked", "main", "size"),
    [
        ((640, None), (1920, 1080), (640, 360)),
        ((640, None), (1280, 960), (640, 480)),
        ((640, None), (320, 240), (320, 240)),
        ((641, None), (1920, 1080), (640, 360)),
        ((640, 480), (1920, 1080), (640, 480)),
        ((640, 2000), (1920, 1080), (640, 1080)),
        ((32, None), (4608, 64), (32, 32)),
    ],
)
def test_the_small_picture_is_even_not_bent_and_never_enlarged(
    asked: tuple[int, int | None], main: tuple[int, int], size: tuple[int, int]
) -> None:
    assert sub_size(SubOptions(listener_fd=0, width=asked[0], height=asked[1]), *main) == size


def test_both_streams_show_the_same_picture_each_at_its_own_size(tmp_path: Path) -> None:
    with Loop(simulated(), tmp_path, sub={"width": 160}) as looping:
        looping.apply({"overlay": {"text": "XXXX", "size": 0.2}})
        small, large = looping.consumer("sub"), looping.consumer()
        pictures = []
        for consumer, size in ((small, (160, 90)), (large, (320, 180))):
            packet = consumer.take(keyframe=True)
            assert (consumer.formats[0].width, consumer.formats[0].height) == size
            decoder: Any = av.CodecContext.create("h264", "r")
            decoder.thread_type = "SLICE"
            (frame,) = decoder.decode(av.Packet(bytes(packet.data)))
            grey = frame.reformat(160, 90, "gray").to_ndarray()
            pictures.append(grey.astype(np.int16))
            consumer.close()
        assert np.abs(pictures[0] - pictures[1]).mean() < 12
        # The overlay is in both.
        assert all(picture[70:, :60].max() > 200 for picture in pictures)
        encoded = beat(looping).encoded
        assert encoded is not None
        assert (encoded.width, encoded.height, encoded.encoder) == (160, 90, "libx264")


def test_it_has_a_rate_of_its_own(tmp_path: Path) -> None:
    with Loop(simulated(), tmp_path, sub={"width": 160, "fps": 10.0}) as looping:
        consumer = looping.consumer("sub")
        consumer.take(10)
        steps = [after.pts_us - before.pts_us for before, after in pairwise(consumer.packets[1:])]
        consumer.close()
    assert float(np.median(steps)) == pytest.approx(100_000, rel=0.2)


def test_each_stream_is_switched_for_itself(tmp_path: Path) -> None:
    with Loop(simulated(), tmp_path, sub={"width": 160, "encode": False}) as looping:
        main = looping.consumer()
        main.take(5)
        assert beat(looping).packets == 0
        assert not beat(looping).encoding
        looping.loop.submit(lambda: looping.loop.set_encoding(enabled=True, stream="sub")).result(10)
        looping.loop.submit(lambda: looping.loop.set_encoding(enabled=False)).result(10)
        small = looping.consumer("sub")
        small.take(5)
        assert not looping.loop.beat().encoding
        looping.loop.request_keyframe("sub")
        small.take(2, keyframe=True)
        main.close()
        small.close()


def test_it_follows_the_main_picture_s_shape(tmp_path: Path) -> None:
    with Loop(simulated(), tmp_path, sub={"width": 160}) as looping:
        consumer = looping.consumer("sub")
        consumer.take()
        square = looping.loop.applied().model_copy(
            update={"video": looping.loop.applied().video.model_copy(update={"width": 240, "height": 240})}
        )
        looping.loop.submit(lambda: looping.loop.reconfigure(square)).result(10)

        def followed() -> bool:
            consumer.take()
            return (consumer.formats[-1].width, consumer.formats[-1].height) == (160, 160)

        wait_until(followed, what="a small picture of another shape")
        consumer.close()


def test_where_it_fails_the_main_stream_goes_on_and_it_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_agent.camera.substream._AGAIN_AFTER_S", 0.2)
    with Loop(simulated(), tmp_path, sub={"width": 160}) as looping:
        main, small = looping.consumer(), looping.consumer("sub")
        small.take()

        def refuse(*_arguments: object) -> None:
            raise ValueError("no scaler")

        with monkeypatch.context() as patch:
            patch.setattr("edge_agent.camera.substream.Substream._scaled", refuse)
            wait_until(lambda: beat(looping).failure == "ValueError: no scaler", what="the failure")
            main.take(10)
        wait_until(lambda: beat(looping).failure is None, what="its return")
        small.take(3)
        main.close()
        small.close()


def test_what_passes_through_has_no_picture_to_scale_and_says_so(tmp_path: Path) -> None:
    driver = FileDriver(options=FileOptions(path=make_clip(tmp_path / "a.mp4")), clock=SystemClock())
    with Loop(driver, tmp_path, {}, sub={"width": 80}) as looping:
        consumer = looping.consumer()
        consumer.take(3)
        wait_until(lambda: beat(looping).failure is not None, what="the reason")
        assert "pass through" in (beat(looping).failure or "")
        consumer.close()


def test_a_camera_that_scales_by_itself_spares_the_scaling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = simulated()
    wanted: list[tuple[int, int]] = []
    read = driver.read

    def with_small(timeout_s: float) -> Sample | None:
        sample = read(timeout_s)
        if sample is None or sample.frame is None:
            return sample
        small = sample.frame.reformat(width=100, height=50)
        return Sample(sample.reading, sample.pts_us, sample.frame, small=small)

    monkeypatch.setattr(driver, "read", with_small)
    monkeypatch.setattr(driver, "want_small", lambda size_of: wanted.append(size_of(320, 180)))
    with Loop(driver, tmp_path, sub={"width": 100, "height": 50}) as looping:
        consumer = looping.consumer("sub")
        consumer.take(3)
        assert (consumer.formats[0].width, consumer.formats[0].height) == (100, 50)
        consumer.close()
    assert wanted == [(100, 50)]
