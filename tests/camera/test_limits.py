from __future__ import annotations

import math
from typing import Any

import pytest

from edge_agent.camera.capabilities import CameraCapabilities, Control
from edge_agent.camera.limits import (
    Resolution,
    effective_limits,
    fps_max_at,
    interrupting,
    resolve,
    starting_settings,
    what_is_offered,
)
from edge_agent.camera.settings import CameraSettings, flatten, merge
from edge_agent.errors import RefusedError
from tests.camera.imx708 import CONTROLS, FIXED_SIZES, IMX708, NO_LENS_DRIVE

START = CameraSettings()


def take(
    patch: dict[str, Any],
    *,
    current: CameraSettings = START,
    camera: CameraCapabilities = IMX708,
    strict: bool = False,
) -> Resolution:
    return resolve(patch, current=current, capabilities=camera, strict=strict)


def refused(patch: dict[str, Any], **how: Any) -> RefusedError:
    with pytest.raises(RefusedError) as error:
        take(patch, **how)
    return error.value


def manual(**exposure: Any) -> CameraSettings:
    return take({"exposure": {"mode": "manual", **exposure}}).settings


# ---- clamping


@pytest.mark.parametrize(
    ("path", "value", "clamped_to"),
    [
        ("exposure.gain", 99.0, 16.0),
        ("exposure.gain", 0, 1.1228),
        ("exposure.time_us", 1, 26),
        ("exposure.ev", -100, -8.0),
        ("focus.position", 30, 15.0),
        ("image.sharpness", -1, 0.0),
        ("video.fps", -5, 0.01),
        ("video.bitrate_bps", 10**300, 25_000_000),
        ("white_balance.temperature_k", 0, 100),
    ],
)
def test_a_number_out_of_range_becomes_the_nearest_and_that_is_told(
    path: str, value: Any, clamped_to: float
) -> None:
    group, name = path.split(".")
    resolution = take({group: {name: value}})
    applied = flatten(resolution.settings.model_dump())[path]
    assert applied == clamped_to
    assert path in resolution.clamped
    control = CONTROLS[path]
    assert f"{control.min if value < clamped_to else control.max:g}" in resolution.clamped[path]
    error = refused({group: {name: value}}, strict=True)
    assert (error.code, error.field) == ("out_of_range", path)
    assert error.allowed == {"min": control.min, "max": control.max}
    assert path in error.message


def test_a_limit_on_one_side_only_clamps_on_that_side() -> None:
    camera = IMX708.model_copy(
        update={
            "controls": {**CONTROLS, "exposure.time_us": Control(min=26.5), "image.contrast": Control(max=2)}
        }
    )
    resolution = take({"exposure": {"time_us": 1}, "image": {"contrast": 9}}, camera=camera)
    assert resolution.settings.exposure.time_us == 27
    assert resolution.settings.image.contrast == 2
    assert set(resolution.clamped) == {"exposure.time_us", "image.contrast"}


def test_what_is_in_range_is_taken_as_it_is() -> None:
    resolution = take({"exposure": {"gain": 2.5}, "image": {"contrast": 1.1}}, strict=True)
    assert resolution.clamped == {}
    assert resolution.settings.exposure.gain == 2.5
    assert resolution.settings.exposure.mode == "manual"


def test_the_frame_rate_is_limited_by_the_size() -> None:
    resolution = take({"video": {"fps": 500}})
    assert resolution.settings.video.fps == 56.03
    assert "1920x1080" in resolution.clamped["video.fps"]
    larger = take({"video": {"width": 4608, "height": 2592}})
    assert larger.settings.video.fps == 14.35
    assert "4608x2592" in larger.clamped["video.fps"]
    assert take({"video": {"width": 1280, "height": 720, "fps": 120}}).clamped == {}


def test_the_exposure_time_is_limited_by_the_frame() -> None:
    resolution = take({"exposure": {"time_us": 50_000}})
    assert resolution.settings.exposure.time_us == 33_333
    assert resolution.clamped == {"exposure.time_us": "a frame at 30 fps lasts 33333 µs"}
    for name in ("min_time_us", "max_time_us"):
        held = take({"exposure": {name: 50_000}})
        assert getattr(held.settings.exposure, name) == 33_333
        assert f"exposure.{name}" in held.clamped


