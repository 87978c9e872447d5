"""The simulated camera answers to light, exposure and white balance."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from edge_agent.camera.drivers.simulated import SimulatedDriver, SimulatedOptions
from edge_agent.errors import ConfigError
from tests.camera.drivers.simulated_camera import (
    Camera,
    FakeClock,
    manual,
    noise,
)

# Exposure


def test_longer_is_brighter_up_to_white_and_shorter_darker_down_to_black() -> None:
    camera = Camera(manual(100))
    means = []
    for time_us in (26, 100, 400, 1600, 33_000):
        camera.set(manual(time_us, gain=2.0 if time_us > 26 else 1.2))
        means.append(float(camera.luma().mean()))
    assert means == sorted(means)
    assert means[-1] > 230
    dark = Camera(manual(26), options=SimulatedOptions(lux=5, moving=False))
    assert float(dark.luma().mean()) < 20


def test_gain_brightens_and_brings_noise() -> None:
    camera = Camera(manual(40, gain=1.2))
    little = camera.luma().mean(), noise(camera)
    camera.set(manual(40, gain=16.0))
    much = camera.luma().mean(), noise(camera)
    assert much[0] > little[0]
    assert much[1] > 2 * little[1]


def test_auto_exposure_comes_to_the_same_from_dark_and_from_bright() -> None:
    means = []
    for start in (manual(26), manual(33_000, gain=16.0)):
        camera = Camera(start)
        camera.take(2)
        camera.set({"exposure": {"mode": "auto"}})
        assert camera.reading(2).ae_converged is False
        reading = camera.reading(20)
        assert reading.ae_converged is True
        means.append(float(camera.luma().mean()))
    assert means[0] == pytest.approx(means[1], abs=4)
    assert 80 < means[0] < 150


def test_auto_exposure_takes_several_frames() -> None:
    camera = Camera(manual(26))
    camera.take()
    camera.set({"exposure": {"mode": "auto"}})
    totals = [(r.exposure_us or 0) * (r.analogue_gain or 0) for r in (camera.reading() for _ in range(12))]
    assert len({round(total) for total in totals[:5]}) == 5
    assert totals[:5] == sorted(totals[:5])


def test_compensation_changes_the_brightness() -> None:
    camera = Camera()
    plain = camera.luma(30).mean()
    camera.set({"exposure": {"ev": -2.0}})
    assert camera.luma(30).mean() < plain - 20
    camera.set({"exposure": {"ev": 1.0}})
    assert camera.luma(30).mean() > plain + 10


def test_modes_prefer_time_or_gain() -> None:
    indoors = SimulatedOptions(lux=200, moving=False)
    times = {
        mode: Camera({"exposure": {"exposure_mode": mode}}, options=indoors, fps=15).reading(40).exposure_us
        for mode in ("short", "normal", "long")
    }
    assert (times["short"] or 0) < (times["normal"] or 0) < (times["long"] or 0)


@pytest.mark.parametrize(("flicker", "period_us"), [("50hz", 10_000), ("60hz", 8333.3)])
def test_flicker_avoidance_takes_whole_periods(flicker: str, period_us: float) -> None:
    camera = Camera({"exposure": {"flicker": flicker}}, options=SimulatedOptions(lux=150, moving=False))
    time_us = camera.reading(30).exposure_us or 0
    assert time_us >= 8000
    assert abs(time_us / period_us - round(time_us / period_us)) < 0.001


def test_time_limits_bind_auto() -> None:
    camera = Camera({"exposure": {"max_time_us": 2000}}, options=SimulatedOptions(lux=100, moving=False))
    assert camera.reading(30).exposure_us == 2000
    camera = Camera({"exposure": {"min_time_us": 5000}})
    assert (camera.reading(30).exposure_us or 0) >= 5000


def test_the_frame_rate_caps_the_time() -> None:
    camera = Camera(manual(200_000), fps=10)
    assert camera.driver.applied().exposure.time_us == 100_000
    assert camera.reading().exposure_us == 100_000


def test_a_time_alone_leaves_the_gain_to_the_camera() -> None:
    camera = Camera({"exposure": {"time_us": 100}}, options=SimulatedOptions(lux=4000, moving=False))
    reading = camera.reading(30)
    assert reading.exposure_us == 100
    assert (reading.analogue_gain or 0) > 2
    applied = camera.driver.applied().exposure
    assert (applied.time_us, applied.gain) == (100, None)


def test_protecting_highlights_is_darker_and_shadows_brighter() -> None:
    # Half of the picture is sky, the window is so chosen that it has deep shadows, too.
    means = {
        mode: Camera({"exposure": {"constraint_mode": mode, "ev": 0.7}}).luma(40).mean()
        for mode in ("highlight", "normal", "shadows")
    }
    assert means["highlight"] < means["normal"]
    night = SimulatedOptions(lux=2000, moving=False)
    low = {
        mode: Camera({"exposure": {"constraint_mode": mode, "ev": -2.0}}, options=night).luma(40).mean()
        for mode in ("normal", "shadows")
    }
    assert low["normal"] < low["shadows"]


def test_metering_modes_weigh_the_picture_differently() -> None:
    times = {
        Camera({"exposure": {"metering_mode": mode}}).reading(40).exposure_us
        for mode in ("centre_weighted", "spot", "matrix")
    }
    assert len(times) == 3


def test_lux_follows_the_light_and_not_the_exposure() -> None:
    bright = Camera().reading(30).lux or 0
    dark = Camera(options=SimulatedOptions(start_hour=1, moving=False)).reading(60).lux or 0
    assert 10_000 < bright < 40_000
    assert dark < 20
    by_hand = Camera(manual(60)).reading(3).lux or 0
    assert by_hand == pytest.approx(bright, rel=0.3)


# Light


def test_a_day_goes_by() -> None:
    camera = Camera(options=SimulatedOptions(day_s=8, start_hour=0, moving=False))
    lux = [camera.reading().lux or 0 for _ in range(240)]
    assert max(lux[:20]) < 20
    assert max(lux[100:140]) > 5000
    assert max(lux[-10:]) < 20


def test_fixed_light_overrides_the_day() -> None:
    camera = Camera(options=SimulatedOptions(lux=1000, start_hour=0, moving=False))
    assert camera.reading(40).lux == pytest.approx(1000, rel=0.3)


def test_the_real_hour_is_the_clocks() -> None:
    # 12:34 UTC is night on the other side of the world.
    here = Camera(options=SimulatedOptions(time_zone="UTC", moving=False)).reading(40).lux or 0
    there = Camera(options=SimulatedOptions(time_zone="Pacific/Auckland", moving=False)).reading(60).lux or 0
    assert here > 5000
    assert there < 50


def test_an_unknown_time_zone_is_refused_by_name() -> None:
    driver = SimulatedDriver(clock=FakeClock(), options=SimulatedOptions(time_zone="Mars/Base"))
    with pytest.raises(ConfigError, match="Mars/Base"):
        driver.open()


# White balance


def _red_over_blue(picture: npt.NDArray[np.float64]) -> float:
    return float(picture[..., 0].mean() / picture[..., 2].mean())


def test_gains_tint_the_picture() -> None:
    camera = Camera({"white_balance": {"red_gain": 2.0, "blue_gain": 1.6}})
    plain = _red_over_blue(camera.rgb(20))
    camera.set({"white_balance": {"red_gain": 4.0, "blue_gain": 1.0}})
    assert _red_over_blue(camera.rgb()) > 1.5 * plain
    assert camera.reading().colour_gains == (4.0, 1.0)


def test_presets_are_ordered_by_their_temperature() -> None:
    camera = Camera()
    camera.take(20)
    ratios = []
    for mode in ("incandescent", "tungsten", "indoor", "daylight", "cloudy"):
        camera.set({"white_balance": {"mode": mode}})
        ratios.append(_red_over_blue(camera.rgb()))
    assert ratios == sorted(ratios)
    camera.set({"white_balance": {"temperature_k": 2500}})
    assert _red_over_blue(camera.rgb()) < ratios[0]


@pytest.mark.parametrize("preset", ["daylight_noir", "indoor_noir", "ir_850nm", "ir_940nm"])
def test_presets_without_infrared_filter_hold_their_gains(preset: str) -> None:
    camera = Camera({"white_balance": {"mode": preset}})
    assert len({camera.reading().colour_gains for _ in range(5)}) == 1


def test_automatic_white_balance_finds_the_light() -> None:
    camera = Camera(options=SimulatedOptions(start_hour=1, moving=False))
    first = camera.reading().colour_temperature_k or 0
    later = camera.reading(40).colour_temperature_k or 0
    assert first > 3500
    assert later < 3000
