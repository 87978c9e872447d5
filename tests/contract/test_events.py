"""Events: told on the wire and to those who listen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from edge_agent.contract.events import Events
from edge_agent.contract.topics import Topics
from edge_agent.mqtt.message import Outgoing
from tests.clocks import ManualClock


def test_a_listener_hears_what_is_sent_until_it_has_enough() -> None:
    sent: list[Outgoing] = []
    heard: list[tuple[str, Mapping[str, Any]]] = []
    events = Events(topics=Topics(root="edge/v1", node="porch"), clock=ManualClock(), publish=sent.append)
    enough = events.listen(lambda kind, document: heard.append((kind, document)))
    events.emit("stream", "publishing", url="x")
    enough()
    events.emit("stream", "failed")
    assert heard == [("stream", json.loads(sent[0].payload))]
    assert len(sent) == 2


def test_a_listener_that_fails_keeps_no_event_from_anyone() -> None:
    sent: list[Outgoing] = []
    heard: list[str] = []
    events = Events(topics=Topics(root="edge/v1", node="porch"), clock=ManualClock(), publish=sent.append)

    def fail(_kind: str, _document: Mapping[str, Any]) -> None:
        raise ValueError("no")

    events.listen(fail)
    events.listen(lambda kind, _document: heard.append(kind))
    events.emit("stream", "publishing")
    assert heard == ["stream"]
    assert len(sent) == 1