def test_what_was_there_before_gives_way_and_is_told() -> None:
    before = manual(time_us=30_000)
    resolution = take({"video": {"fps": 50}}, current=before)
    assert resolution.settings.exposure.time_us == 20_000
    assert "50 fps" in resolution.clamped["exposure.time_us"]


def test_what_a_camera_rounded_is_no_reason_to_refuse_something_else() -> None:
    before = merge(manual(time_us=33_333), {"exposure": {"time_us": 33_340}})
    assert take({"image": {"contrast": 1.2}}, current=before, strict=True).clamped == {}


def test_sizes_are_even_where_any_will_do() -> None:
    resolution = take({"video": {"width": 641, "height": 481}})
    assert (resolution.settings.video.width, resolution.settings.video.height) == (640, 480)
    assert "641x481" in resolution.clamped["video.width"]


@pytest.mark.parametrize(
    ("asked", "size"),
    [
        ({"width": 1280, "height": 720}, (1280, 720)),
        ({"width": 1300, "height": 700}, (1280, 720)),
        ({"width": 1280}, (1280, 720)),
        ({"height": 2592}, (4608, 2592)),
        ({"width": 1}, (1280, 720)),
        ({"width": 99999, "height": 99999}, (4608, 2592)),
    ],
)
def test_the_nearest_size_is_taken_where_only_some_are_offered(
    asked: dict[str, int], size: tuple[int, int]
) -> None:
    video = take({"video": asked}, camera=FIXED_SIZES).settings.video
    assert (video.width, video.height) == size


def test_the_automatic_bit_rate_follows_size_and_rate() -> None:
    small = take({"video": {"width": 1280, "height": 720}}).settings
    assert small.video.bitrate_bps < START.video.bitrate_bps
    fixed = take({"video": {"bitrate_bps": 2_000_000}}, current=small).settings
    assert (fixed.video.bitrate_auto, fixed.video.bitrate_bps) == (False, 2_000_000)
    again = take({"video": {"width": 1920, "height": 1080}}, current=fixed).settings
    assert again.video.bitrate_bps == 2_000_000
    auto = take({"video": {"bitrate_auto": True}}, current=again).settings
    assert auto.video.bitrate_bps == 8_000_000


# ---- modes and what belongs to them


@pytest.mark.parametrize(
    ("group", "mode", "values"),
    [
        ("exposure", "auto", {"time_us": 1000, "gain": 2.0}),
        ("white_balance", "daylight", {"red_gain": 2.0, "blue_gain": 1.5}),
        ("focus", "continuous", {"position": 2.0}),
    ],
)
def test_a_value_means_manual_and_another_mode_drops_it(
    group: str, mode: str, values: dict[str, Any]
) -> None:
    by_hand = take({group: values}).settings
    assert getattr(by_hand, group).mode == "manual"
    after = getattr(take({group: {"mode": mode}}, current=by_hand).settings, group)
    assert after.mode == mode
    assert {name: getattr(after, name) for name in values} == dict.fromkeys(values)


def test_gains_and_a_colour_temperature_take_each_others_place() -> None:
    gains = take({"white_balance": {"red_gain": 2.0, "blue_gain": 1.5}}).settings
    warm = take({"white_balance": {"temperature_k": 3000}}, current=gains).settings.white_balance
    assert (warm.red_gain, warm.blue_gain, warm.temperature_k) == (None, None, 3000)


