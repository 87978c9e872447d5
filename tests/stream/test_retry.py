from __future__ import annotations

import random

import pytest

from edge_agent.stream.messages import StreamCode
from edge_agent.stream.retry import Retry


def delays(retry: Retry, code: StreamCode, count: int = 2000) -> list[float]:
    return [retry.delay_s(code) for _ in range(count)]


@pytest.mark.parametrize(
    ("code", "least_s", "most_s"),
    [
        ("stream_unreachable", 0.1, 1.5),
        ("stream_timeout", 0.1, 1.5),
        ("stream_rejected", 1.0, 10.0),
        ("stream_not_found", 1.0, 10.0),
        ("stream_refused_credentials", 10.0, 30.0),
    ],
)
def test_waits_are_within_their_bounds_and_spread(code: StreamCode, least_s: float, most_s: float) -> None:
    found = delays(Retry(chance=random.Random(1)), code)
    assert least_s <= min(found) < least_s + (most_s - least_s) * 0.1
    assert most_s - (most_s - least_s) * 0.1 < max(found) <= most_s


def test_the_first_wait_after_a_healthy_session_is_short() -> None:
    retry = Retry(chance=random.Random(2))
    delays(retry, "stream_unreachable")
    retry.session_ended(60.0)
    assert retry.delay_s("stream_unreachable") <= 0.2


def test_sessions_that_break_at_once_do_not_make_it_hurry() -> None:
    retry = Retry(chance=random.Random(3))
    found = []
    for _ in range(200):
        retry.session_ended(0.3)
        found.append(retry.delay_s("stream_unreachable"))
    assert max(found) > 1.0
