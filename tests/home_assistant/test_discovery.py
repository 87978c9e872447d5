"""The device document's life: in order, apart, and with what is gone taken away."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from edge_agent.home_assistant.discovery import Discovery
from edge_agent.mqtt.message import Outgoing
from tests.clocks import ManualClock, disk_settled

TOPIC = "homeassistant/device/edge_agent_0123/config"


class Home:
    """What is published, over several lives."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = ManualClock()
        self.sent: list[Outgoing] = []
        self.is_online = True

    @asynccontextmanager
    async def living(self, topic: str = TOPIC) -> AsyncIterator[Discovery]:
        discovery = Discovery(
            topic=topic,
            path=self.path / "home_assistant.json",
            clock=self.clock,
            publish=self.sent.append,
            online=lambda: self.is_online,
        )
        await disk_settled()
        await discovery.load()
        task = asyncio.create_task(discovery.run())
        yield discovery
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def pass_by(self, seconds: int) -> None:
        for _ in range(seconds + 1):
            await disk_settled()
            self.clock.advance(1)

    def documents(self) -> list[dict[str, Any]]:
        assert all(message.retain for message in self.sent)
        return [json.loads(message.payload)["components"] for message in self.sent if message.payload]


def document(**platforms: str) -> dict[str, Any]:
    components = {key: {"platform": platform, "unique_id": key} for key, platform in platforms.items()}
    return {"device": {"identifiers": ["x"]}, "components": components}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


async def test_what_is_gone_is_said_to_be_gone_and_then_left_out(home: Home) -> None:
    async with home.living() as discovery:
        discovery.want(document(a="switch", b="sensor"))
        await home.pass_by(1)
        discovery.want(document(a="switch"))
        await home.pass_by(20)
    first, second, third = home.documents()
    assert set(first) == {"a", "b"}
    assert second["b"] == {"platform": "sensor"}
    assert set(third) == {"a"}


async def test_what_was_published_by_an_earlier_life_is_taken_away_too(home: Home) -> None:
    async with home.living() as discovery:
        discovery.want(document(a="switch", b="sensor"))
        await home.pass_by(1)
    home.sent.clear()
    async with home.living() as discovery:
        discovery.want(document(a="number"))
        await home.pass_by(20)
    removed, last = home.documents()
    assert removed == {"a": {"platform": "switch"}, "b": {"platform": "sensor"}}
    assert last == document(a="number")["components"]


async def test_different_documents_keep_their_distance(home: Home) -> None:
    async with home.living() as discovery:
        discovery.want(document(a="switch"))
        await home.pass_by(0)
        for number in range(20):
            discovery.want(document(a="switch", **{f"n{number}": "sensor"}))
        await home.pass_by(2)
        assert len(home.sent) == 1
        await home.pass_by(5)
        assert set(home.documents()[-1]) == {"a", "n19"}
        assert len(home.sent) == 2


async def test_the_same_document_is_not_sent_again(home: Home) -> None:
    async with home.living() as discovery:
        for _ in range(3):
            discovery.want(document(a="switch"))
            await home.pass_by(10)
    async with home.living() as discovery:
        discovery.want(document(a="switch"))
        await home.pass_by(10)
        message = discovery.message()
    assert len(home.sent) == 1
    assert message == home.sent[0]


async def test_a_removal_waits_for_the_broker(home: Home) -> None:
    async with home.living() as discovery:
        discovery.want(document(a="switch", b="sensor"))
        await home.pass_by(10)
        home.is_online = False
        discovery.want(document(a="switch"))
        await home.pass_by(10)
        assert len(home.sent) == 1
        home.is_online = True
        discovery.born()
        await home.pass_by(10)
    assert [set(components) for components in home.documents()] == [{"a", "b"}, {"a", "b"}, {"a"}]


async def test_a_device_that_is_not_wanted_is_removed_once(home: Home) -> None:
    async with home.living() as discovery:
        discovery.want(document(a="switch"))
        await home.pass_by(10)
        discovery.want(None)
        await home.pass_by(10)
        assert home.sent[-1].payload == b""
        assert discovery.message() is None
    async with home.living() as discovery:
        discovery.want(None)
        await home.pass_by(10)
    assert len(home.sent) == 2


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"topic": "x"}', b'{"topic": "x", "document": {"components": {"a": 3}}}']
)
async def test_a_torn_file_costs_nothing_but_what_it_knew(home: Home, content: bytes) -> None:
    (home.path / "home_assistant.json").write_bytes(content)
    async with home.living() as discovery:
        discovery.want(document(a="switch"))
        await home.pass_by(1)
    assert [set(components) for components in home.documents()] == [{"a"}]


async def test_under_another_name_the_old_device_is_taken_away(home: Home) -> None:
    async with home.living() as discovery:
        discovery.want(document(a="switch"))
        await home.pass_by(10)
    async with home.living(topic="homeassistant/device/gate/config") as discovery:
        discovery.want(document(a="switch"))
        await home.pass_by(10)
    assert [(message.topic, message.payload != b"") for message in home.sent] == [
        (TOPIC, True),
        (TOPIC, False),
        ("homeassistant/device/gate/config", True),
    ]
