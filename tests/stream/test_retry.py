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
        ("stream_timeout", 0.1, 0.5),
        ("stream_refused_credentials", 10.0, 30.0),
    ],
)
def test_waits_are_within_their_bounds_and_spread(code: StreamCode, least_s: float, most_s: float) -> None:
    found = delays(Retry(chance=random.Random(1)), code)
    assert least_s <= min(found) < least_s + (most_s - least_s) * 0.1
    assert most_s - (most_s - least_s) * 0.1 < max(found) <= most_s


@pytest.mark.parametrize("code", ["stream_rejected", "stream_not_found", "stream_tls_failed"])
def test_who_said_no_is_asked_often_for_a_minute_and_then_seldom(code: StreamCode) -> None:
    retry = Retry(chance=random.Random(4))
    soon, later = delays(retry, code, 60), delays(retry, code, 500)
    assert max(soon) <= 1.5
    assert 25 < sum(soon) < 90
    assert min(later) >= 1.5
    assert 8.0 < max(later) <= 10.0


def test_what_cannot_be_is_not_tried_again() -> None:
    assert Retry(chance=random.Random(5)).delay_s("stream_unsupported") >= 3600


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