@pytest.mark.parametrize(
    ("patch", "field", "text"),
    [
        ({"exposure": {"mode": "auto", "time_us": 100}}, "exposure.time_us", "'exposure.mode' is auto"),
        ({"exposure": {"mode": "auto", "gain": 2}}, "exposure.gain", "'exposure.mode' is auto"),
        ({"exposure": {"min_time_us": 900, "max_time_us": 100}}, "exposure.min_time_us", "900 is above"),
        (
            {"white_balance": {"mode": "daylight", "red_gain": 2}},
            "white_balance.red_gain",
            "'white_balance.mode' is daylight",
        ),
        (
            {"white_balance": {"red_gain": 2, "temperature_k": 3000}},
            "white_balance.temperature_k",
            "not both",
        ),
        ({"focus": {"mode": "continuous", "position": 2}}, "focus.position", "'focus.mode' is continuous"),
        ({"view": {"roi": {"x": 0.5, "width": 0.6}}}, "view.roi", "reaches beyond"),
        ({"focus": {"window": {"y": 0.9, "height": 0.2}}}, "focus.window", "reaches beyond"),
        (
            {"exposure": {"time_us": 50_000}, "video": {"fps": 30}},
            "exposure.time_us",
            "does not fit into a frame at 30 fps (33333 µs)",
        ),
    ],
)
def test_a_contradiction_is_refused(patch: dict[str, Any], field: str, text: str) -> None:
    error = refused(patch)
    assert (error.code, error.field) == ("contradiction", field)
    assert text in error.message


# ---- what is not offered


def test_an_option_that_there_is_not_is_refused_with_the_reason_and_the_others() -> None:
    error = refused({"view": {"rotation": 90}})
    assert (error.code, error.field, error.value, error.allowed) == (
        "not_offered",
        "view.rotation",
        90,
        [0, 180],
    )
    assert error.message == "'view.rotation' cannot be 90: a camera cannot turn its picture on its side"
    error = refused({"white_balance": {"mode": "fluorescent"}})
    assert error.message == "'white_balance.mode' cannot be 'fluorescent': imx708 does not offer it"
    assert error.allowed == list(CONTROLS["white_balance.mode"].options or ())


def test_a_setting_that_there_is_not_is_refused_with_the_reason() -> None:
    error = refused({"focus": {"mode": "manual"}}, camera=NO_LENS_DRIVE)
    assert (error.code, error.field) == ("not_offered", "focus.mode")
    assert error.message == "'focus.mode' is not offered by imx219: its lens is fixed"
    assert "image.contrast" in error.allowed
    assert refused({"hdr": "night"}).message.endswith("HDR of the sensor needs the camera closed")
    assert "does not have it" in refused({"view": {"lens_correction": True}}).message


def test_asking_for_what_is_so_anyway_is_no_request() -> None:
    patch = {"hdr": "off", "focus": {"mode": "continuous", "position": None}}
    assert take(patch, camera=NO_LENS_DRIVE).settings == START


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        ({"exposure": {"mode": "atuo"}}, "'exposure.mode' cannot be 'atuo': it should be 'auto' or 'manual'"),
        ({"exposre": {}}, "there is no 'exposre'; did you mean 'exposure'?"),
        ({"exposure": 5}, "'exposure' cannot be 5: it should be an object"),
        ({"video": {"fps": None}}, "'video.fps' cannot be null: it should be a number"),
        ({"video": {"fps": math.inf}}, "'video.fps' cannot be 'inf': it should be a finite number"),
    ],
)
def test_what_is_no_patch_is_refused_in_readable_words(patch: dict[str, Any], message: str) -> None:
    assert refused(patch).message.startswith(message)


def test_numbers_that_came_as_text_are_limited_like_numbers() -> None:
    assert take({"exposure": {"gain": "99"}}).settings.exposure.gain == 16.0


@pytest.mark.parametrize("name", ["fps", "width", "height"])
def test_what_no_camera_can_do_is_refused_where_the_driver_tells_no_limits(name: str) -> None:
    camera = IMX708.model_copy(update={"controls": {**CONTROLS, f"video.{name}": Control()}})
    assert refused({"video": {name: 0}}, camera=camera).code == "out_of_range"
    assert refused({"video": {name: -3}}, camera=camera).field == f"video.{name}"


def test_nothing_is_touched_by_a_refusal() -> None:
    before = START.model_dump()
    refused({"image": {"contrast": 2}, "view": {"rotation": 90}})
    assert START.model_dump() == before


# ---- what must stop for it


