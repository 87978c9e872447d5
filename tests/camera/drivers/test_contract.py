"""What every driver promises. A new one is added to the table in `table.py`, not here."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from edge_agent.camera.capabilities import CameraCapabilities, Reading
from edge_agent.camera.drivers.base import Driver, Sample
from edge_agent.camera.settings import CameraSettings, flatten, merge, unflatten
from edge_agent.errors import CameraError
from tests.camera.drivers.table import DRIVERS

_READS = 200
_SETTINGS = flatten(CameraSettings().model_dump())


@pytest.fixture(params=sorted(DRIVERS))
def driver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Driver]:
    made = DRIVERS[request.param](tmp_path)
    yield made
    made.close()


def first_settings(capabilities: CameraCapabilities) -> CameraSettings:
    """The camera's own defaults, at its smallest size."""
    own = {p: c.default for p, c in capabilities.controls.items() if c.default is not None}
    smallest = min(capabilities.resolutions, key=lambda r: r.width * r.height)
    own |= {"video.width": smallest.width, "video.height": smallest.height}
    own["video.fps"] = min(own.get("video.fps", 30.0), smallest.fps_max)
    return merge(CameraSettings(), unflatten(own))


def started(driver: Driver) -> CameraCapabilities:
    capabilities = driver.open()
    driver.configure(first_settings(capabilities))
    return capabilities


def take(driver: Driver, count: int) -> list[Sample]:
    """That many samples; a driver may run out of time now and then, but not for ever."""
    samples: list[Sample] = []
    for _ in range(_READS):
        sample = driver.read(1.0)
        if sample is not None:
            samples.append(sample)
        if len(samples) == count:
            return samples
    raise AssertionError(f"{len(samples)} of {count} samples came in {_READS} reads")


def test_capabilities_name_settings_that_there_are(driver: Driver) -> None:
    capabilities = driver.open()
    assert capabilities.driver == driver.name
    assert set(capabilities.controls) <= set(_SETTINGS)
    assert {path.partition("=")[0] for path in capabilities.unavailable} <= set(_SETTINGS)


def test_a_setting_is_offered_or_unavailable_but_not_both(driver: Driver) -> None:
    capabilities = driver.open()
    assert not set(capabilities.controls) & set(capabilities.unavailable)
    for path in capabilities.unavailable:
        setting, _, value = path.partition("=")
        if value:
            options = capabilities.controls[setting].options
            assert options is not None
            assert value not in map(str, options)


def test_defaults_are_within_the_limits(driver: Driver) -> None:
    for path, control in driver.open().controls.items():
        if control.default is None:
            continue
        if control.options is not None:
            assert control.default in control.options, path
        if control.min is not None:
            assert control.default >= control.min, path
        if control.max is not None:
            assert control.default <= control.max, path


def test_frame_rates_of_resolutions_are_within_the_limits(driver: Driver) -> None:
    capabilities = driver.open()
    assert capabilities.resolutions
    limit = capabilities.controls.get("video.fps")
    if limit is not None and limit.max is not None:
        assert all(0 < r.fps_max <= limit.max for r in capabilities.resolutions)


def test_samples_rise_in_time_and_number(driver: Driver) -> None:
    started(driver)
    samples = take(driver, 6)
    for earlier, later in pairwise(samples):
        assert later.pts_us > earlier.pts_us
        assert later.reading.sequence > earlier.reading.sequence
        assert later.reading.timestamp_ns > earlier.reading.timestamp_ns


def test_a_sample_holds_a_frame_of_the_configured_size_or_packets(driver: Driver) -> None:
    started(driver)
    video = driver.applied().video
    for sample in take(driver, 4):
        assert isinstance(sample.reading, Reading)
        if sample.frame is None:
            assert sample.packets
            continue
        assert (sample.frame.width, sample.frame.height) == (video.width, video.height)
        assert sample.frame.format.name in {"yuv420p", "nv12"}
        assert sample.frame.pts is None


def test_every_listed_resolution_can_be_configured(driver: Driver) -> None:
    capabilities = started(driver)
    for resolution in capabilities.resolutions:
        size = {"width": resolution.width, "height": resolution.height, "fps": resolution.fps_max}
        driver.configure(merge(driver.applied(), {"video": size}))
        held = driver.applied().video
        assert (held.width, held.height) == (resolution.width, resolution.height)
        assert held.fps == pytest.approx(resolution.fps_max)


def test_what_is_applied_can_be_configured_and_is_the_same_then(driver: Driver) -> None:
    started(driver)
    applied = driver.applied()
    driver.configure(applied)
    assert driver.applied() == applied


def test_every_option_that_is_offered_is_taken(driver: Driver) -> None:
    capabilities = started(driver)
    for path, control in capabilities.controls.items():
        for option in control.options or ():
            driver.configure(merge(first_settings(capabilities), unflatten({path: option})))
            assert flatten(driver.applied().model_dump())[path] == option, path


@pytest.mark.parametrize("end", ["min", "max"])
def test_what_is_beyond_a_limit_is_held_within(driver: Driver, end: str) -> None:
    capabilities = started(driver)
    for path, control in capabilities.controls.items():
        limit = getattr(control, end)
        if limit is None or path in {"video.width", "video.height"}:
            continue
        beyond: Any = limit + (-1 if end == "min" else 1) * max(1, abs(limit))
        plain = _SETTINGS[path]
        wanted: dict[str, Any] = {
            path: round(beyond) if isinstance(plain, int) or path.endswith("_us") else beyond
        }
        if path.endswith("_k"):
            wanted[path] = round(beyond)
        group = path.partition(".")[0]
        if plain is None and f"{group}.mode" in capabilities.controls and "m_time" not in path:
            wanted[f"{group}.mode"] = "manual"
        driver.apply(merge(first_settings(capabilities), unflatten(wanted)))
        held = flatten(driver.applied().model_dump())[path]
        if held is not None:
            assert control.min is None or held >= control.min, path
            assert control.max is None or held <= control.max, path


def test_what_is_not_live_stays_when_settings_are_applied(driver: Driver) -> None:
    started(driver)
    before = driver.applied()
    size = {"width": before.video.width * 2, "height": before.video.height * 2}
    driver.apply(merge(before, {"video": size, "view": {"hflip": not before.view.hflip}}))
    assert driver.applied() == before
    frame = take(driver, 1)[0].frame
    assert frame is None or (frame.width, frame.height) == (before.video.width, before.video.height)


def test_the_frame_rate_is_live(driver: Driver) -> None:
    capabilities = started(driver)
    control = capabilities.controls.get("video.fps")
    if control is None or control.min is None:
        assert "video.fps" in capabilities.unavailable
        return
    half = max(driver.applied().video.fps / 2, control.min)
    take(driver, 2)
    driver.apply(merge(driver.applied(), {"video": {"fps": half}}))
    assert driver.applied().video.fps == pytest.approx(half)
    steps = [b.pts_us - a.pts_us for a, b in zip(take(driver, 4), take(driver, 4), strict=True)]
    assert min(steps) >= 1_000_000 / half


def test_a_closed_camera_gives_no_frames(driver: Driver) -> None:
    started(driver)
    take(driver, 1)
    driver.close()
    driver.close()
    with pytest.raises(CameraError):
        driver.read(0.1)


def test_closing_what_was_never_open_is_no_error(driver: Driver) -> None:
    driver.close()
