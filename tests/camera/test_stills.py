"""Pictures in the camera child: a real frame loop, a simulated camera, and what is answered."""

from __future__ import annotations

import io
import threading
from collections.abc import Generator
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from av import VideoFrame
from PIL import ExifTags, Image

from edge_agent.camera import developing, stills
from edge_agent.camera.drivers.base import Mosaic, Sample, Still, Wish
from edge_agent.camera.drivers.simulated import SimulatedDriver, SimulatedOptions
from edge_agent.camera.messages import NOT_PUT_BACK
from edge_agent.camera.settings import CameraSettings, flatten
from edge_agent.clock import SystemClock
from edge_agent.errors import CameraError
from tests.camera.studio import FPS, exif_of, studio

TAGS = ExifTags.Base
SHORT = {"exposure": {"time_us": 500, "gain": 8.0}}


class Clumsy(SimulatedDriver):
    """A simulated camera that a test makes fail, hang, or take its time."""

    def __init__(self) -> None:
        super().__init__(clock=SystemClock(), options=SimulatedOptions(lux=500, moving=False))
        self.refuses: list[str] = []
        self.hangs = threading.Event()
        self.stops_for_s = 0.0
        self.gate = threading.Event()
        self.gate.set()
        self.error: Exception | None = None
        self.deaf = False  # it says that it heard, and does nothing
        self._claimed: CameraSettings | None = None

    def apply(self, settings: CameraSettings) -> None:
        if self.deaf:
            self._claimed = settings
            return
        if self.refuses and self.refuses.pop(0) == "apply":
            raise CameraError("the sensor does not answer")
        super().apply(settings)

    def applied(self) -> CameraSettings:
        return self._claimed or super().applied()

    def read(self, timeout_s: float) -> Sample | None:
        if self.hangs.wait(0):
            self.hangs.wait(0.01)
            return None
        return super().read(timeout_s)

    def stills(self, last: Sample, wish: Wish) -> Generator[Still, None, None]:
        threading.Event().wait(self.stops_for_s)
        for still in super().stills(last, wish):
            develop = partial(self._developed, still)
            yield Still(reading=still.reading, develop=develop, waiting_bytes=still.waiting_bytes)

    def _developed(self, still: Still) -> VideoFrame | Mosaic:
        self.gate.wait(20)
        if self.error is not None:
            raise self.error
        return still.develop()


def test_an_exposure_for_one_picture_shows_in_it_and_is_gone_with_its_answer() -> None:
    with studio() as at_work:
        before = at_work.driver.applied()
        info, content = at_work.picture(settings=SHORT)
        assert (info.reading.exposure_us, info.reading.analogue_gain) == (500, 8.0)
        assert (info.settings.exposure.time_us, info.settings_shown) == (500, True)
        exif = exif_of(content)
        assert float(exif[TAGS.ExposureTime]) == pytest.approx(500e-6)
        assert (exif[TAGS.ISOSpeedRatings], exif[TAGS.ExposureMode]) == (800, 1)
        assert at_work.at_answer == [before]
        at_work.wait_for(lambda sample: sample.reading.exposure_us != 500)


def test_settings_that_need_a_new_configuration_hold_for_one_picture() -> None:
    with studio() as at_work:
        before = at_work.driver.applied()
        _, plain = at_work.picture(format="png")
        info, flipped = at_work.picture(format="png", settings={"view": {"hflip": True}})
        assert info.settings.view.hflip
        assert at_work.at_answer[-1] == before
        one, other = (
            np.asarray(Image.open(io.BytesIO(content)).convert("L"), float)[45:]
            for content in (plain, flipped)
        )
        assert np.abs(one - other[:, ::-1]).mean() < np.abs(one - other).mean() / 3


@pytest.mark.parametrize("mode", ["continuous", "auto", "manual"])
def test_focus_first_focuses_and_a_lens_that_was_put_somewhere_goes_back(mode: str) -> None:
    patch: dict[str, Any] = {"focus": {"mode": mode} | ({"position": 9.0} if mode == "manual" else {})}
    with studio(patch) as at_work:
        before = at_work.driver.applied()
        info, _ = at_work.picture(focus_first=True)
        assert info.focus == "focused"
        assert info.reading.lens_position == pytest.approx(2.0, abs=0.6)  # the house
        assert at_work.driver.applied() == before
        if mode == "manual":
            at_work.wait_for(lambda sample: sample.reading.lens_position == 9.0)


def test_what_the_camera_does_not_show_is_taken_all_the_same_and_told() -> None:
    driver = Clumsy()
    with studio(driver=driver) as at_work:
        driver.deaf = True
        info, _ = at_work.picture(settings=SHORT)
        assert not info.settings_shown
        assert info.reading.exposure_us != 500


