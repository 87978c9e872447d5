from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any, Self

import pytest

from edge_agent.console import send as module
from edge_agent.console.send import EXIT_CODES, arguments_of, send
from edge_agent.contract.reply import FINAL_STATES
from edge_agent.errors import RefusedError
from edge_agent.mqtt.config import MqttConfig
from edge_agent.mqtt.message import Incoming
from tests.clocks import ManualClock


@pytest.mark.parametrize(
    ("words", "meaning"),
    [
        ([], {}),
        (["25"], 25),
        (["25.5"], 25.5),
        (["night"], "night"),
        (["1280x720"], "1280x720"),
        (["true"], True),
        (["null"], None),
        (['{"fps": 25}'], {"fps": 25}),
        (['{"a": "x=y"}'], {"a": "x=y"}),
        (["time_us=10000", "gain=2.5"], {"time_us": 10000, "gain": 2.5}),
        (["name=night", "strict=true"], {"name": "night", "strict": True}),
        (["url=http://host/?a=b"], {"url": "http://host/?a=b"}),
        (['window={"x": 0.5}'], {"window": {"x": 0.5}}),
        (["name="], {"name": ""}),
    ],
)
def test_the_words_of_a_command_line_mean_arguments(words: list[str], meaning: Any) -> None:
    assert arguments_of(words) == meaning


@pytest.mark.parametrize("words", [["a", "b"], ["a=1", "b"], ['{"a": 1}', "b=2"], ["{}", "{}"]])
def test_words_that_do_not_fit_together_are_refused_with_examples(words: list[str]) -> None:
    with pytest.raises(RefusedError, match="framerate 25") as refused:
        arguments_of(words)
    assert refused.value.value == " ".join(words)


def test_every_outcome_has_an_exit_code() -> None:
    assert set(EXIT_CODES) == FINAL_STATES
    assert len(set(EXIT_CODES.values())) == len(EXIT_CODES)
    assert EXIT_CODES["done"] == 0
    assert module.NO_ANSWER not in EXIT_CODES.values()


class FakeObserver:
    """A broker with a node that answers with what the test says."""

    answers: tuple[bytes, ...] = ()
    sent: tuple[tuple[str, Any], ...] = ()

    def __init__(self, *, config: MqttConfig, subscriptions: list[str], clock: ManualClock) -> None:
        self.topic = subscriptions[0]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def connected(self, timeout_s: float) -> None:
        return None

    def send(self, topic: str, document: Any) -> None:
        type(self).sent += ((topic, document),)

    async def messages(self) -> AsyncIterator[Incoming]:
        identity = self.sent[-1][1]["id"]
        for answer in self.answers:
            yield Incoming(self.topic, answer.replace(b"MINE", identity.encode()), retain=False, qos=1)
        raise TimeoutError


async def sent(
    monkeypatch: pytest.MonkeyPatch, payload: Any, *answers: bytes, main: str | None = None
) -> tuple[dict[str, Any] | None, list[dict[str, Any]], tuple[str, Any]]:
    fake = type("Fake", (FakeObserver,), {"answers": answers})
    monkeypatch.setattr(module, "Observer", fake)
    told: list[dict[str, Any]] = []
    reply = await send(
        config=MqttConfig(),
        node="porch",
        command="light",
        payload=payload,
        main=main,
        flags={"strict": True},
        timeout_s=5,
        clock=ManualClock(),
        tell=told.append,
    )
    [message] = fake.sent  # type: ignore[attr-defined] # made above
    return reply, told, message


async def test_the_last_reply_to_this_command_is_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    reply, told, (topic, document) = await sent(
        monkeypatch,
        {"level": 5},
        b"not json",
        b"[1]",
        b'{"id": "another", "state": "done"}',
        b'{"id": "MINE", "state": "accepted"}',
        b'{"id": "MINE", "state": "running", "progress": 0.5}',
        b'{"id": "MINE", "state": "rejected"}',
        b'{"id": "MINE", "state": "done"}',
    )
    assert reply is not None
    assert reply["state"] == "rejected"
    assert [entry["state"] for entry in told] == ["accepted", "running"]
    assert topic == "edge/v1/porch/cmd/light"
    assert {key: document[key] for key in document if key != "id"} == {"level": 5, "strict": True}
    json.dumps(document)


async def test_a_bare_value_is_sent_as_the_main_argument(monkeypatch: pytest.MonkeyPatch) -> None:
    _, _, (_, document) = await sent(monkeypatch, 25, b'{"id": "MINE", "state": "done"}', main="fps")
    assert document["fps"] == 25


async def test_without_an_answer_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    reply, told, _ = await sent(monkeypatch, {}, b'{"id": "MINE", "state": "accepted"}')
    assert reply is None
    assert len(told) == 1
