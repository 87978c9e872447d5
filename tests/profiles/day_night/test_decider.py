from __future__ import annotations

import math

from edge_agent.profiles.day_night.config import Rules
from edge_agent.profiles.day_night.decider import DayNight, Phase
from edge_agent.profiles.day_night.light import by_lux

RULES = Rules(night_below_lux=5, day_above_lux=20, dwell_s=30)


def see(decider: DayNight, lux: float, at_s: float) -> Phase | None:
    return decider.see(by_lux("lux", lux, RULES).says, at_s=at_s, dwell_s=RULES.dwell_s)


def phases(readings: list[tuple[float, float]]) -> list[tuple[float, Phase]]:
    decider = DayNight()
    return [(at_s, phase) for at_s, lux in readings if (phase := see(decider, lux, at_s)) is not None]


def test_the_first_reading_decides_at_once() -> None:
    assert phases([(0, 4.9)]) == [(0, "night")]
    assert phases([(0, 5.0)]) == [(0, "day")]
    assert phases([(0, 1000)]) == [(0, "day")]


def test_it_is_night_after_the_light_stayed_away() -> None:
    assert phases([(0, 100), *((at, 1.0) for at in range(10, 100))]) == [(0, "day"), (40, "night")]


def test_dusk_that_goes_to_and_fro_around_one_threshold_switches_once() -> None:
    dusk = [(float(at), 5 + 3 * math.sin(at) - at / 100) for at in range(1000)]
    assert [phase for _, phase in phases([(-1, 100), *dusk])] == ["day", "night"]


def test_a_passing_car_makes_no_day() -> None:
    night = [(float(at), 500.0 if at % 100 in range(40, 65) else 0.5) for at in range(1000)]
    assert phases(night) == [(0, "night")]


def test_a_cloud_makes_no_night() -> None:
    assert phases([(0, 1000), (10, 2), (35, 2), (36, 1000), (37, 2), (60, 2)]) == [(0, "day")]


def test_between_the_thresholds_everything_stays() -> None:
    assert phases([(0, 100), *((at, 10.0) for at in range(1, 500))]) == [(0, "day")]
    assert phases([(0, 1), *((at, 10.0) for at in range(1, 500))]) == [(0, "night")]


def test_after_forgetting_it_is_decided_anew() -> None:
    decider = DayNight()
    assert see(decider, 1, 0) == "night"
    decider.forget()
    assert decider.phase is None
    assert see(decider, 1, 1) == "night"
    assert see(decider, 1000, 2) is None
    decider.forget()
    assert see(decider, 1000, 3) == "day"


def test_it_tells_how_long_a_change_takes_yet() -> None:
    decider = DayNight()
    see(decider, 1000, 0)
    assert decider.changes_in(at_s=5, dwell_s=30) is None
    see(decider, 1, 10)
    assert decider.changes_in(at_s=15, dwell_s=30) == 25
    see(decider, 1000, 16)
    assert decider.changes_in(at_s=16, dwell_s=30) is None