@pytest.mark.parametrize(
    "patch",
    [
        {"video": {"width": 1280}},
        {"video": {"height": 720}},
        {"video": {"field_of_view": "crop"}},
        {"view": {"hflip": True}},
        {"view": {"rotation": 180}},
    ],
)
def test_size_transform_and_mode_interrupt(patch: dict[str, Any]) -> None:
    assert take(patch).interrupts


@pytest.mark.parametrize(
    "patch",
    [
        {"exposure": {"gain": 3}},
        {"video": {"fps": 25}},
        {"video": {"bitrate_bps": 4_000_000}},
        {"view": {"roi": {"width": 0.5}}},
        {"video": {"width": 1920}},
        {},
    ],
)
def test_everything_else_is_live(patch: dict[str, Any]) -> None:
    assert not take(patch).interrupts


def test_hdr_interrupts() -> None:
    assert interrupting(START, merge(START, {"hdr": "night"}))


# ---- limits as status tells them


def test_effective_limits_say_because_of_what() -> None:
    limits = effective_limits(START, IMX708)
    assert (limits["fps"].min, limits["fps"].max) == (0.01, 56.03)
    assert limits["fps"].because == "the camera's limit at 1920x1080"
    assert (limits["exposure_us"].min, limits["exposure_us"].max) == (26, 33_333)
    assert limits["exposure_us"].because == "a frame at 30 fps lasts 33333 µs"
    slow = effective_limits(merge(START, {"video": {"fps": 0.001}}), IMX708)
    assert slow["exposure_us"].max == 220416802
    assert slow["exposure_us"].because == "the sensor's limit"


def test_without_controls_there_is_nothing_to_tell() -> None:
    assert effective_limits(START, CameraCapabilities(driver="x", model="x")) == {}


def test_a_frame_rate_of_nothing_is_no_end_of_the_world() -> None:
    assert "exposure_us" not in effective_limits(merge(START, {"video": {"fps": 0}}), IMX708)


def test_the_highest_rate_is_that_of_the_smallest_size_that_holds_it() -> None:
    assert fps_max_at(IMX708, 640, 480) == 120.13
    assert fps_max_at(IMX708, 1600, 900) == 56.03
    assert fps_max_at(IMX708, 9999, 9999) == 14.35
    assert fps_max_at(CameraCapabilities(driver="x", model="x"), 640, 480) is None


# ---- the start


def test_a_camera_starts_with_its_own_defaults_and_what_it_can_do_of_the_wanted() -> None:
    wanted = {"exposure": {"gain": 99, "mode": "manual"}, "view": {"rotation": 90}, "image": {"contrast": 2}}
    started, left_out = starting_settings(wanted, IMX708)
    assert started.exposure.gain == 16.0
    assert started.image.contrast == 2
    assert started.view.rotation == 0
    assert set(left_out) == {"exposure.gain", "view.rotation"}
    assert "on its side" in left_out["view.rotation"]


def test_the_cameras_default_of_a_manual_value_is_nobodys_choice() -> None:
    started, left_out = starting_settings({}, IMX708)
    assert (started.exposure.mode, started.exposure.time_us, started.exposure.gain) == ("auto", None, None)
    assert started.focus.position is None
    assert left_out == {}


def test_a_driver_with_nonsense_for_defaults_still_starts() -> None:
    camera = IMX708.model_copy(
        update={
            "controls": {
                "video.fps": Control(default="fast"),
                "image.contrast": Control(default=3.0),
                "video.codec": Control(default="h264"),
            }
        }
    )
    started, _ = starting_settings({}, camera)
    assert started.image.contrast == 3.0
    assert started.video.fps == 30


def test_the_offered_part_keeps_what_belongs_together() -> None:
    patch = {"video": {"bitrate_auto": True, "bitrate_bps": 1_000_000}, "view": {"rotation": 270}}
    offered, left_out = what_is_offered(patch, current=START, capabilities=IMX708)
    assert offered == {"video": {"bitrate_auto": True, "bitrate_bps": 1_000_000}}
    assert list(left_out) == ["view.rotation"]
