from __future__ import annotations

from edge_agent.stream.demand import Demand


def test_nobody_asked() -> None:
    assert not Demand(grace_s=20).wanted(0)


def test_a_demand_holds_for_the_grace_time() -> None:
    demand = Demand(grace_s=20)
    demand.ask(100)
    assert demand.wanted(119.9)
    assert not demand.wanted(120)
    demand.ask(120)
    assert demand.wanted(139)


def test_readers_hold_it_and_the_last_one_s_leaving_is_waited_out() -> None:
    demand = Demand(grace_s=20)
    demand.ask(0)
    for now_s in range(0, 100, 2):
        demand.counted(2, now_s, publishing=True)
    demand.counted(0, 100, publishing=True)
    assert demand.wanted(117.9)
    assert not demand.wanted(118)


def test_readers_who_wait_at_a_path_that_is_always_available_begin_it() -> None:
    demand = Demand(grace_s=20)
    demand.counted(0, 0, publishing=False)
    assert not demand.wanted(0)
    demand.counted(1, 2, publishing=False)
    assert demand.wanted(2)


def test_a_release_ends_it_at_once_unless_somebody_reads() -> None:
    demand = Demand(grace_s=20)
    demand.ask(0)
    demand.release()
    assert not demand.wanted(0)
    demand.counted(1, 1, publishing=True)
    demand.release()
    assert demand.wanted(2)
    demand.counted(0, 3, publishing=True)
    demand.release()
    assert not demand.wanted(3)


def test_a_lost_api_takes_nobody_s_picture_away() -> None:
    demand = Demand(grace_s=20)
    demand.ask(0)
    for now_s in range(0, 1000, 2):
        demand.counted(None, now_s, publishing=True)
    assert demand.wanted(1000)
    demand.counted(0, 1000, publishing=True)
    assert not demand.wanted(1018.1)


def test_a_lost_api_begins_nothing_and_holds_nothing_for_a_lost_server() -> None:
    demand = Demand(grace_s=20)
    demand.counted(None, 0, publishing=False)
    assert not demand.wanted(0)
    demand.ask(0)
    for now_s in range(0, 30, 2):
        demand.counted(None, now_s, publishing=False)
    assert not demand.wanted(20)
