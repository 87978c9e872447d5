"""The simulated camera answers to focus, crop, flips and the image's settings."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from edge_agent.camera.capabilities import Reading
from edge_agent.camera.drivers.simulated import SimulatedOptions
from edge_agent.camera.settings import Window
from tests.camera.drivers.simulated_camera import (
    CHART,
    Camera,
    detail,
    frame_of,
    luma_of,
    manual,
    noise,
)

# Focus


def _scan(camera: Camera) -> list[Reading]:
    camera.driver.trigger_focus()
    readings = [camera.reading()]
    while readings[-1].af_state == "scanning":
        assert len(readings) < 80
        readings.append(camera.reading())
    return readings


def test_a_scan_ends_focused_where_it_is_sharpest() -> None:
    camera = Camera({"focus": {"mode": "auto"}})
    assert camera.reading().af_state == "idle"
    readings = _scan(camera)
    assert len(readings) > 5
    assert readings[-1].af_state == "focused"
    assert readings[-1].lens_position == pytest.approx(2.0, abs=0.5)
    assert (readings[-1].focus_fom or 0) >= max(r.focus_fom or 0 for r in readings)
    assert camera.reading(3).af_state == "focused"


def test_a_fast_scan_takes_fewer_frames() -> None:
    lengths = [
        len(_scan(Camera({"focus": {"mode": "auto", "speed": speed}}))) for speed in ("fast", "normal")
    ]
    assert lengths[0] < lengths[1]


def test_a_scan_fails_where_nothing_is_in_range() -> None:
    assert _scan(Camera({"focus": {"mode": "auto", "range": "macro"}}))[-1].af_state == "failed"


def test_a_scan_looks_at_its_window() -> None:
    camera = Camera({"focus": {"mode": "auto", "window": CHART.model_dump()}}, size=(640, 360))
    readings = _scan(camera)
    assert readings[-1].af_state == "focused"
    assert readings[-1].lens_position == pytest.approx(6.0, abs=0.6)


def test_continuous_focus_arrives_and_follows_its_window() -> None:
    camera = Camera()
    assert camera.reading().af_state != "focused"
    reading = camera.reading(20)
    assert (reading.af_state, reading.lens_position) == ("focused", 2.0)
    camera.set({"focus": {"window": CHART.model_dump()}})
    reading = camera.reading(25)
    assert (reading.af_state, reading.lens_position) == ("focused", 6.0)


def test_the_picture_is_sharp_at_the_subject_only() -> None:
    camera = Camera(manual(150), size=(640, 360))
    camera.take(2)
    details, merits = [], []
    for position in (2.0, 4.0, 8.0, 15.0):
        camera.set({"focus": {"position": position}})
        sample = camera.take()
        assert sample.reading.lens_position == position
        details.append(detail(luma_of(sample)[:, 160:480]))
        merits.append(sample.reading.focus_fom or 0)
    assert details == sorted(details, reverse=True)
    assert merits == sorted(merits, reverse=True)
    assert merits[0] > 10 * merits[-1]


def test_in_manual_the_lens_is_read_back_where_a_scan_left_it() -> None:
    camera = Camera({"focus": {"position": 9.0}})
    camera.take()
    assert camera.driver.applied().focus.position == 9.0
    _scan(camera)
    assert camera.driver.applied().focus.position == pytest.approx(2.0, abs=0.5)
    assert camera.driver.applied().focus.mode == "manual"


# The picture


def test_flips_mirror() -> None:
    plain = Camera(manual(150)).luma(3)
    mirrored = Camera({**manual(150), "view": {"hflip": True}}).luma(3)
    difference = np.abs(mirrored - plain).mean()
    assert np.abs(mirrored[:, ::-1] - plain).mean() < difference / 4


def test_turning_is_both_flips() -> None:
    turned = frame_of(Camera({**manual(150), "view": {"rotation": 180}}).take(3)).to_ndarray()
    both = frame_of(Camera({**manual(150), "view": {"hflip": True, "vflip": True}}).take(3)).to_ndarray()
    none = frame_of(Camera({**manual(150), "view": {"rotation": 180, "hflip": True, "vflip": True}}).take(3))
    assert np.array_equal(turned, both)
    assert not np.array_equal(turned, none.to_ndarray())


def test_a_region_of_interest_zooms() -> None:
    camera = Camera(manual(150))
    whole = camera.take(12)
    region = Window(x=0.25, y=0.25, width=0.5, height=0.5)
    camera.set({"view": {"roi": region.model_dump()}})
    part = camera.take()
    assert whole.reading.crop == (0, 0, 4608, 2592)
    assert part.reading.crop == (1152, 648, 2304, 1296)
    seen, shown = (frame_of(sample).to_ndarray()[:180].astype(np.float64) for sample in (whole, part))
    # Every second pixel of the part, below the text, is a pixel of the middle of the whole.
    enlarged = seen[65:135, 80:240].ravel()
    halved = shown[40::2, ::2].ravel()
    assert np.corrcoef(enlarged, halved)[0, 1] > 0.8
    assert np.corrcoef(seen[40::2, ::2].ravel(), halved)[0, 1] < 0.5


def test_another_shape_shows_the_middle() -> None:
    assert Camera(size=(320, 240)).reading().crop == (576, 0, 3456, 2592)


def test_the_fast_mode_is_a_crop() -> None:
    assert Camera({"video": {"field_of_view": "crop"}}).reading().crop == (768, 432, 3072, 1728)
    assert Camera(fps=100).reading().crop == (768, 432, 3072, 1728)


@pytest.mark.parametrize(
    ("name", "low", "high", "measure"),
    [
        ("brightness", -0.3, 0.3, lambda c: float(c.luma().mean())),
        ("contrast", 0.5, 1.8, lambda c: float(c.luma().std())),
        ("saturation", 0.2, 1.8, lambda c: float(np.ptp(c.rgb(), axis=2).mean())),
        ("sharpness", 0.0, 6.0, lambda c: detail(c.luma())),
    ],
)
def test_the_image_settings_act(
    name: str, low: float, high: float, measure: Callable[[Camera], float]
) -> None:
    camera = Camera({**manual(150), "focus": {"position": 2.0}}, size=(640, 360))
    values = []
    for value in (low, 1.0 if name != "brightness" else 0.0, high):
        camera.set({"image": {name: value}})
        values.append(measure(camera))
    assert values == sorted(values)
    assert values[2] > 1.2 * values[0]


def test_noise_reduction_reduces_noise() -> None:
    camera = Camera(manual(40, gain=16.0))
    levels = []
    for mode in ("off", "minimal", "fast", "high_quality"):
        camera.set({"image": {"noise_reduction": mode}})
        levels.append(noise(camera))
    assert levels == sorted(levels, reverse=True)


def test_something_moves() -> None:
    calm = Camera(manual(150), size=(640, 360))
    lively = Camera(manual(150), options=SimulatedOptions(start_hour=12), size=(640, 360))
    changes = [float(np.abs(c.luma(40) - c.luma(20)).max()) for c in (calm, lively)]
    assert changes[0] < 20
    assert changes[1] > 60


def _first_line(camera: Camera) -> npt.NDArray[np.uint8]:
    # At 360 lines the text is 12 high, from 4, and each of its 30 characters 7 wide.
    return np.asarray(frame_of(camera.take()).to_ndarray()[4:16, 4:214], np.uint8)


def test_the_clock_and_the_frame_counter_are_burnt_in() -> None:
    camera = Camera(size=(640, 360))
    first, second = _first_line(camera), _first_line(camera)
    assert (first.min(), first.max() > 200) == (16, True)
    # The clock of this test stands still: only the counter's last digit differs.
    changed = np.flatnonzero((first != second).any(axis=0))
    assert changed.min() >= 203
    another_day = _first_line(Camera(options=SimulatedOptions(time_zone="Pacific/Auckland"), size=(640, 360)))
    assert not np.array_equal(first[:, :133], another_day[:, :133])


def test_a_text_is_burnt_in() -> None:
    def second_line(text: str) -> npt.NDArray[np.uint8]:
        camera = Camera(options=SimulatedOptions(lux=100, moving=False, text=text), size=(640, 360))
        return np.asarray(frame_of(camera.take()).to_ndarray()[16:28, 4:25], np.uint8)

    assert np.array_equal(second_line("ABC"), second_line("ABC"))
    assert not np.array_equal(second_line("ABC"), second_line("XYZ"))


def test_extreme_settings_stay_within_the_range_of_video() -> None:
    image = {"saturation": 32.0, "contrast": 4.0, "sharpness": 16.0, "noise_reduction": "off"}
    planes = frame_of(Camera({**manual(40, gain=16.0), "image": image}).take(2)).to_ndarray()
    luma, chroma = planes[:180], planes[180:]
    # Codes that wrapped around would lie at the very ends of a byte.
    assert 4 <= luma.min() < 30
    assert 220 < luma.max() <= 247
    assert 4 <= chroma.min() < 30
    assert 220 < chroma.max() <= 252


def test_rows_that_are_padded_hold_the_picture() -> None:
    frame = frame_of(Camera(manual(150), size=(322, 182)).take())
    assert frame.planes[0].line_size != frame.width
    assert frame.to_ndarray().shape == (273, 322)
    assert float(frame.to_ndarray()[:182, -8:].std()) > 1
