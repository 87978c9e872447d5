from __future__ import annotations

from random import Random
from typing import Any

import pytest

from edge_agent.snapshots.upload.lanes import Entry, Lane, Lanes, full_jitter


def entry(number: int, origin: str = "https://h:443") -> Entry:
    name = f"{number:04d}"
    return Entry(
        ticket=name, picture_id=name, content_name=name, time=f"t{name}", size_bytes=1, origin=origin
    )


def lane(**facts: Any) -> Lane:
    return Lane(**{"newest_first": False, "base_s": 2.0, "cap_s": 60.0, "random": Random(1), **facts})


def taken(source: Lane, now_s: float = 0.0) -> str | None:
    found = source.take(now_s)
    return None if found is None else found.ticket


def test_the_oldest_goes_first_or_the_newest() -> None:
    for newest_first, order in ((False, ["0001", "0002", "0003"]), (True, ["0003", "0002", "0001"])):
        waiting = lane(newest_first=newest_first)
        for number in (2, 3, 1):
            waiting.put(entry(number))
        assert waiting.oldest() == "t0001"
        assert [taken(waiting) for _ in range(3)] == order
        assert taken(waiting) is None


def test_while_the_server_fails_one_at_a_time_tries_and_each_gets_its_turn() -> None:
    waiting = lane(base_s=1.0, cap_s=1.0)
    for number in range(3):
        waiting.put(entry(number))
    first = waiting.take(0.0)
    assert first is not None
    waiting.ended()
    waiting.failed(0.0, why="away", began_with=0, retry_after_s=None)
    waiting.put(first)
    assert taken(waiting, 0.0) is None
    tried = []
    for turn in range(1, 4):
        found = waiting.take(turn * 2.0)
        assert found is not None
        assert taken(waiting, turn * 2.0) is None
        assert waiting.next_s() is None
        tried.append(found.ticket)
        waiting.ended()
        waiting.failed(turn * 2.0, why="away", began_with=waiting.failures, retry_after_s=None)
        waiting.put(found)
    assert tried == ["0001", "0002", "0000"]
    waiting.answered()
    assert [taken(waiting) for _ in range(3)] == ["0000", "0001", "0002"]


def test_of_several_that_failed_together_one_counts() -> None:
    waiting = lane()
    for _ in range(4):
        waiting.failed(0.0, why="away", began_with=0, retry_after_s=None)
    assert waiting.failures == 1


@pytest.mark.parametrize("asked_s", [5.0, 500.0])
def test_what_the_server_asks_for_is_waited(asked_s: float) -> None:
    waiting = lane(base_s=2.0)
    waiting.put(entry(1))
    waiting.failed(0.0, why="later", began_with=0, retry_after_s=asked_s)
    at_s = waiting.next_s()
    assert at_s is not None
    assert asked_s <= at_s <= asked_s + 2.0
    assert taken(waiting, asked_s - 0.1) is None
    assert taken(waiting, asked_s + 2.0) == "0001"


def test_one_that_waits_for_its_time_holds_up_nobody() -> None:
    waiting = lane()
    waiting.put(entry(1), not_before_s=10.0)
    waiting.put(entry(2))
    assert taken(waiting, 1.0) == "0002"
    assert waiting.next_s() == 10.0
    assert taken(waiting, 10.0) == "0001"


def test_the_wait_is_drawn_below_a_ceiling_that_doubles_up_to_the_cap() -> None:
    random = Random(1)
    for failures, ceiling in ((0, 2.0), (3, 16.0), (10, 60.0), (5000, 60.0)):
        waits = [full_jitter(random=random, base_s=2.0, cap_s=60.0, failures=failures) for _ in range(500)]
        assert max(waits) <= ceiling
        assert max(waits) > 0.9 * ceiling
        assert min(waits) < 0.1 * ceiling


def test_servers_have_turns_and_do_not_wait_for_each_other() -> None:
    lanes = Lanes(newest_first=False, base_s=2.0, cap_s=60.0, random=Random(1))
    for number in range(4):
        origin = f"https://h{number % 2}:443"
        lanes.lane(origin).put(entry(number, origin))
    lanes.lane("https://h1:443").failed(0.0, why="away", began_with=0, retry_after_s=30.0)
    found = [lanes.take(0.0) for _ in range(3)]
    assert [each[1].ticket for each in found if each] == ["0000", "0002"]
    assert lanes.trouble() == "away"
    assert lanes.trouble(failures=2) is None
    later = [lanes.take(40.0), lanes.take(40.0)]
    assert [each[1].ticket for each in later if each] == ["0001"]
