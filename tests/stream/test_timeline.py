from __future__ import annotations

import pytest

from edge_agent.stream.timeline import Timeline


def test_begins_at_zero_wherever_the_camera_is() -> None:
    timeline = Timeline()
    assert timeline.ticks(5_000_000, now_s=1.0) == 0
    assert timeline.ticks(5_033_333, now_s=1.033) == 2999
    assert timeline.ticks(6_000_000, now_s=2.0) == 90_000


def test_rises_strictly_even_where_the_camera_does_not() -> None:
    timeline = Timeline()
    assert [timeline.ticks(pts_us, now_s=0.0) for pts_us in (0, 0, 5, 8, 1_000)] == [0, 1, 2, 3, 90]


@pytest.mark.parametrize("then_us", [0, 500_000, 3_600_000_000], ids=["from 0", "back", "far ahead"])
def test_goes_on_by_the_time_that_passed_where_the_camera_began_anew(then_us: int) -> None:
    timeline = Timeline()
    timeline.ticks(1_000_000, now_s=10.0)
    assert timeline.ticks(2_000_000, now_s=11.0) == 90_000
    assert timeline.ticks(then_us, now_s=12.5) == 225_000
    assert timeline.ticks(then_us + 1_000_000, now_s=13.5) == 315_000


def test_a_gap_of_seconds_is_kept() -> None:
    timeline = Timeline()
    timeline.ticks(0, now_s=0.0)
    assert timeline.ticks(4_000_000, now_s=4.0) == 360_000
