"""What a request for pictures comes to, on the agent's side, before anything is touched."""

from __future__ import annotations

from typing import Any

import pytest

from edge_agent.camera.capabilities import CameraCapabilities, Stills
from edge_agent.camera.limits import starting_settings
from edge_agent.camera.messages import StillRequest
from edge_agent.camera.picture_plan import Plan, plan
from edge_agent.camera.settings import CameraSettings, merge
from edge_agent.errors import RefusedError
from tests.camera.imx708 import IMX708

STOPPING = Stills(
    formats=("jpeg", "png", "dng"),
    max_width=4608,
    max_height=2592,
    larger_interrupts_stream=True,
    raw=True,
    raw_interrupts_stream=True,
    unavailable={},
)
CAMERA = IMX708.model_copy(update={"stills": STOPPING})
SETTINGS = merge(starting_settings({}, CAMERA)[0], {"video": {"width": 1920, "height": 1080, "fps": 30.0}})


def planned(
    *, camera: CameraCapabilities = CAMERA, holding: CameraSettings = SETTINGS, **request: Any
) -> Plan:
    return plan(StillRequest(**request), settings=holding, capabilities=camera)


def refused(**request: Any) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        planned(**request)
    return caught.value


def test_the_stream_s_own_picture_disturbs_nobody() -> None:
    made = planned()
    assert (made.take.size, made.take.larger, made.interruption) == (None, False, None)
    assert not made.stops
    assert not made.alone


@pytest.mark.parametrize(
    ("request_", "size", "larger"),
    [
        ({"width": 640, "height": 480}, (640, 480), False),
        ({"width": 1920, "height": 1080}, (1920, 1080), False),
        ({"width": 1280}, (1280, 720), False),
        ({"height": 360}, (640, 360), False),
        ({"width": 1000, "height": 1081}, (1000, 1081), True),
        ({"width": 4608, "height": 2592}, (4608, 2592), True),
        ({"full": True}, (4608, 2592), True),
    ],
)
def test_sizes(request_: dict[str, Any], size: tuple[int, int], larger: bool) -> None:
    made = planned(**request_)
    assert (made.take.size, made.take.larger, made.stops, made.alone) == (size, larger, larger, larger)
    assert (made.interruption is None) != larger


def test_why_the_stream_stops_is_said_before() -> None:
    made = planned(full=True)
    assert made.interruption == "4608x2592 is not within the stream's 1920x1080: the camera stops for it"
    assert planned(format="dng").interruption == "the camera stops for raw data"
    without_stop = STOPPING.model_copy(
        update={"larger_interrupts_stream": False, "raw_interrupts_stream": False}
    )
    camera = CAMERA.model_copy(update={"stills": without_stop})
    for request in ({"full": True}, {"format": "dng"}, {"format": "dng", "full": True}):
        made = planned(camera=camera, **request)
        assert (made.interruption, made.stops, made.alone) == (None, False, False)


@pytest.mark.parametrize(
    ("request_", "field", "text"),
    [
        ({"width": 4609, "height": 100}, "width", "a picture's width is 16 to 4608 pixels here, not 4609"),
        ({"width": 100, "height": 9}, "height", "height is 16 to 2592 pixels here, not 9"),
        ({"full": True, "width": 640}, "full", "give a size, or 'full': not both"),
        ({"settings": {"exposure": {"gian": 2}}}, "exposure.gian", "gian"),
        ({"settings": {"white_balance": {"mode": "tungsten"}}}, "white_balance.mode", "cannot be 'tungsten'"),
        ({"focus_first": True, "settings": {"focus": {"position": 2.0}}}, "focus_first", "not both"),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(request_: dict[str, Any], field: str, text: str) -> None:
    error = refused(**request_)
    assert text in error.message
    assert error.field is not None
    assert field.endswith(error.field)


def test_a_size_beyond_the_sensor_s_tells_the_range() -> None:
    assert refused(width=5000, height=3000).allowed == {"min": 16, "max": 4608}


def test_a_format_that_is_not_there_is_refused_with_why() -> None:
    film = CAMERA.model_copy(
        update={"model": "clip.mp4", "stills": Stills(unavailable={"dng": "a file is none"})}
    )
    error = refused(camera=film, format="dng")
    assert error.message == "clip.mp4 takes no dng pictures: a file is none"
    assert error.allowed == ["jpeg", "png"]


def test_the_stream_s_size_is_the_largest_where_the_camera_says_nothing() -> None:
    plain = CAMERA.model_copy(update={"stills": Stills()})
    assert planned(camera=plain, full=True).take.size == (1920, 1080)
    assert refused(camera=plain, width=1921, height=100).allowed == {"min": 16, "max": 1920}


def test_a_lens_that_cannot_move_is_not_focused() -> None:
    controls = {path: value for path, value in CAMERA.controls.items() if not path.startswith("focus.")}
    fixed = CAMERA.model_copy(
        update={"controls": controls, "unavailable": {"focus.mode": "the lens cannot be moved"}}
    )
    assert refused(camera=fixed, focus_first=True).message.endswith("cannot focus: the lens cannot be moved")


def test_borrowed_settings_go_the_one_way_and_are_taken_alone() -> None:
    made = planned(settings={"exposure": {"time_us": 1000, "gain": 99.0}})
    borrowed = made.take.settings
    assert borrowed is not None
    assert (borrowed.exposure.mode, borrowed.exposure.time_us, borrowed.exposure.gain) == (
        "manual",
        1000,
        16.0,
    )
    assert borrowed.video == SETTINGS.video
    assert made.alone
    assert (made.stops, made.interruption) == (False, None)


def test_what_holds_anyway_is_not_borrowed() -> None:
    made = planned(settings={"image": {"contrast": 1.0}})
    assert made.take.settings is None
    assert not made.alone


def test_a_long_exposure_gets_frames_that_are_long_enough_and_it_is_said() -> None:
    made = planned(settings={"exposure": {"time_us": 500_000}})
    borrowed = made.take.settings
    assert borrowed is not None
    assert borrowed.exposure.time_us == 500_000
    assert 1.99 < borrowed.video.fps < 2.0
    assert made.interruption == "the stream comes at 2 fps meanwhile, for its settings"
    assert not made.stops
    assert made.take.timeout_s > 30


def test_settings_that_need_a_new_configuration_stop_the_stream_and_it_is_said() -> None:
    made = planned(settings={"view": {"hflip": True}})
    assert made.take.interrupts
    assert made.stops
    assert "configured anew" in str(made.interruption)


def test_a_scan_in_manual_mode_is_taken_alone_as_the_lens_goes_back_afterwards() -> None:
    assert not planned(focus_first=True).alone
    manual = merge(SETTINGS, {"focus": {"mode": "manual", "position": 1.0}})
    assert planned(holding=manual, focus_first=True).alone


def test_how_long_it_may_take_follows_from_what_is_wanted() -> None:
    plain = planned().take.timeout_s
    slow = merge(SETTINGS, {"video": {"fps": 1.0}})
    for longer in (
        planned(full=True),
        planned(format="png"),
        planned(count=30),
        planned(focus_first=True),
        planned(holding=slow),
    ):
        assert plain < longer.take.timeout_s < 300
