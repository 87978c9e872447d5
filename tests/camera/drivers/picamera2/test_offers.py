"""What each of Raspberry Pi's cameras offers, and which of its modes serves what."""

from __future__ import annotations

import pytest

from edge_agent.camera.drivers.picamera2.modes import choose_mode, read_modes
from edge_agent.camera.drivers.picamera2.options import Picamera2Options
from tests.camera.drivers.picamera2.rig import SETTLED, Rig
from tests.camera.drivers.picamera2.sensors import SENSORS

IMX708 = read_modes(
    {"size": mode.size, "fps": mode.fps, "crop_limits": mode.crop, "bit_depth": 10}
    for mode in SENSORS["imx708"].modes
)


@pytest.mark.parametrize(
    ("size", "fps", "field_of_view", "width"),
    [
        ((1280, 720), 30, "scale", 2304),  # the smallest with the whole view
        ((1280, 720), 56.03, "scale", 2304),
        ((1280, 720), 100, "scale", 1536),  # only a crop is that fast
        ((1280, 720), 30, "crop", 1536),
        ((1920, 1080), 30, "crop", 2304),
        ((3840, 2160), 10, "scale", 4608),
        ((2304, 1296), 500, "scale", 2304),
        ((8000, 6000), 30, "scale", 4608),
    ],
)
def test_a_wide_module_keeps_its_view_unless_only_a_crop_reaches_the_rate(
    size: tuple[int, int], fps: float, field_of_view: str, width: int
) -> None:
    mode = choose_mode(IMX708, width=size[0], height=size[1], fps=fps, field_of_view=field_of_view)
    assert mode is not None
    assert mode.width == width


def test_exposure_limits_may_have_two_items_or_three_or_be_none() -> None:
    entry = {"size": (640, 480), "fps": 30.0}
    for limits, expected in (
        ((9, 100), (9, 100)),
        ((9, 100, 50), (9, 100)),
        ((9, 100, None), (9, 100)),
        ((9, None), None),
        (None, None),
    ):
        (mode,) = read_modes([{**entry, "exposure_limits": limits}])
        assert mode.exposure_us == expected


def test_entries_that_are_no_sensor_s_modes_are_left_out() -> None:
    assert read_modes([{"format": "NV12"}]) == ()


def test_a_rate_that_costs_the_view_is_told_as_a_crop() -> None:
    rig = Rig(patch={"video": {"width": 1280, "height": 720, "fps": 100.0}})
    assert rig.driver.applied().video.field_of_view == "crop"
    assert rig.driver.applied().video.fps == 100.0
    assert rig.world.camera.camera_configuration()["sensor"]["output_size"] == (1536, 864)


def test_ranges_are_the_device_s() -> None:
    controls = Rig("imx708").capabilities.controls
    assert (controls["exposure.gain"].min, controls["exposure.gain"].max) == (1.1228, 16.0)
    assert (controls["exposure.time_us"].min, controls["exposure.time_us"].max) == (9, 220_416_802)
    assert Rig("imx708_wide_noir").capabilities.controls["focus.position"].max == 32.0
    assert controls["video.fps"].max == 120.13


@pytest.mark.parametrize("model", ["imx219", "ov5647", "imx477"])
def test_a_fixed_lens_has_no_focus(model: str) -> None:
    capabilities = Rig(model).capabilities
    assert not [path for path in capabilities.controls if path.startswith("focus.")]
    assert capabilities.unavailable["focus.mode"] == "the lens cannot be moved"


def test_a_mono_sensor_has_no_colours() -> None:
    capabilities = Rig("imx296").capabilities
    assert not capabilities.colour
    assert not [path for path in capabilities.controls if path.startswith("white_balance.")]
    assert capabilities.unavailable["white_balance.mode"] == "the sensor sees no colours"
    assert capabilities.unavailable["image.saturation"] == "the sensor sees no colours"


def test_a_grey_world_tuning_offers_gains_and_presets_but_no_kinds_of_light() -> None:
    capabilities = Rig("imx708_wide_noir").capabilities
    options = capabilities.controls["white_balance.mode"].options
    assert options == ("auto", "manual", "daylight_noir", "indoor_noir", "ir_850nm", "ir_940nm")
    assert "without infrared filter" in capabilities.unavailable["white_balance.mode=daylight"]
    assert "white_balance.temperature_k" in capabilities.unavailable
    assert "white_balance.red_gain" in capabilities.controls


def test_without_a_tuning_file_the_name_tells_of_the_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    world_sensor = SENSORS["imx219"]
    monkeypatch.setitem(SENSORS, "imx219", world_sensor.__class__(**{**vars(world_sensor), "tuning": {}}))
    noir = Rig("imx219", options=Picamera2Options(noir=True)).capabilities
    assert "white_balance.mode=daylight" in noir.unavailable
    ordinary = Rig("imx219").capabilities
    assert "daylight" in (ordinary.controls["white_balance.mode"].options or ())


def test_modes_that_a_tuning_lacks_are_not_offered() -> None:
    capabilities = Rig("imx219").capabilities
    assert capabilities.controls["exposure.constraint_mode"].options == ("normal", "highlight")
    assert "tuning" in capabilities.unavailable["exposure.constraint_mode=shadows"]
    assert "shadows" in (Rig("imx708").capabilities.controls["exposure.constraint_mode"].options or ())


def test_hdr_of_the_processor_is_a_pi_5_s_though_a_pi_4_advertises_it() -> None:
    assert Rig("imx219", pisp=True).capabilities.controls["hdr"].options == (
        "off",
        "single_exposure",
        "night",
    )
    older = Rig("imx219", pisp=False).capabilities
    assert "hdr" in older.unavailable
    assert Rig("imx708", pisp=False).capabilities.controls["hdr"].options == ("off", "sensor")


def test_what_libcamera_cannot_limit_is_not_offered() -> None:
    unavailable = Rig().capabilities.unavailable
    assert "video.fps" in unavailable["exposure.max_time_us"]
    assert "exposure.min_time_us" in unavailable


def test_the_frame_rate_within_a_mode_is_live_and_beyond_it_held_to_the_mode() -> None:
    rig = Rig(patch={"video": {"width": 1280, "height": 720}})
    assert rig.apply({"video": {"fps": 50.0}}) == {"FrameDurationLimits": (20_000, 20_000)}
    rig.apply({"video": {"fps": 100.0}})
    assert rig.settled().video.fps == 56.03


def test_a_four_by_three_picture_of_a_wide_sensor_is_still_the_whole_view() -> None:
    rig = Rig(patch={"video": {"width": 640, "height": 480}})
    assert rig.reading(SETTLED).crop == (576, 0, 3456, 2592)
    assert rig.driver.applied().view.roi.width == 1.0
    assert rig.driver.applied().video.field_of_view == "scale"
