from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest

from edge_agent.contract.availability import Availability
from edge_agent.mqtt.message import Incoming, Outgoing
from tests.clocks import ManualClock

TOPIC = "edge/v1/porch/availability"


class Watched:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.sent: list[Outgoing] = []
        self.contested: list[str | None] = []
        self.unheard: list[str | None] = []
        self.availability = Availability(
            topic=TOPIC,
            clock=self.clock,
            publish=self.publish,
            contested=self.contested.append,
            unheard=self.unheard.append,
        )
        self.on_sent: Callable[[], None] = lambda: None

    def publish(self, message: Outgoing) -> None:
        self.sent.append(message)
        self.on_sent()

    def online(self, epoch: int = 7) -> None:
        self.availability.born(epoch)
        self.echo()

    def echo(self) -> None:
        self.say(self.sent[-1].payload)

    def say(self, payload: bytes) -> None:
        self.availability.seen(Incoming(topic=TOPIC, payload=payload, retain=False, qos=1))


LATE_WILL = b'{"state":"offline","epoch":5}'


async def test_will_birth_and_stop_share_topic_quality_and_retention() -> None:
    availability = Watched().availability
    messages = [availability.message(state, 7) for state in ("offline", "online", "stopped")]
    assert {(message.topic, message.qos, message.retain) for message in messages} == {(TOPIC, 1, True)}
    assert [json.loads(message.payload) for message in messages] == [
        {"state": "offline", "epoch": 7},
        {"state": "online", "epoch": 7},
        {"state": "stopped", "epoch": 7},
    ]


async def test_a_late_will_is_put_right() -> None:
    watched = Watched()
    watched.online()
    watched.say(LATE_WILL)
    assert [json.loads(message.payload) for message in watched.sent] == [{"state": "online", "epoch": 7}] * 2
    watched.echo()
    assert len(watched.sent) == 2


async def test_what_the_broker_kept_from_before_the_birth_is_no_contradiction() -> None:
    watched = Watched()
    watched.say(LATE_WILL)
    watched.availability.born(7)
    watched.say(LATE_WILL)
    assert len(watched.sent) == 1
    watched.echo()
    watched.availability.lost()
    watched.say(LATE_WILL)
    assert len(watched.sent) == 1


async def test_two_agents_of_one_name_do_not_correct_each_other_for_ever() -> None:
    watched = Watched()
    watched.online()
    for _ in range(50):
        watched.say(b'{"state":"online","epoch":9}')
    assert len(watched.sent) == 1 + 5
    assert watched.contested[-1] is not None
    assert "second agent" in watched.contested[-1]


async def test_after_a_contest_the_last_word_is_this_agents(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_agent.contract.availability._CONTEST_WINDOW_S", 0.01)
    watched = Watched()
    told = asyncio.Event()
    watched.online()
    for _ in range(20):
        watched.say(b'{"state":"stopped","epoch":9}')
    assert len(watched.sent) == 6
    watched.on_sent = told.set
    async with asyncio.timeout(20):
        await told.wait()
    assert len(watched.sent) == 7
    assert json.loads(watched.sent[-1].payload)["state"] == "online"
    assert watched.contested[-1] is None


async def test_a_lost_connection_ends_a_contest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_agent.contract.availability._CONTEST_WINDOW_S", 0.001)
    watched = Watched()
    watched.online()
    for _ in range(20):
        watched.say(b'{"state":"stopped","epoch":9}')
    watched.availability.lost()
    watched.availability.born(8)
    sent = len(watched.sent)
    # A later timer of the same loop: the contest's own, of a millisecond, would have come before it.
    await asyncio.sleep(0.01)
    assert len(watched.sent) == sent


async def test_noise_on_the_topic_is_put_right_too() -> None:
    watched = Watched()
    watched.online()
    watched.say(b"\xff not json")
    watched.say(b"")
    assert len(watched.sent) == 3


async def test_a_birth_that_does_not_come_back_is_told_until_it_does() -> None:
    watched = Watched()
    watched.availability.born(7)
    watched.availability.give_up_waiting()
    assert watched.unheard[0] is not None
    assert TOPIC in watched.unheard[0]
    watched.echo()
    assert watched.unheard[-1] is None
