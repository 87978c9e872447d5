"""Pictures larger than the stream's, and raw ones, on a fake picamera2."""

from __future__ import annotations

import io
from itertools import pairwise
from typing import Any

import pytest
from PIL import Image

from edge_agent.camera.drivers.base import Still, Wish
from edge_agent.camera.drivers.picamera2.options import Picamera2Options
from edge_agent.errors import CameraError
from tests.camera.drivers.picamera2.fake import FakeRequest
from tests.camera.drivers.picamera2.rig import Rig
from tests.camera.drivers.prints import frame_of, printed

SMALL = {"video": {"width": 1280, "height": 720}}
FULL = Wish(size=(4608, 2592))


def stills(rig: Rig, wish: Wish) -> list[Still]:
    return list(rig.driver.stills(rig.take(), wish))


def test_the_camera_is_configured_for_it_and_back() -> None:
    rig = Rig(patch=SMALL)
    before = rig.settled()
    (still,) = stills(rig, FULL)
    assert (frame_of(still).width, frame_of(still).height) == (4608, 2592)
    assert rig.world.camera.configurations[-3:] == [(1280, 720), (4608, 2592), (1280, 720)]
    assert rig.settled() == before
    assert rig.world.mistakes == []
    assert rig.world.camera.out == 0


def test_a_burst_costs_one_stop_only_and_its_frames_follow_each_other() -> None:
    rig = Rig(patch=SMALL)
    taken = stills(rig, Wish(size=(4608, 2592), count=5))
    assert len(rig.world.camera.configurations) == 3
    numbers = [still.reading.sequence for still in taken]
    assert [later - earlier for earlier, later in pairwise(numbers)] == [1, 1, 1, 1]


def test_the_exposure_that_was_set_is_waited_for() -> None:
    rig = Rig(patch={**SMALL, "exposure": {"time_us": 5000, "gain": 2.0}})
    (still,) = stills(rig, FULL)
    assert (still.reading.exposure_us, still.reading.analogue_gain) == (4992, 2.0)


def test_an_automatic_that_seeks_is_waited_for_within_a_bound() -> None:
    rig = Rig(patch=SMALL)
    rig.world.metadata["AeState"] = 1
    first = rig.reading().sequence
    (still,) = stills(rig, FULL)
    assert 15 <= still.reading.sequence - first <= 20


def test_the_lens_stays_where_it_is_and_then_goes_on_by_itself() -> None:
    rig = Rig(patch=SMALL)
    assert rig.reading(20).lens_position == 2.5
    (still,) = stills(rig, FULL)
    assert still.reading.lens_position == 2.5
    assert rig.driver.applied().focus.mode == "continuous"
    focused = [sent for sent in rig.world.camera.sent if "AfMode" in sent]
    assert [sent["AfMode"] for sent in focused] == [2, 0, 2]


