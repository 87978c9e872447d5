"""A server that reads, one that hangs, and what lies between, told by what waits at it."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from edge_agent.stream.backlog import Backlog
from edge_agent.stream.sockets import Connection

RATE = 500_000  # bytes a second that the publisher writes


def waiting(pending: int, *, here: bool = True) -> list[Connection]:
    return [Connection(local=("127.0.0.1", 5), remote=("127.0.0.1", 8554), pending_bytes=pending, here=here)]


def watched(pending: Iterable[int], *, every_s: float = 2.0, rate: int = RATE, here: bool = True) -> Backlog:
    backlog = Backlog()
    for number, left in enumerate(pending):
        backlog.note(waiting(left, here=here), int(number * every_s * rate), number * every_s)
    return backlog


def test_a_server_that_reads() -> None:
    backlog = watched([0] * 30)
    assert not backlog.stuck
    assert backlog.reads(58.5)
    assert not backlog.reads(70.0)


def test_a_server_that_is_seen_in_the_middle_of_it() -> None:
    assert not watched([0, 30_000, 50_000, 40_000, 60_000, 0, 90_000] * 5).stuck


def test_a_server_that_hangs() -> None:
    after = [number * 2 * RATE for number in range(8)]
    assert not watched([0, 0, 0, *after[:3]]).stuck
    assert watched([0, 0, 0, *after[:4]]).stuck
    assert watched([0] * 300 + after[:5]).stuck


def test_it_hangs_until_it_reads_and_also_while_no_more_can_be_written() -> None:
    backlog = watched([number * 2 * RATE for number in range(5)])
    for number in range(10):
        backlog.note(waiting(8 * RATE), 8 * RATE, 10.0 + number)
    assert backlog.stuck
    assert not backlog.reads(20.0)
    backlog.note(waiting(RATE), 8 * RATE, 21.0)
    assert not backlog.stuck
    assert backlog.reads(21.5)


def test_a_link_that_is_too_slow_is_not_a_server_that_hangs() -> None:
    assert not watched([number * RATE // 2 for number in range(60)]).stuck


@pytest.mark.parametrize("every_s", [0.5, 1.0, 2.0])
def test_a_camera_that_is_silent_is_not_a_server_that_hangs(every_s: float) -> None:
    assert not watched([0] * 20, every_s=every_s, rate=0).stuck
    assert not watched([4000] * 20, every_s=every_s, rate=0).stuck


def test_of_a_server_elsewhere_it_is_not_known_that_it_reads() -> None:
    assert not watched([0] * 30, here=False).reads(58.5)
    assert watched([number * 2 * RATE for number in range(6)], here=False).stuck


def test_a_new_session_begins_anew() -> None:
    backlog = watched([number * 2 * RATE for number in range(6)])
    backlog.clear()
    assert not backlog.stuck
    assert not backlog.reads(11.0)
