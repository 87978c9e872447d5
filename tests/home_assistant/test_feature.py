"""Home Assistant comes, goes, and comes again."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge_agent.camera.commands import SETTINGS_COMMANDS
from edge_agent.camera.entities import camera_entities
from edge_agent.contract.command import Call, Command, Outcome
from edge_agent.contract.entity import Entity
from edge_agent.home_assistant.config import HomeAssistantConfig
from edge_agent.home_assistant.feature import HomeAssistantFeature
from edge_agent.home_assistant.identity import identity_of
from edge_agent.mqtt.message import Incoming
from tests.camera.imx708 import IMX708
from tests.clocks import ManualClock, disk_settled
from tests.features import Desk
from tests.profiles.house import FakeCamera


async def _nothing(_: Call) -> Outcome:
    return Outcome()


class Home:
    """The feature and what it says."""

    def __init__(self, path: Path) -> None:
        self.camera = FakeCamera()
        self.clock = ManualClock()
        self.desk = Desk(
            state_dir=path / "state",
            camera=self.camera,
            clock=self.clock,
            commands=[Command(entry.spec, _nothing) for entry in SETTINGS_COMMANDS],
        )
        self.more: list[Entity] = []
        self.page: str | None = None
        self.republished = 0

    def _republish(self) -> None:
        self.republished += 1

    @asynccontextmanager
    async def living(self, **config: Any) -> AsyncIterator[HomeAssistantFeature]:
        host = replace(
            self.desk.host,
            republish=self._republish,
            stream_page=lambda: self.page,
            entities=lambda: (*camera_entities(self.camera.capabilities), *self.more),
        )
        await disk_settled()
        async with HomeAssistantFeature(host=host, config=HomeAssistantConfig(**config)) as feature:
            await self.pass_by(0)
            yield feature

    async def pass_by(self, seconds: int) -> None:
        for _ in range(seconds + 1):
            await disk_settled()
            if seconds:
                self.clock.advance(1)

    def documents(self) -> list[dict[str, Any]]:
        sent = [message for message in self.desk.sent if "/device/" in message.topic]
        return [json.loads(message.payload) if message.payload else {} for message in sent]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


async def test_a_camera_that_opens_late_is_waited_for(home: Home) -> None:
    home.camera.capabilities = None
    async with home.living() as feature:
        await home.pass_by(10)
        assert home.documents() == []
        home.camera.capabilities = IMX708
        feature.capabilities_changed()
        await home.pass_by(5)
        (document,) = home.documents()
        assert "exposure_ev" in document["components"]
        assert document["device"]["model"] == IMX708.model


async def test_a_camera_that_never_opens_leaves_the_agent_to_be_seen(home: Home) -> None:
    home.camera.capabilities = None
    async with home.living():
        await home.pass_by(40)
        (document,) = home.documents()
        assert "camera_state" in document["components"]


async def test_entities_stay_over_a_start_without_a_camera(home: Home) -> None:
    async with home.living() as feature:
        feature.capabilities_changed()
        await home.pass_by(5)
    home.camera.capabilities = None
    async with home.living() as feature:
        await home.pass_by(60)
        assert len(home.documents()) == 1
        (message,) = feature.retained()
        assert json.loads(message.payload) == home.documents()[0]


async def test_home_assistants_birth_is_answered_within_seconds_and_once(home: Home) -> None:
    async with home.living() as feature:
        (topic,) = feature.subscriptions()
        assert topic == "homeassistant/status"
        take = feature.subscriptions()[topic]
        take(Incoming(topic=topic, payload=b"online", qos=0, retain=True))
        take(Incoming(topic=topic, payload=b"offline", qos=0, retain=False))
        await home.pass_by(10)
        assert home.republished == 0
        for _ in range(5):
            take(Incoming(topic=topic, payload=b"online", qos=0, retain=False))
        await home.pass_by(6)
        assert home.republished == 1


async def test_switched_off_it_takes_the_device_away(home: Home) -> None:
    async with home.living() as feature:
        feature.capabilities_changed()
        await home.pass_by(5)
    async with home.living(enabled=False) as feature:
        feature.capabilities_changed()
        await home.pass_by(10)
        assert home.documents()[-1] == {}
        assert list(feature.retained()) == []
        assert feature.subscriptions() == {}


async def test_what_a_feature_says_has_changed_is_derived_anew(home: Home) -> None:
    async with home.living() as feature:
        feature.capabilities_changed()
        await home.pass_by(10)
        home.more = [Entity(key="more", platform="sensor", name="More", path="more")]
        feature.entities_changed()
        await home.pass_by(10)
        first, second = home.documents()
        assert second["components"].keys() - first["components"].keys() == {"more"}


async def test_what_cannot_be_done_here_is_not_offered(home: Home) -> None:
    async with home.living() as feature:
        feature.capabilities_changed()
        await home.pass_by(5)
        (document,) = home.documents()
        assert "exposure_ev" in document["components"]
        # There is no such command on this desk, as where the configuration denies it.
        assert "focus_trigger" not in document["components"]


async def test_the_device_leads_to_where_its_stream_is_watched_once_that_is_known(home: Home) -> None:
    async with home.living() as feature:
        feature.capabilities_changed()
        await home.pass_by(5)
        home.page = "http://porch.local:8889/porch"
        feature.capabilities_changed()
        await home.pass_by(10)
        first, second = home.documents()
        assert "configuration_url" not in first["device"]
        assert second["device"]["configuration_url"] == home.page


def test_a_cloned_card_in_another_machine_is_another_node(tmp_path: Path) -> None:
    def machine(name: str, serial: str) -> Path:
        root = tmp_path / name
        (root / "etc").mkdir(parents=True)
        (root / "etc/machine-id").write_text("0123456789abcdef\n")
        (root / "proc/device-tree").mkdir(parents=True)
        (root / "proc/device-tree/serial-number").write_bytes(serial.encode() + b"\0")
        return root

    one, other = machine("one", "10000000aa"), machine("other", "10000000bb")
    assert identity_of("porch", root=one).serial == "10000000aa"
    ids = {identity_of(node, root=root).unique_id for node in ("porch", "gate") for root in (one, other)}
    assert len(ids) == 4
    assert identity_of("porch", root=one).unique_id == identity_of("porch", root=one).unique_id
