from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from edge_agent.camera.software import SoftwareSettings
from edge_agent.contract.command import Outcome, Registry
from edge_agent.contract.commands import Commands
from edge_agent.errors import EdgeAgentError
from edge_agent.identify.feature import IdentifyFeature
from edge_agent.identify.leds import Leds
from tests.camera.imx708 import IMX708
from tests.clocks import ManualClock, disk_settled
from tests.features import Desk
from tests.profiles.house import FakeCamera


def lamp(root: Path, name: str, trigger: str = "none kbd [mmc0] timer", brightness: str = "1") -> Path:
    (root / name).mkdir(parents=True)
    (root / name / "trigger").write_text(trigger)
    (root / name / "brightness").write_text(brightness)
    return root / name


class Shelf:
    """A node on a shelf; `agent` is one life of its feature."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.leds = path / "leds"
        self.clock = ManualClock()
        self.camera = FakeCamera(SoftwareSettings(IMX708).capabilities)
        self.desk = Desk(state_dir=path / "state", camera=self.camera, clock=self.clock)
        self.commands = Commands(registry=Registry())

    @asynccontextmanager
    async def agent(self) -> AsyncIterator[IdentifyFeature]:
        feature = IdentifyFeature(host=self.desk.host, config=None, leds=Leds(self.leds))
        self.commands = Commands(registry=Registry(feature.commands()))
        async with feature:
            await disk_settled()
            yield feature

    async def identify(self, duration_s: float = 10, **more: Any) -> Outcome:
        outcome = await self.commands.execute("identify", duration_s, cause="command 1", **more)
        await disk_settled()
        return outcome

    async def pass_by(self, seconds: float) -> None:
        self.clock.advance(seconds)
        await disk_settled()

    def text(self) -> tuple[bool, str]:
        assert self.camera.settings is not None
        return self.camera.settings.overlay.enabled, self.camera.settings.overlay.text

    def kinds(self) -> list[str]:
        return [event["event_type"] for event in self.desk.events("identify")]


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


async def test_lamp_and_picture_show_it_and_are_put_back(shelf: Shelf) -> None:
    act = lamp(shelf.leds, "ACT")
    before = shelf.text()
    async with shelf.agent() as feature:
        outcome = await shelf.identify(10)
        assert outcome.result == {"means": ["led ACT", "overlay"], "without": {}}
        assert (act / "trigger").read_text().startswith("timer")
        assert shelf.text() == (True, ">>> {name} ({node}) <<<")
        part: Any = feature.status()["identify"]()
        assert part == {"until": "2026-06-15T12:00:10.000Z", "means": ["led ACT", "overlay"]}
        await shelf.pass_by(11)
        assert (act / "trigger").read_text().startswith("mmc0")
        assert shelf.text() == before
        part = feature.status()["identify"]()
        assert part == {"until": None, "means": []}
    assert shelf.kinds() == ["started", "ended"]
    assert not (shelf.path / "state" / "identify.json").exists()


async def test_a_second_one_goes_on_longer_and_zero_ends_it(shelf: Shelf) -> None:
    before = shelf.text()
    async with shelf.agent():
        await shelf.identify(10)
        await shelf.pass_by(8)
        await shelf.identify(10)
        await shelf.pass_by(8)
        assert shelf.text() != before
        await shelf.identify(0)
        assert shelf.text() == before
    assert shelf.kinds() == ["started", "started", "ended"]


async def test_what_a_kill_left_is_put_back_at_the_next_start(shelf: Shelf) -> None:
    pwr = lamp(shelf.leds, "PWR", "[none] timer", "255")
    before = shelf.text()
    async with shelf.agent():
        await shelf.identify(300)
        remembered = (shelf.path / "state" / "identify.json").read_bytes()
    (pwr / "trigger").write_text("none [timer]")
    (pwr / "brightness").write_text("0")
    (shelf.path / "state" / "identify.json").write_bytes(remembered)
    shelf.camera.running = False
    async with shelf.agent():
        assert (pwr / "trigger").read_text().startswith("none")
        assert (pwr / "brightness").read_text().startswith("255")
        assert shelf.text() != before
        shelf.camera.running = True
        await shelf.pass_by(3)
        assert shelf.text() == before


async def test_another_text_that_was_set_meanwhile_stays(shelf: Shelf) -> None:
    async with shelf.agent():
        await shelf.identify(10)
        await shelf.camera.change({"overlay": {"text": "mine"}}, cause="somebody")
        await shelf.pass_by(11)
        assert shelf.text() == (True, "mine")


async def test_without_any_means_it_fails_and_says_why(shelf: Shelf) -> None:
    shelf.camera.settings = None
    async with shelf.agent():
        with pytest.raises(EdgeAgentError, match="no lamp") as caught:
            await shelf.identify()
    assert caught.value.code == "no_means"
    assert shelf.kinds() == []


async def test_a_lamp_alone_will_do(shelf: Shelf) -> None:
    lamp(shelf.leds, "led0")
    shelf.camera.running = False
    async with shelf.agent():
        outcome = await shelf.identify()
        assert outcome.result["means"] == ["led led0"]
        assert "restarting" in outcome.result["without"]["overlay"]


async def test_a_dry_run_changes_nothing(shelf: Shelf) -> None:
    act = lamp(shelf.leds, "ACT")
    before = shelf.text()
    async with shelf.agent():
        await shelf.identify(dry_run=True)
        assert "[mmc0]" in (act / "trigger").read_text()
        assert shelf.text() == before


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"leds": 1}', b'{"leds": {"../x": {"trigger": "a"}}}', b"\xff"]
)
async def test_a_damaged_file_stops_nobody(shelf: Shelf, content: bytes) -> None:
    (shelf.path / "state").mkdir()
    (shelf.path / "state" / "identify.json").write_bytes(content)
    async with shelf.agent():
        assert (await shelf.identify()).result["means"] == ["overlay"]