def test_a_burst_is_of_consecutive_frames() -> None:
    with studio() as at_work:
        at_work.ask(count=12)
        infos = [at_work.answer()[0]]
        for _ in range(11):
            at_work.ask_next()
            infos.append(at_work.answer()[0])
        numbers = [info.reading.sequence for info in infos]
        assert numbers == list(range(numbers[0], numbers[0] + 12))
        assert {info.skipped_frames for info in infos} == {0}


def test_a_burst_under_its_own_settings_shows_them_in_every_picture() -> None:
    with studio() as at_work:
        before = at_work.driver.applied()
        at_work.ask(count=5, settings=SHORT)
        for _ in range(4):
            at_work.ask_next()
        assert [at_work.answer()[0].reading.exposure_us for _ in range(5)] == [500] * 5
        assert at_work.driver.applied() == before


def test_frames_that_nobody_can_encode_yet_are_left_out_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(developing, "_MOST_WAITING", 2)
    driver = Clumsy()
    driver.gate.clear()
    with studio(driver=driver) as at_work:
        at_work.ask(count=4)
        at_work.frames(12)
        driver.gate.set()
        for _ in range(3):
            at_work.ask_next()
        infos = [at_work.answer()[0] for _ in range(4)]
        numbers = [info.reading.sequence for info in infos]
        assert numbers[1] == numbers[0] + 1
        assert numbers[2] > numbers[1] + 8
        gaps = [later - earlier - 1 for earlier, later in pairwise(numbers)]
        assert [info.skipped_frames for info in infos] == [0, *gaps]


def test_finished_pictures_that_nobody_asks_for_wait_in_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stills, "_ASKED_FOR_WITHIN_S", 0.05)
    with studio() as at_work:
        at_work.ask(count=30)
        at_work.answer()
        answers: list[object] = []
        while not answers or not isinstance(answers[-1], BaseException):
            at_work.frames(10)
            at_work.ask_next()
            answers.append(at_work.answers.get(timeout=10))
        assert "nobody asked for the pictures" in str(answers[-1])
        assert at_work.picture()


def test_frames_that_the_stream_loses_are_counted() -> None:
    driver = Clumsy()
    driver.stops_for_s = 0.25
    with studio(driver=driver) as at_work:
        info, _ = at_work.picture()
        assert info.interrupted_frames >= 0.25 * FPS - 3
        driver.stops_for_s = 0.0
        steps = [b.pts_us - a.pts_us for a, b in pairwise(at_work.samples)]
        lost = [round(step * FPS / 1e6) - 1 for step in steps]
        assert info.interrupted_frames <= sum(lost)


def test_frames_that_are_lost_while_it_is_encoded_are_counted_too() -> None:
    driver = Clumsy()
    driver.gate.clear()
    with studio(driver=driver) as at_work:
        at_work.ask()
        at_work.frames(3)
        at_work.loop.submit(lambda: threading.Event().wait(0.2))  # the machine has other things to do
        at_work.frames(3)
        driver.gate.set()
        assert at_work.answer()[0].interrupted_frames >= 0.2 * FPS - 3


def test_nothing_watches_the_frames_any_more_when_a_picture_is_given() -> None:
    driver = Clumsy()
    with studio(driver=driver) as at_work:
        watching = len(at_work.loop._watchers)
        at_work.picture()
        driver.error = OSError("no space")
        at_work.ask()
        at_work.error()
        assert len(at_work.loop._watchers) == watching


def test_the_answer_to_a_picture_that_cannot_be_made_says_why_and_settings_are_back() -> None:
    driver = Clumsy()
    driver.error = MemoryError("no room for a picture")
    with studio(driver=driver) as at_work:
        before = at_work.driver.applied()
        at_work.ask(settings=SHORT)
        assert str(at_work.error()) == "the picture could not be made: MemoryError: no room for a picture"
        assert at_work.driver.applied() == before
        driver.error = None
        assert at_work.picture()


def test_a_camera_that_refuses_the_settings_is_left_as_it_was() -> None:
    driver = Clumsy()
    with studio(driver=driver) as at_work:
        before = at_work.driver.applied()
        driver.refuses = ["apply"]
        at_work.ask(settings=SHORT)
        assert str(at_work.error()) == "the sensor does not answer"
        assert at_work.driver.applied() == before


