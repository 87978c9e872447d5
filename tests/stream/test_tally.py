from __future__ import annotations

from edge_agent.stream.tally import Tally


def test_counts_go_on_over_a_restart() -> None:
    tally = Tally()
    assert tally.total({}) == {}
    assert tally.total({"full": 3, "large": 1}) == {"full": 3, "large": 1}
    assert tally.total({"full": 5, "large": 1}) == {"full": 5, "large": 1}
    # The camera's process begins anew, and its counts with it.
    assert tally.total({"full": 0, "large": 0}) == {"full": 5, "large": 1}
    assert tally.total({"full": 2, "large": 0}) == {"full": 7, "large": 1}
    # Asked twice, it counts once.
    assert tally.total({"full": 2, "large": 0}) == {"full": 7, "large": 1}


def test_a_process_that_is_away_takes_nothing_with_it() -> None:
    tally = Tally()
    tally.total({"full": 4})
    assert tally.total({}) == {"full": 4}
    assert tally.total({"full": 1}) == {"full": 5}
