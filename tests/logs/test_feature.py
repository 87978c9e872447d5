from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_agent.contract.command import Registry
from edge_agent.contract.commands import Commands
from edge_agent.errors import RefusedError
from edge_agent.logs.feature import LogsConfig, LogsFeature
from tests.clocks import ManualClock, settled
from tests.features import Desk
from tests.profiles.house import FakeCamera

SAID = logging.getLogger("edge_agent.tested")


class Told:
    """The feature, its command, and what it told."""

    def __init__(self, path: Path) -> None:
        self.clock = ManualClock()
        self.desk = Desk(
            state_dir=path / "state",
            camera=FakeCamera(),
            clock=self.clock,
            environ={"EDGE_AGENT_MQTT__USERNAME": "porch", "EDGE_AGENT_MQTT__PASSWORD": "hunter22"},
        )
        self.feature = LogsFeature(host=self.desk.host, config=LogsConfig(keep_lines=50))
        self._commands = Commands(registry=Registry(self.feature.commands()))

    async def ask(self, **arguments: Any) -> dict[str, Any]:
        outcome = await self._commands.execute("logs", {"logger": SAID.name, **arguments}, cause="command 1")
        return dict(outcome.result)

    async def said(self, **arguments: Any) -> list[str]:
        return [line["message"] for line in (await self.ask(**arguments))["lines"]]

    async def pass_by(self, seconds: float) -> None:
        for _ in range(round(seconds * 2)):
            await settled()
            self.clock.advance(0.5)
        await settled()

    def followed(self) -> list[str]:
        return [line["message"] for event in self.desk.events("log") for line in event.get("lines", ())]

    def kinds(self) -> list[str]:
        return [event["event_type"] for event in self.desk.events("log")]


@pytest.fixture(autouse=True)
def level(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("CHILD_LOG_LEVEL", "INFO")
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.INFO)
    yield
    root.setLevel(before)


@pytest.fixture
async def told(tmp_path: Path) -> AsyncIterator[Told]:
    made = Told(tmp_path)
    async with made.feature:
        yield made


async def test_the_last_lines_are_told_the_oldest_first(told: Told) -> None:
    for number in range(5):
        SAID.info("line %d", number)
    assert await told.said(lines=2) == ["line 3", "line 4"]
    assert await told.said(lines=0) == []
    [line] = (await told.ask(lines=1))["lines"]
    assert (line["level"], line["logger"]) == ("info", "edge_agent.tested")
    assert line["time"].endswith("Z")


async def test_no_more_are_kept_than_configured(told: Told) -> None:
    for number in range(80):
        SAID.info("%d", number)
    said = await told.said(lines=1000)
    assert (len(said), said[-1]) == (50, "79")


async def test_level_logger_and_text_choose(told: Told) -> None:
    SAID.info("a fine day")
    SAID.warning("a FINE mess")
    logging.getLogger("edge_agent.tested.deeper").warning("fine below")
    logging.getLogger("edge_agent.testedother").warning("fine beside")
    assert await told.said(level="warning", contains="fine") == ["a FINE mess", "fine below"]
    assert await told.said(logger="edge_agent.testedother") == ["fine beside"]


async def test_secrets_are_never_kept(told: Told) -> None:
    SAID.info("the password hunter22 was refused at %s", "rtsp://me:and-you@host/")
    [text] = await told.said()
    assert "hunter22" not in text
    assert "and-you" not in text


async def test_a_long_line_and_a_long_answer_are_bounded(told: Told) -> None:
    for _ in range(50):
        SAID.info("%s", "\u20ac" * 10_000)
    result = await told.ask(lines=1000)
    assert len(json.dumps(result)) < 140_000
    assert result["left_off"] > 0
    assert all(len(line["message"]) < 2100 for line in result["lines"])


async def test_following_tells_new_lines_and_ends_by_itself(told: Told) -> None:
    SAID.warning("before")
    await told.ask(follow_s=5, level="warning")
    SAID.info("too small a matter")
    SAID.warning("during")
    await told.pass_by(6)
    SAID.warning("after")
    await told.pass_by(6)
    assert told.followed() == ["during"]
    assert told.kinds() == ["lines", "ended"]


async def test_following_is_bounded_and_says_what_is_lost(told: Told) -> None:
    await told.ask(follow_s=5)
    for number in range(2000):
        SAID.info("%d", number)
    await told.pass_by(6)
    events = [event for event in told.desk.events("log") if event["event_type"] == "lines"]
    assert sum(event["dropped"] for event in events) == 1500
    assert max(len(event["lines"]) for event in events) <= 50
    assert len(events) <= 12


async def test_what_telling_a_line_logs_is_not_followed(told: Told) -> None:
    told.desk.host.events.listen(lambda *_: SAID.warning("told one"))
    await told.ask(follow_s=3, logger="edge_agent")
    SAID.warning("first")
    logging.getLogger("edge_agent.mqtt.link").warning("the broker is slow")
    await told.pass_by(4)
    assert "the broker is slow" not in told.followed()
    assert len(told.desk.events("log")) <= 9


async def test_another_follower_replaces_the_first_and_zero_ends_it(told: Told) -> None:
    await told.ask(follow_s=600)
    await told.ask(follow_s=600, contains="b")
    SAID.info("a")
    SAID.info("b")
    await told.pass_by(1)
    await told.ask(follow_s=0)
    SAID.info("bb")
    await told.pass_by(2)
    assert told.followed() == ["b"]
    assert told.kinds() == ["ended", "lines", "ended"]


async def test_the_level_is_set(told: Told) -> None:
    assert (await told.ask())["logging_level"] == "info"
    SAID.debug("unheard")
    assert (await told.ask(set_level="debug"))["logging_level"] == "debug"
    SAID.debug("heard")
    assert await told.said(level="debug") == ["heard"]


@pytest.mark.parametrize("wrong", [{"lines": -1}, {"level": "loud"}, {"follow_s": 1e9}, {"set_level": "x"}])
async def test_what_is_wrong_is_refused(told: Told, wrong: dict[str, Any]) -> None:
    with pytest.raises(RefusedError):
        await told.ask(**wrong)


async def test_it_leaves_nothing_behind(tmp_path: Path) -> None:
    before = list(logging.getLogger().handlers)
    made = Told(tmp_path)
    async with made.feature:
        await made.ask(follow_s=600)
    assert logging.getLogger().handlers == before
    assert made.kinds() == ["ended"]
