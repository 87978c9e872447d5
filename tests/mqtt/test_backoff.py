from __future__ import annotations

from random import Random

from edge_agent.mqtt.backoff import Backoff, FlapDetector
from edge_agent.mqtt.config import BackoffConfig


class Highest(Random):
    """Chance that always draws the ceiling."""

    def uniform(self, a: float, b: float) -> float:
        return b


CONFIG = BackoffConfig(min_s=1, max_s=10, stable_s=20)


def test_the_ceiling_doubles_to_its_limit() -> None:
    backoff = Backoff(config=CONFIG, random=Highest())
    assert [backoff.after_failure() for _ in range(6)] == [1, 2, 4, 8, 10, 10]


def test_only_a_stable_connection_resets_it() -> None:
    backoff = Backoff(config=CONFIG, random=Highest())
    waits = [backoff.after_failure(lasted_s=lasted_s) for lasted_s in (0, 0, 19, 20, 0)]
    assert waits == [1, 2, 4, 1, 2]


def test_the_jitter_is_full() -> None:
    backoff = Backoff(config=CONFIG, random=Random(1))
    waits = [backoff.after_failure() for _ in range(300)][10:]
    assert min(waits) < 1
    assert 9 < max(waits) <= 10


def test_refusals_and_takeovers_wait_longer() -> None:
    backoff = Backoff(config=CONFIG, random=Random(1))
    assert all(10 <= backoff.after_refusal() <= 20 for _ in range(100))
    assert all(30 <= backoff.after_takeover() <= 120 for _ in range(100))


def test_three_young_ends_within_a_minute_are_flapping() -> None:
    detector = FlapDetector()
    assert [detector.ended(now_s=now_s, lasted_s=1) for now_s in (0, 20, 40, 61, 200)] == [
        False,
        False,
        True,
        True,
        False,
    ]


def test_a_connection_that_lasted_is_no_flapping() -> None:
    detector = FlapDetector()
    assert not any(
        detector.ended(now_s=now, lasted_s=last) for now, last in [(0, 1), (2, 1), (10, 6), (12, 1), (14, 1)]
    )
    detector.forget()
    assert not detector.ended(now_s=15, lasted_s=1)
