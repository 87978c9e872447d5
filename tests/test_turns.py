from __future__ import annotations

from edge_agent.turns import Turns
from tests.clocks import ManualClock


def test_a_loop_that_has_not_begun_owes_nothing() -> None:
    clock = ManualClock()
    turns = Turns(clock=clock)
    clock.advance(1_000_000)
    assert turns.overdue_s == 0


def test_a_turn_is_overdue_by_what_is_beyond_its_promise() -> None:
    clock = ManualClock()
    turns = Turns(clock=clock)
    turns.turn(within_s=30)
    clock.advance(30)
    assert turns.overdue_s == 0
    clock.advance(12)
    assert turns.overdue_s == 12
    turns.turn(within_s=1)
    assert turns.overdue_s == 0
    assert turns.turned_at_s == clock.monotonic()


def test_a_loop_that_rests_owes_nothing() -> None:
    clock = ManualClock()
    turns = Turns(clock=clock)
    turns.turn(within_s=1)
    clock.advance(5)
    turns.rest()
    clock.advance(1_000_000)
    assert turns.overdue_s == 0
