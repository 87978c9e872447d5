"""The simulated camera: what it reports, when its frames come, and its life."""

from __future__ import annotations

import threading

import pytest

from edge_agent.camera.drivers.simulated import SimulatedDriver
from edge_agent.camera.settings import CameraSettings, merge
from edge_agent.errors import CameraError
from tests.camera.drivers.simulated_camera import (
    NOON,
    Camera,
    FakeClock,
)

# What it reports


def test_readings_have_the_types_of_a_real_sensor() -> None:
    reading = Camera().reading(2)
    kinds = {name: type(value) for name, value in reading.model_dump().items()}
    assert {n for n, kind in kinds.items() if kind is int} == {
        "sequence",
        "timestamp_ns",
        "exposure_us",
        "colour_temperature_k",
        "focus_fom",
        "frame_duration_us",
    }
    assert {n for n, kind in kinds.items() if kind is float} == {
        "lux",
        "analogue_gain",
        "digital_gain",
        "lens_position",
        "sensor_temperature_c",
    }
    assert [type(gain) for gain in reading.colour_gains or ()] == [float, float]
    assert len(reading.black_levels or ()) == len(reading.crop or ()) == 4


def test_values_of_another_mode_are_not_held() -> None:
    camera = Camera({"exposure": {"mode": "auto", "time_us": 500, "gain": 2.0}})
    exposure = camera.driver.applied().exposure
    assert (exposure.time_us, exposure.gain) == (None, None)


def test_what_the_camera_has_not_is_not_held() -> None:
    settings = merge(
        CameraSettings(), {"hdr": "night", "view": {"rotation": 90}, "image": {"noise_reduction": "zsl"}}
    )
    camera = Camera()
    camera.driver.configure(settings)
    applied = camera.driver.applied()
    assert (applied.hdr, applied.view.rotation, applied.image.noise_reduction) == ("off", 0, "fast")


# Pacing


def _paced(clock: FakeClock, fps: float) -> SimulatedDriver:
    driver = SimulatedDriver(clock=clock, options=NOON, wait=clock.wait)
    driver.open()
    driver.configure(merge(CameraSettings(), {"video": {"width": 64, "height": 64, "fps": fps}}))
    return driver


def test_frames_come_at_the_frame_rate() -> None:
    clock = FakeClock()
    driver = _paced(clock, 20)
    samples = [driver.read(1.0) for _ in range(5)]
    assert clock.waited == pytest.approx([0.05] * 4)
    assert [s.reading.frame_duration_us for s in samples if s] == pytest.approx([50_000] * 5, abs=1)


def test_who_comes_late_loses_frames_and_gets_no_bunch() -> None:
    clock = FakeClock()
    driver = _paced(clock, 20)
    driver.read(1.0)
    clock.at_s += 0.174
    late, following = driver.read(1.0), driver.read(1.0)
    assert late is not None
    assert following is not None
    assert late.reading.frame_duration_us == pytest.approx(150_000, abs=2)
    assert following.pts_us - late.pts_us == pytest.approx(50_000, abs=2)
    assert clock.waited == pytest.approx([0.026])


def test_a_frame_that_is_due_later_than_the_time_out_is_none_yet() -> None:
    clock = FakeClock()
    driver = _paced(clock, 2)
    assert driver.read(0.1) is not None
    assert [driver.read(0.2) is None for _ in range(3)] == [True, True, False]


# Life


def test_settings_may_come_while_a_frame_is_made() -> None:
    camera = Camera()
    failures: list[BaseException] = []

    def settle() -> None:
        try:
            for number in range(60):
                camera.set({"image": {"brightness": number / 100}, "focus": {"position": float(number % 9)}})
                camera.driver.trigger_focus()
        except BaseException as error:  # noqa: BLE001 - told by the assertion below
            failures.append(error)

    thread = threading.Thread(target=settle)
    thread.start()
    camera.take(20)
    thread.join()
    assert not failures
    assert camera.driver.applied().image.brightness == pytest.approx(0.59)


def test_it_says_what_is_wrong_before_it_is_open_or_configured() -> None:
    driver = SimulatedDriver(clock=FakeClock(), paced=False)
    with pytest.raises(CameraError, match="not open"):
        driver.read(1.0)
    driver.open()
    with pytest.raises(CameraError, match="not configured"):
        driver.read(1.0)
