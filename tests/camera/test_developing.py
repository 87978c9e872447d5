from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest
from av import VideoFrame
from PIL import Image

from edge_agent.camera import developing
from edge_agent.camera.capabilities import Reading
from edge_agent.camera.developing import Darkroom, fitted, image_of
from edge_agent.camera.drivers.base import Mosaic, Still

WITHIN_S = 10.0


@pytest.mark.parametrize(
    ("own", "size", "comes_to"),
    [
        ((400, 200), None, (400, 200)),
        ((400, 200), (200, 100), (200, 100)),
        ((400, 200), (100, 100), (100, 100)),
        ((400, 200), (37, 23), (37, 23)),
        ((400, 200), (800, 400), (400, 200)),  # never enlarged
        ((400, 200), (300, 300), (200, 200)),
    ],
)
def test_a_picture_is_made_smaller_never_larger(
    own: tuple[int, int], size: tuple[int, int] | None, comes_to: tuple[int, int]
) -> None:
    assert fitted(Image.new("RGB", own), size).size == comes_to


def test_what_is_cut_off_is_cut_off_on_both_sides() -> None:
    image = Image.new("RGB", (400, 200), (255, 0, 0))
    image.paste((0, 0, 255), (100, 0, 300, 200))
    made = fitted(image, (100, 100))
    for at in ((2, 50), (50, 50), (97, 50)):
        assert made.getpixel(at) == pytest.approx((0, 0, 255), abs=3)


@pytest.mark.parametrize(
    ("width", "mode"), [(320, "RGBX"), (16, "RGBX"), (322, "RGB"), (8, "RGB"), (162, "RGB")]
)
def test_only_at_widths_that_are_safe_a_frame_is_given_without_a_copy(width: int, mode: str) -> None:
    # At others libswscale writes beyond the frame's memory: that crashes, but seldom where it happens.
    orange = np.full((90, width, 3), (240, 120, 20), np.uint8)
    frame = VideoFrame.from_ndarray(orange, format="rgb24").reformat(format="yuv420p")
    image = image_of(frame, "RGBX")
    assert (image.mode, image.size) == (mode, (width, 90))
    assert image.convert("RGB").getpixel((width - 1, 89)) == pytest.approx((240, 120, 20), abs=4)


def still(size: int = 0) -> Still:
    def develop() -> Mosaic:
        raise AssertionError("the test does not develop it")

    return Still(reading=Reading(), develop=develop, waiting_bytes=size)


@pytest.fixture
def busy() -> Iterator[tuple[Darkroom, threading.Event]]:
    """A darkroom whose thread works until it is told."""
    room, go_on, at_work = Darkroom(), threading.Event(), threading.Event()

    def work(_still: Still) -> None:
        at_work.set()
        go_on.wait(WITHIN_S)

    room.put(still(10_000_000), work)
    assert at_work.wait(WITHIN_S)
    yield room, go_on
    go_on.set()
    room.close()


def test_what_waits_is_bounded_by_its_bytes(busy: tuple[Darkroom, threading.Event]) -> None:
    room, go_on = busy
    done = threading.Event()
    waiting = 1
    while room.room():
        room.put(still(10_000_000), lambda _: None)
        waiting += 1
    assert waiting * 10_000_000 <= developing._MOST_WAITING_BYTES < (waiting + 1) * 10_000_000
    assert not room.wait_for_room(0.01)
    room.put(still(), lambda _: done.set())
    go_on.set()
    assert done.wait(WITHIN_S)
    assert room.wait_for_room(WITHIN_S)


def test_what_weighs_nothing_is_bounded_by_its_number(busy: tuple[Darkroom, threading.Event]) -> None:
    room, _ = busy
    waiting = 1
    while room.room():
        room.put(still(), lambda _: None)
        waiting += 1
    assert waiting == 32


def test_one_is_always_taken_however_large_it_is(busy: tuple[Darkroom, threading.Event]) -> None:
    room, go_on = busy
    room.put(still(500_000_000), lambda _: None)
    assert not room.room()
    go_on.set()
    assert room.wait_for_room(WITHIN_S)


def test_work_that_fails_does_not_end_the_thread(caplog: pytest.LogCaptureFixture) -> None:
    room, done = Darkroom(), threading.Event()

    def fail(_still: Still) -> None:
        raise OSError("no memory")

    room.put(still(), fail)
    room.put(still(), lambda _: done.set())
    assert done.wait(WITHIN_S)
    room.close()
    assert "A picture was lost" in caplog.text
