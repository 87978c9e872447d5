from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.console.fleet import Fleet
from edge_agent.mqtt.message import Incoming


def fleet(*documents: tuple[str, Any]) -> Fleet:
    made = Fleet(root="edge/v1")
    for topic, document in documents:
        made.take(incoming(topic, document))
    return made


def incoming(topic: str, document: Any) -> Incoming:
    content = document if isinstance(document, bytes) else json.dumps(document).encode()
    return Incoming(f"edge/v1/{topic}", content, retain=True, qos=1)


STATUS = {
    "camera": {"state": "running", "driver": "simulated", "sensor": {"lux": 45.2}},
    "stream": {"state": "publishing", "fps": 29.9},
    "profile": {"active": "day"},
    "problems": [{"code": "disk_full"}],
}


def test_a_node_is_one_row() -> None:
    known = fleet(
        ("porch/availability", {"state": "online", "epoch": 1}),
        ("porch/status", STATUS),
        ("porch/heartbeat", {"cpu_percent": 7.5}),
        ("gate/availability", {"state": "offline"}),
    )
    assert known.nodes["porch"].line() == {
        "node": "porch",
        "state": "online",
        "camera": "running",
        "driver": "simulated",
        "stream": "publishing",
        "fps": 29.9,
        "lux": 45.2,
        "profile": "day",
        "cpu_percent": 7.5,
        "problems": ["disk_full"],
    }
    gate = known.nodes["gate"].line()
    assert (gate["state"], gate["camera"], gate["problems"]) == ("offline", None, [])


def test_a_node_that_was_never_online_is_unknown() -> None:
    assert fleet(("porch/status", STATUS)).nodes["porch"].line()["state"] == "unknown"


def test_it_reads_what_every_node_publishes() -> None:
    assert set(Fleet(root="a/b").subscriptions()) == {
        f"a/b/+/{document}"
        for document in (
            "availability",
            "status",
            "heartbeat",
            "capabilities",
            "event/+",
            "reply/+",
            "image/latest",
        )
    }


def test_what_happened_is_told_the_last_eight_times() -> None:
    known = fleet(
        (
            "porch/event/camera",
            {"event_type": "stalled", "time": "2026-06-15T12:34:56.000Z", "reason": "no frame"},
        ),
        ("porch/reply/focus", {"command": "focus", "state": "done", "time": "", "applied": {"mode": "auto"}}),
        (
            "porch/reply/focus",
            {"command": "focus", "state": "rejected", "error": {"message": "no lens drive"}},
        ),
    )
    happened = list(known.nodes["porch"].happened)
    assert happened[0] == "12:34:56  camera: stalled  reason=no frame"
    assert 'focus -> done  {"mode": "auto"}' in happened[1]
    assert "focus -> rejected  no lens drive" in happened[2]
    for _ in range(100):
        known.take(incoming("porch/event/x", {"event_type": "y"}))
    assert len(known.nodes["porch"].happened) == 8


def test_a_picture_is_only_measured() -> None:
    assert fleet(("porch/image/latest", b"\xff\xd8" * 50)).nodes["porch"].picture_bytes == 100


@pytest.mark.parametrize(
    ("topic", "content"),
    [
        ("porch/status", b"not json"),
        ("porch/status", b"\xff"),
        ("porch/status", b"[1]"),
        ("porch/status", b""),
        ("porch/status", b"[" * 100_000),
        ("porch/desired", b"{}"),
        ("porch", b"{}"),
        ("porch/cmd/light", b"{}"),
    ],
)
def test_noise_makes_no_node(topic: str, content: bytes) -> None:
    assert fleet((topic, content)).nodes == {}


def test_another_root_is_not_this_fleets() -> None:
    made = Fleet(root="edge/v1")
    assert made.take(Incoming("edge/v11/porch/status", b"{}", retain=True, qos=1)) is None
    assert made.nodes == {}


trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*STATUS, "state", "sensor", "lux", "fps", "active", "code", "error", "applied"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@given(
    document=st.sampled_from(["availability", "status", "heartbeat", "capabilities", "event/x", "reply/y"]),
    content=trees,
)
def test_whatever_a_foreign_node_says_there_is_a_row(document: str, content: Any) -> None:
    known = fleet((f"porch/{document}", content))
    for node in known.nodes.values():
        json.dumps(node.line())
        assert isinstance(node.line()["problems"], list)
