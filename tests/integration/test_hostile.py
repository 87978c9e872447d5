"""Anything at all on the command topics of a live agent: one answer each, nothing changes, nothing dies."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.agent_process import FINAL, AgentProcess
from tests.listener import Listener
from tests.rtsp_servers import wait_until

pytestmark = pytest.mark.timeout(240)

_COMMANDS = (
    "exposure", "white_balance", "focus", "image", "framerate", "resolution", "bitrate", "roi", "settings",
    "profile", "day_night", "stream", "snapshot", "restart", "focus_trigger", "transform",
)  # fmt: skip

_JUNK: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


# Nothing of these is a command that may be carried out, whatever the generator finds.
_PAYLOADS = st.one_of(
    st.binary(min_size=1, max_size=300).map(lambda noise: b"\xff" + noise),
    st.text(min_size=1, max_size=100).map(lambda text: b"{" + text.encode(errors="replace")),
    st.dictionaries(
        st.text(min_size=1, max_size=8).map("no_such_".__add__), _JUNK, min_size=1, max_size=3
    ).map(_json),
    st.lists(_JUNK, max_size=5).map(_json),
    st.integers(1, 3000).map(lambda depth: b"[" * depth + b"]" * depth),
    st.sampled_from(
        [b'{"fps": NaN}', b'{"ev": Infinity}', b'{"fps": 1e999}', b'{"a": 1, "a": 2}', b"\x00", b'"\\ud800"']
    ),
    _JUNK.map(
        lambda junk: _json({"fps": 10, "mode": "auto", "expires_at": "2001-01-01T00:00:00Z", "id": [junk]})
    ),
    st.sampled_from(["id", "ttl_s", "dry_run", "strict", "expires_at"]).map(
        lambda key: _json({key: {"no": 1}})
    ),
    st.just(b"x" * 100_000),
)


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example],
)
@given(messages=st.lists(st.tuples(st.sampled_from(_COMMANDS), _PAYLOADS), min_size=100, max_size=140))
def test_every_hostile_message_gets_one_answer_and_changes_nothing(
    live: tuple[AgentProcess, Listener], messages: list[tuple[str, bytes]]
) -> None:
    agent, listener = live
    before = agent.status()["camera"]["settings"]
    since = listener.mark()
    for command, payload in messages:
        listener.publish(f"{agent.base}/cmd/{command}", payload)

    def answers() -> list[Any]:
        replies = (
            seen.json for seen in listener.seen[since:] if seen.topic.startswith(f"{agent.base}/reply/")
        )
        return [reply for reply in replies if reply["state"] in FINAL]

    wait_until(lambda: len(answers()) >= len(messages), what=f"{len(messages)} answers")
    assert agent.command("refresh")["state"] == "done"
    told = answers()[:-1]
    assert len(told) == len(messages)
    assert {reply["state"] for reply in told} <= {"rejected", "expired"}
    assert all(reply["error"]["code"] and reply["error"]["message"] for reply in told)
    assert all(len(_json(reply)) < 20_000 for reply in told)
    assert agent.status()["camera"]["settings"] == before


def test_a_megabyte_of_noise_is_refused(live: tuple[AgentProcess, Listener]) -> None:
    agent, listener = live
    since = listener.mark()
    listener.publish(f"{agent.base}/cmd/exposure", b"\x9d" * (1 << 20))
    reply = listener.wait(f"{agent.base}/reply/exposure", since=since).json
    assert (reply["state"], reply["error"]["code"]) == ("rejected", "too_large")


@pytest.mark.parametrize("name", ["Exposure", "a b", "ümlaut", "x" * 100, "$x"])
def test_a_name_that_is_none_gets_an_event(live: tuple[AgentProcess, Listener], name: str) -> None:
    agent, listener = live
    since = listener.mark()
    listener.publish(f"{agent.base}/cmd/{name}", b"1")
    event = listener.wait(f"{agent.base}/event/command", since=since).json
    assert (event["event_type"], event["code"]) == ("refused", "unknown_command")
