from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from edge_agent.contract.events import Events
from edge_agent.contract.reply import final_state, reply_document
from edge_agent.contract.topics import Topics
from edge_agent.contract.wire import encoded
from edge_agent.errors import CameraError, ExpiredError, RefusedError
from edge_agent.mqtt.message import Outgoing
from tests.clocks import ManualClock
from tests.contract.desk import REPLY_KEYS, strict_json

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)


def reply(**fields: Any) -> dict[str, Any]:
    return reply_document(**{"id": "a", "command": "c", "state": "done", "time": NOW, **fields})


def test_every_reply_has_all_keys() -> None:
    assert set(reply()) == REPLY_KEYS
    assert set(reply(progress=0.5, dry_run=True)) == {*REPLY_KEYS, "progress", "dry_run"}


def test_an_error_ends_as_the_contract_says() -> None:
    assert final_state(RefusedError("no")) == "rejected"
    assert final_state(ExpiredError("late")) == "expired"
    assert final_state(CameraError("broken")) == "failed"


def test_an_errors_value_is_bounded() -> None:
    error = reply(error=RefusedError("no", value="x" * 5000, field="f", allowed=["y"]))["error"]
    assert set(error) == {"code", "message", "field", "value", "allowed"}
    assert len(error["value"]) == 201


def test_progress_is_a_share() -> None:
    assert [reply(progress=share).get("progress") for share in (-1, 0.25, 7, float("nan"))] == [
        0,
        0.25,
        1,
        None,
    ]


def test_json_has_no_words_for_what_is_no_number() -> None:
    assert strict_json(encoded({"a": float("nan"), "b": (float("-inf"), 1)})) == {"a": None, "b": [None, 1]}


def test_an_event_says_what_happened_and_when() -> None:
    sent: list[Outgoing] = []
    topics = Topics(root="edge/v1", node="porch")
    Events(topics=topics, clock=ManualClock(), publish=sent.append).emit(
        "camera", "stalled", lux=float("nan")
    )
    [message] = sent
    assert (message.topic, message.qos, message.retain, message.kind) == (
        "edge/v1/porch/event/camera",
        1,
        False,
        "event",
    )
    assert strict_json(message.payload) == {
        "event_type": "stalled",
        "time": "2026-06-15T12:00:00.000Z",
        "lux": None,
    }
