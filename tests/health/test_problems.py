from __future__ import annotations

import json
from typing import Any

import pytest

from edge_agent.contract.events import Events
from edge_agent.contract.topics import Topics
from edge_agent.health.problems import Problems
from edge_agent.mqtt.message import Outgoing
from tests.clocks import ManualClock


class Told:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.sent: list[Outgoing] = []
        self.changes = 0
        events = Events(
            topics=Topics(root="edge/v1", node="porch"), clock=self.clock, publish=self.sent.append
        )
        self.problems = Problems(clock=self.clock, events=events, changed=self.count)

    def count(self) -> None:
        self.changes += 1

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(message.payload) for message in self.sent]


@pytest.fixture
def told() -> Told:
    return Told()


def test_a_problem_comes_with_its_code_time_and_words(told: Told) -> None:
    told.problems.set("stream_unreachable", "nobody answers")
    [document] = told.problems.document()
    assert document.pop("advice")
    assert document == {
        "code": "stream_unreachable",
        "grade": "degraded",
        "since": "2026-06-15T12:00:00.000Z",
        "message": "nobody answers",
    }
    [event] = told.events()
    assert told.sent[0].topic == "edge/v1/porch/event/problem"
    assert (event["event_type"], event["code"], event["message"]) == (
        "raised",
        "stream_unreachable",
        "nobody answers",
    )
    assert told.changes == 1


def test_saying_it_again_changes_nothing(told: Told) -> None:
    for _ in range(5):
        told.problems.set("x", "is so")
        told.clock.advance(60)
    assert (len(told.sent), told.changes) == (1, 1)


def test_other_words_are_the_same_problem_since_the_same_time(told: Told) -> None:
    told.problems.set("x", "first")
    told.clock.advance(60)
    told.problems.set("x", "second")
    [document] = told.problems.document()
    assert (document["since"], document["message"]) == ("2026-06-15T12:00:00.000Z", "second")
    assert (len(told.sent), told.changes) == (1, 2)


def test_a_solved_problem_is_gone_and_that_is_told_once(told: Told) -> None:
    told.problems.set("x", "is so")
    told.problems.set("x", None)
    told.problems.set("x", None)
    told.problems.set("never", None)
    assert told.problems.document() == []
    assert [event["event_type"] for event in told.events()] == ["raised", "solved"]
    assert told.events()[1]["message"] == "is so"
    assert told.changes == 2


def test_the_oldest_is_first(told: Told) -> None:
    for code in ("b", "a", "c"):
        told.problems.set(code, code)
        told.clock.advance(1)
    told.problems.set("b", None)
    told.problems.set("b", "again")
    assert [problem["code"] for problem in told.problems.document()] == ["a", "c", "b"]


def test_the_worst_grade_is_the_node_s_health(told: Told) -> None:
    assert told.problems.health().model_dump() == {"state": "ok", "problems": 0}
    told.problems.set("overlay_failed", "no letters")
    assert told.problems.health().model_dump() == {"state": "degraded", "problems": 1}
    told.problems.set("camera_down", "no camera")
    assert told.problems.health().model_dump() == {"state": "failed", "problems": 2}
    assert [problem["grade"] for problem in told.problems.document()] == ["degraded", "failed"]
    told.problems.set("camera_down", None)
    assert told.problems.health().state == "degraded"
