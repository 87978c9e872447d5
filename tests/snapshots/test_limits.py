from __future__ import annotations

from datetime import timedelta

import pytest

from edge_agent.errors import RefusedError
from edge_agent.snapshots.limits import Excess, SteadyClock, Totals
from tests.clocks import ManualClock
from tests.snapshots.gallery import NOON, limits

TEN = Totals(count=10, size_bytes=1000, locked=4, locked_bytes=400)


def test_nothing_has_to_go_where_there_is_room() -> None:
    within = limits(limit_bytes=1100, limit_count=11, min_free_bytes=50)
    assert not within.excess(TEN, free_bytes=150, new_bytes=100, new_count=1)


@pytest.mark.parametrize(
    ("changed", "excess"),
    [
        ({"limit_bytes": 1050}, Excess(size_bytes=50)),
        ({"limit_count": 8}, Excess(count=3)),
        ({"min_free_bytes": 1000}, Excess(size_bytes=100)),
        ({"limit_bytes": 1050, "min_free_bytes": 1000}, Excess(size_bytes=100)),
    ],
)
def test_what_has_to_go_is_told_by_the_tightest_limit(changed: dict[str, int], excess: Excess) -> None:
    assert limits(**changed).excess(TEN, free_bytes=1000, new_bytes=100, new_count=1) == excess


@pytest.mark.parametrize(
    ("changed", "new_bytes", "code"),
    [
        ({"limit_bytes": 450}, 100, "store_full"),
        ({"limit_bytes": 900}, 901, "store_full"),
        ({"limit_count": 4}, 100, "store_full"),
        ({"min_free_bytes": 1501}, 100, "disk_full"),
    ],
)
def test_where_the_loose_ones_would_not_be_enough_it_is_refused(
    changed: dict[str, int], new_bytes: int, code: str
) -> None:
    with pytest.raises(RefusedError) as caught:
        limits(**changed).excess(TEN, free_bytes=1000, new_bytes=new_bytes, new_count=1)
    assert caught.value.code == code


def test_a_refusal_says_what_and_what_to_do() -> None:
    with pytest.raises(RefusedError) as caught:
        limits(limit_bytes=2_000_000, limit_count=7).excess(
            Totals(count=7, size_bytes=1_500_000, locked=7, locked_bytes=1_500_000),
            free_bytes=0,
            new_bytes=700_000,
            new_count=1,
        )
    assert caught.value.message == (
        "the store is full: 7 pictures with 1.5 MB are kept, 7 of them locked, and the new one with 0.7 MB "
        "does not fit into snapshots.limit_mb: 2 and limit_count: 7; unlock or delete some (images), or "
        "raise the limits"
    )


def test_age_counts_only_by_a_clock_that_has_been_steady() -> None:
    clock = ManualClock(NOON)
    steady = SteadyClock(clock, steady_s=600)
    assert steady.cutoff(3600) is None
    clock.advance(600)
    assert steady.cutoff(3600) == NOON + timedelta(seconds=600 - 3600)
    assert steady.cutoff(None) is None

    clock.set_now(NOON + timedelta(days=4000))
    assert steady.cutoff(3600) is None
    clock.advance(599)
    assert steady.cutoff(3600) is None
    clock.advance(1)
    assert steady.cutoff(3600) == NOON + timedelta(days=4000, seconds=600 - 3600)
