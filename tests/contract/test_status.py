from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from pydantic import BaseModel

from edge_agent.contract.status import StatusBoard
from edge_agent.mqtt.message import Outgoing
from tests.clocks import ManualClock, settled
from tests.contract.desk import strict_json


class Part(BaseModel):
    lux: float | None = None
    state: str = "running"


class Board:
    def __init__(self, *, interval_s: float = 3600) -> None:
        self.clock = ManualClock()
        self.sent: list[Outgoing] = []
        self.board = StatusBoard(
            topic="edge/v1/porch/status", clock=self.clock, publish=self.sent.append, interval_s=interval_s
        )

    def documents(self) -> list[dict[str, Any]]:
        return [strict_json(message.payload) for message in self.sent]


def test_a_document_carries_every_key_of_every_part() -> None:
    board = Board()
    board.board.add("camera", Part)
    board.board.add("problems", list)
    board.board.add("desired", lambda: None)
    board.board.publish()
    [message] = board.sent
    assert (message.topic, message.qos, message.retain, message.kind) == (
        "edge/v1/porch/status",
        1,
        True,
        "state",
    )
    assert board.documents() == [
        {
            "time": "2026-06-15T12:00:00.000Z",
            "camera": {"lux": None, "state": "running"},
            "problems": [],
            "desired": None,
        }
    ]


def test_a_sensors_nonsense_is_null_and_not_invalid_json() -> None:
    board = Board()
    board.board.add("camera", lambda: Part(lux=float("nan")))
    board.board.add("stream", lambda: {"fps": float("inf"), "deep": [float("nan")]})
    board.board.publish()
    [document] = board.documents()
    assert document["camera"]["lux"] is None
    assert document["stream"] == {"fps": None, "deep": [None]}


def test_a_part_that_fails_costs_only_itself(caplog: pytest.LogCaptureFixture) -> None:
    board = Board()
    answers: list[Any] = [KeyError("broken"), KeyError("broken"), object(), {"well": True}]

    def part() -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    board.board.add("plugin", part)
    board.board.add("camera", Part)
    with caplog.at_level(logging.ERROR):
        for _ in range(4):
            board.board.publish()
    assert [document["plugin"] for document in board.documents()] == [None, None, None, {"well": True}]
    assert all(document["camera"]["state"] == "running" for document in board.documents())
    assert len(caplog.records) == 1
    assert "'plugin'" in caplog.text


async def test_a_burst_becomes_two_messages_a_second() -> None:
    board = Board()
    counter = 0
    board.board.add("count", lambda: [counter])
    running = asyncio.create_task(board.board.run())
    times: list[float] = []
    for step in range(200):  # ten seconds of changes
        counter = step
        board.board.changed()
        before = len(board.sent)
        board.clock.advance(0.05)
        await settled()
        times += [board.clock.monotonic()] * (len(board.sent) - before)
    assert 15 <= len(times) <= 20
    assert all(later - first > 1.0 for first, later in zip(times, times[2:], strict=False))
    for _ in range(20):
        board.clock.advance(0.05)
        await settled()
    assert board.documents()[-1]["count"] == [199]
    running.cancel()


async def test_without_changes_it_is_told_every_interval() -> None:
    board = Board(interval_s=0.01)
    told = asyncio.Event()
    board.board.add("told", told.set)
    running = asyncio.create_task(board.board.run())
    async with asyncio.timeout(20):
        await told.wait()
    await settled()
    running.cancel()
    assert board.documents()[0]["time"]
