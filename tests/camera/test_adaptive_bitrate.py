from __future__ import annotations

import pytest

from edge_agent.camera.adaptive_bitrate import AdaptiveBitrate, Load, Step


class Line:
    """A queue that is looked at twice a second; some packets are sent each time unless told otherwise."""

    def __init__(
        self, *, target_bps: int = 8_000_000, floor_bps: int = 300_000, enabled: bool = True
    ) -> None:
        self.rate = AdaptiveBitrate(target_bps=target_bps, floor_bps=floor_bps, enabled=enabled)
        self.now_s = 100.0
        self.dropped = self.sent = 0

    def look(self, fill: float, *, dropped: int = 0, sent: int = 15) -> Step | None:
        self.now_s += 0.5
        self.dropped += dropped
        self.sent += sent
        load = Load(fill=fill, dropped=self.dropped, sent=self.sent)
        return self.rate.observe(load, now_s=self.now_s)

    def during(self, seconds: float, fill: float, *, dropped: int = 0, sent: int = 15) -> list[Step]:
        looks = (self.look(fill, dropped=dropped, sent=sent) for _ in range(int(seconds * 2)))
        return [step for step in looks if step is not None]


def test_an_empty_queue_changes_nothing() -> None:
    line = Line()
    assert line.during(60, 0.01) == []
    assert line.rate.current_bps == line.rate.target_bps == 8_000_000
    assert line.rate.reason is None


def test_a_queue_that_fills_lowers_it_by_a_quarter_every_two_seconds_down_to_the_floor() -> None:
    line = Line(target_bps=1_000_000, floor_bps=400_000)
    line.look(0.01)
    steps = line.during(6.5, 0.5)
    assert [step.to_bps for step in steps] == [750_000, 562_500, 421_875, 400_000]
    assert line.during(20, 0.5) == []
    assert line.rate.reason == "the queue is 50% full"
    assert (line.rate.steps_down, line.rate.steps_up) == (4, 0)


def test_packets_that_are_lost_lower_it_too() -> None:
    line = Line()
    line.look(0.0)
    step = line.look(0.05, dropped=30)
    assert step is not None
    assert step.reason == "30 packets lost"
    assert step.to_bps == 6_000_000


def test_long_emptiness_raises_it_step_by_step_up_to_the_target_and_no_further() -> None:
    line = Line(target_bps=1_000_000)
    line.look(0.01)
    line.look(0.9)
    assert line.rate.current_bps == 750_000
    assert line.during(9.5, 0.0) == []
    steps = line.during(60, 0.0)
    assert [step.to_bps for step in steps] == [825_000, 907_500, 998_250, 1_000_000]
    assert line.rate.reason is None
    assert (line.rate.steps_down, line.rate.steps_up) == (1, 4)


def test_emptiness_counts_from_the_last_time_that_it_was_not_empty() -> None:
    line = Line()
    line.look(0.01)
    line.look(0.9)
    for _ in range(5):
        assert line.during(9, 0.0) == []
        assert line.look(0.1) is None


@pytest.mark.parametrize("dropped", [0, 15])
def test_a_consumer_that_takes_nothing_is_not_slow(dropped: int) -> None:
    """It connects, or the server hangs: a smaller picture is no remedy for either."""
    line = Line()
    line.look(0.01)
    assert line.during(30, 0.9, dropped=dropped, sent=0) == []


def test_a_queue_that_is_being_emptied_needs_nothing() -> None:
    line = Line()
    line.look(0.9, sent=0)
    for fill in (0.8, 0.5, 0.3, 0.2, 0.01):
        assert line.look(fill) is None


def test_a_step_that_was_enough_is_given_time_to_empty_the_queue() -> None:
    line = Line()
    line.look(0.01)
    assert line.look(0.9) is not None
    for fill in (0.9, 0.85, 0.87, 0.8, 0.75, 0.76, 0.7, 0.6, 0.5, 0.3, 0.2):
        assert line.look(fill) is None
    assert line.rate.steps_down == 1


def test_nobody_who_takes_nothing_raises_it() -> None:
    line = Line()
    line.look(0.01)
    line.look(0.9)
    assert line.during(60, 0.0, sent=0) == []


def test_another_target_holds_at_once_unless_the_rate_is_lowered() -> None:
    line = Line(target_bps=1_000_000)
    line.rate.aim(2_000_000)
    assert line.rate.current_bps == 2_000_000
    line.look(0.01)
    line.look(0.9)
    line.rate.aim(8_000_000)
    assert (line.rate.current_bps, line.rate.target_bps) == (1_500_000, 8_000_000)
    assert line.rate.reason is not None
    line.rate.aim(1_000_000)
    assert line.rate.current_bps == 1_000_000
    assert line.rate.reason is None


def test_switched_off_it_follows_the_target_only() -> None:
    line = Line(enabled=False)
    line.look(0.0)
    assert line.during(10, 0.9, dropped=10) == []
    line.rate.aim(2_000_000)
    assert line.rate.current_bps == 2_000_000


def test_a_target_below_the_floor_is_the_target() -> None:
    line = Line(target_bps=200_000, floor_bps=300_000)
    line.look(0.0)
    assert line.during(10, 0.9) == []
    assert line.rate.current_bps == 200_000