def test_putting_back_is_tried_twice_and_then_told_by_a_code() -> None:
    driver = Clumsy()
    with studio(driver=driver) as at_work:
        before = at_work.driver.applied()
        driver.refuses = ["", "apply", ""]
        at_work.ask(settings=SHORT)
        assert getattr(at_work.error(), "code", None) == NOT_PUT_BACK
        assert at_work.driver.applied() == before
        driver.refuses = ["", "apply", "apply"]
        at_work.ask(settings=SHORT)
        error = at_work.error()
        assert getattr(error, "code", None) == NOT_PUT_BACK
        assert "could not be put back: the sensor does not answer" in str(error)


def test_a_camera_that_gives_no_frame_is_told_within_the_time() -> None:
    driver = Clumsy()
    with studio(driver=driver) as at_work:
        before = at_work.driver.applied()
        driver.hangs.set()
        at_work.ask(timeout_s=0.3, settings=SHORT)
        error = at_work.error()
        assert (str(error), getattr(error, "code", None)) == (
            "the camera gave no picture within 0.3 s",
            "timeout",
        )
        assert at_work.driver.applied() == before
        driver.hangs.clear()
        assert at_work.picture()


def test_what_is_given_up_ends_at_once_and_the_settings_are_back() -> None:
    with studio() as at_work:
        before = flatten(at_work.driver.applied().model_dump())
        at_work.ask(count=30, settings=SHORT)
        at_work.answer()
        at_work.ask_next()
        at_work.stills.drop()
        assert flatten(at_work.driver.applied().model_dump()) == before
        answers = [at_work.answers.get(timeout=10)]
        assert getattr(answers[-1], "code", None) == "cancelled" or isinstance(answers[-1], tuple)
        with pytest.raises(CameraError, match="no burst is under way"):
            at_work.ask_next()
        assert at_work.picture()[0].reading.exposure_us is not None


def test_a_new_request_takes_the_place_of_an_old_one() -> None:
    with studio() as at_work:
        at_work.ask(count=30, settings=SHORT)
        at_work.answer()
        info, _ = at_work.picture(format="png")
        assert info.format == "png"
        assert info.settings.exposure.mode == "auto"


DARK = {"exposure": {"time_us": 26, "gain": 1.2}}
TEXT = {"enabled": True, "text": "XXXX", "size": 0.2}


def corner_of(content: bytes) -> int:
    """The brightest in the corner where the overlay is."""
    image = Image.open(io.BytesIO(content)).convert("L")
    return int(np.asarray(image)[image.height * 3 // 4 :, : image.width // 3].max())


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"format": "png"},
        {"size": (160, 90)},
        {"size": (120, 120)},  # its sides are cut off
        {"size": (1280, 720), "larger": True},
        {"size": (600, 600), "larger": True},
    ],
)
def test_the_overlay_is_on_pictures_of_every_size(changes: dict[str, Any]) -> None:
    with studio({**DARK, "overlay": TEXT}) as at_work:
        at_work.frames(6)
        info, content = at_work.picture(**changes)
        assert (info.width, info.height) == changes.get("size", (320, 180))
        assert corner_of(content) > 200
        at_work.loop.apply(
            at_work.start.model_copy(
                update={"overlay": at_work.start.overlay.model_copy(update={"snapshots": False})}
            )
        )
        assert corner_of(at_work.picture(**changes)[1]) < 100


def test_raw_data_have_no_overlay_on_them() -> None:
    with studio({**DARK, "overlay": TEXT}) as at_work:
        at_work.frames(6)
        _, content = at_work.picture(format="dng")
        shown = np.asarray(Image.open(io.BytesIO(content)).convert("L"))  # the preview in it
        assert shown.max() < 100


def test_a_picture_may_have_an_overlay_of_its_own() -> None:
    with studio(DARK) as at_work:
        at_work.frames(6)
        info, content = at_work.picture(settings={"overlay": TEXT})
        assert corner_of(content) > 200
        assert info.settings.overlay.text == "XXXX"
        assert info.settings_shown
        assert at_work.at_answer[-1] == at_work.start
        assert corner_of(at_work.picture()[1]) < 100


def test_settings_of_the_encoder_hold_over_a_picture_with_settings_of_its_own() -> None:
    """They are not the driver's, which would put back its defaults."""
    mine = {"video": {"keyframe_interval_s": 3.0, "h264_profile": "main"}, "overlay": {"text": "mine"}}
    with studio(mine) as at_work:
        info, _ = at_work.picture(settings=SHORT)
        assert info.settings.video.h264_profile == "main"
        held = at_work.at_answer[-1]
        assert (held.video.keyframe_interval_s, held.video.h264_profile, held.overlay.text) == (
            3.0,
            "main",
            "mine",
        )
