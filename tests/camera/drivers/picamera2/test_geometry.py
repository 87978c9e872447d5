from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.camera.drivers.picamera2.geometry import Geometry
from edge_agent.camera.settings import Window

WIDE = Geometry(largest=(768, 432, 3072, 1728), smallest=(128, 128), shape=16 / 9)
SHARES = st.floats(0.05, 1.0)


@given(x=st.floats(0, 0.95), y=st.floats(0, 0.95), width=SHARES, height=SHARES, shape=st.floats(0.5, 3.0))
def test_a_crop_is_within_the_sensor_in_the_picture_s_shape(
    x: float, y: float, width: float, height: float, shape: float
) -> None:
    geometry = Geometry(largest=WIDE.largest, smallest=WIDE.smallest, shape=shape)
    left, top, wide, high = geometry.crop(
        Window(x=x, y=y, width=min(width, 1 - x), height=min(height, 1 - y))
    )
    assert left >= 766
    assert top >= 430
    assert left + wide <= 768 + 3072 + 2
    assert top + high <= 432 + 1728 + 2
    assert wide >= 126
    assert high >= 126
    assert wide / high == pytest.approx(shape, rel=0.04)


def test_the_whole_view_is_the_largest_crop() -> None:
    assert WIDE.crop(Window()) == WIDE.largest


def test_a_crop_tells_which_part_of_the_view_it_is() -> None:
    roi = Window(x=0.25, y=0.25, width=0.5, height=0.5)
    crop = WIDE.crop(roi)
    assert WIDE.roi(crop) == roi
    assert WIDE.shows(roi, crop)
    assert not WIDE.shows(roi, WIDE.largest)


def test_a_crop_that_is_too_small_grows_about_its_middle() -> None:
    left, top, width, height = WIDE.crop(Window(x=0.5, y=0.5, width=0.01, height=0.01))
    assert (width, height) == (226, 128)
    assert abs(left + width / 2 - (768 + 3072 * 0.505)) <= 3
    assert abs(top + height / 2 - (432 + 1728 * 0.505)) <= 3
