from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.pulse import until_pulse_s


@given(now_s=st.floats(0, 1e7), wait_s=st.floats(1, 600))
def test_a_wait_ends_on_a_whole_second_and_is_half_a_second_off_at_most(now_s: float, wait_s: float) -> None:
    pause_s = until_pulse_s(now_s, wait_s)
    assert now_s + pause_s == pytest.approx(round(now_s + pause_s), abs=1e-6)
    assert abs(pause_s - wait_s) <= 0.5 + 1e-6


def test_who_wakes_a_little_late_or_early_keeps_the_rhythm() -> None:
    assert until_pulse_s(7.01, 1.0) == pytest.approx(0.99)
    assert until_pulse_s(6.999, 1.0) == pytest.approx(1.001)


@given(now_s=st.floats(0, 1e7), wait_s=st.floats(0, 0.999))
def test_less_than_a_second_is_what_it_is(now_s: float, wait_s: float) -> None:
    assert until_pulse_s(now_s, wait_s) == wait_s