def test_where_it_fails_the_stream_is_configured_again(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(patch=SMALL)
    last = rig.take()

    def fail(_request: FakeRequest) -> dict[str, Any]:
        raise OSError("dma-buf")

    with monkeypatch.context() as patched:
        patched.setattr(FakeRequest, "get_metadata", fail)
        with pytest.raises(CameraError, match="dma-buf"):
            list(rig.driver.stills(last, FULL))
    assert rig.world.camera.configurations[-1] == (1280, 720)
    assert rig.take().frame is not None
    assert rig.world.camera.out == 0


def test_a_camera_that_hangs_there_is_told_within_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_agent.camera.drivers.picamera2.driver._STILL_S", 0.01)
    monkeypatch.setattr("edge_agent.camera.drivers.picamera2.driver._STILL_FRAMES", 0.1)
    rig = Rig(patch=SMALL)
    last = rig.take()
    rig.world.hung = True
    with pytest.raises(CameraError, match="gave no frame for the picture within"):
        list(rig.driver.stills(last, FULL))
    rig.world.hung = False
    assert rig.take().frame is not None
    assert rig.world.mistakes == []


def test_who_loses_interest_leaves_the_camera_as_it_was() -> None:
    rig = Rig(patch=SMALL)
    pictures = rig.driver.stills(rig.take(), Wish(size=(4608, 2592), count=10))
    next(pictures)
    pictures.close()
    assert rig.world.camera.configurations[-1] == (1280, 720)
    assert rig.take().frame is not None


def test_a_sensor_in_hdr_has_fewer_pixels_and_nothing_is_enlarged() -> None:
    rig = Rig(patch={**SMALL, "hdr": "sensor"})
    (still,) = stills(rig, FULL)
    assert (frame_of(still).width, frame_of(still).height) == (2304, 1296)


def test_raw_data_beside_the_stream_cost_it_nothing() -> None:
    rig = Rig(patch=SMALL, options=Picamera2Options(raw=True))
    assert not rig.capabilities.stills.raw_interrupts_stream
    assert rig.world.camera.camera_configuration()["raw"]["size"] == (2304, 1296)
    last = rig.take()
    (still,) = rig.driver.stills(last, Wish(raw=True))
    made = printed(still, format="dng")
    assert (made.width, made.height) == (2304, 1296)
    assert len(rig.world.camera.configurations) == 1
    following = rig.take()
    assert following.frame is not None
    assert following.reading == still.reading
    assert following.reading.sequence == last.reading.sequence + 1
    assert rig.take().reading.sequence == following.reading.sequence + 1


@pytest.mark.parametrize(("size", "mode"), [(None, (2304, 1296)), ((4608, 2592), (4608, 2592))])
def test_raw_data_that_are_not_kept_take_a_stop(size: tuple[int, int] | None, mode: tuple[int, int]) -> None:
    rig = Rig(patch=SMALL)
    assert rig.capabilities.stills.raw_interrupts_stream
    (still,) = stills(rig, Wish(size=size, raw=True))
    made = printed(still, format="dng")
    assert (made.width, made.height) == mode
    assert len(rig.world.camera.configurations) == 3
    assert rig.world.camera.camera_configuration()["raw"] is None
    told = Image.open(io.BytesIO(made.content)).getexif()
    assert (told[316], told[305].split()[0]) == ("porch", "edge-agent")


def test_a_sensor_without_colours_offers_no_raw_data_and_says_why() -> None:
    offered = Rig("imx296").capabilities.stills
    assert (offered.formats, offered.raw) == (("jpeg", "png"), False)
    assert offered.unavailable == {"dng": "a DNG is made of a sensor that sees colours only"}


def _third(width: int, height: int) -> tuple[int, int]:
    return width // 3 & ~1, height // 3 & ~1


def test_the_substream_s_picture_is_left_out_of_a_large_one_s_configuration_and_back_afterwards() -> None:
    rig = Rig(patch=SMALL)
    rig.driver.want_small(_third)
    rig.configure(SMALL)
    pictures = rig.driver.stills(rig.take(), FULL)
    next(pictures)
    assert rig.world.camera.camera_configuration()["lores"] is None
    pictures.close()
    small = rig.take().small
    assert small is not None
    assert (small.width, small.height) == (426, 240)
    assert rig.world.mistakes == []


def test_raw_data_beside_the_stream_cost_the_substream_no_picture_either() -> None:
    rig = Rig(patch=SMALL, options=Picamera2Options(raw=True))
    rig.driver.want_small(_third)
    rig.configure(SMALL)
    (still,) = rig.driver.stills(rig.take(), Wish(raw=True))
    following = rig.take()
    assert following.reading == still.reading
    assert following.small is not None


def test_the_position_before_a_scan_can_be_set_again() -> None:
    rig = Rig(patch={"focus": {"position": 9.0}})
    assert rig.settled().focus.position == 9.0
    rig.driver.trigger_focus()
    assert rig.reading(40).lens_position == 2.5
    assert rig.apply({"focus": {"position": 9.0}})["LensPosition"] == 9.0
