"""A node that has schedules, and real profiles that they switch: its directory over several lives."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from edge_agent.contract.command import Arguments, Call, Command, CommandSpec, Outcome, bound
from edge_agent.mqtt.message import Outgoing
from edge_agent.profiles.feature import ProfilesConfig, ProfilesFeature
from edge_agent.schedules.feature import SchedulesFeature
from tests.clocks import ManualClock, settled
from tests.features import Desk
from tests.profiles.house import PROFILES, FakeCamera

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Lamp(Arguments):
    """How bright."""

    level: int = 1
    mode: Literal["on", "off"] = "on"


_LAMP = CommandSpec(name="lamp", description="Light a lamp.", arguments=Lamp, main="level")
SCHEDULES = 'dawn: {cron: "0 7 * * *", profile: day}\ndusk: {cron: "0 20 * * *", profile: night}\n'


class House:
    """What of a node outlives its agent: its files, its camera, its clock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = ManualClock()
        self.camera = FakeCamera()
        self.lit: list[tuple[datetime, int, str]] = []
        self.broken: Exception | None = None
        self.sent: list[Outgoing] = []
        (path / "own/profiles").mkdir(parents=True)
        (path / "own/profiles/p.yaml").write_text(PROFILES)
        self.schedules("")

    def schedules(self, text: str) -> None:
        (self.path / "own/s.yaml").write_text(text)

    @asynccontextmanager
    async def living(self, **config: Any) -> AsyncIterator[SchedulesFeature]:
        desk = Desk(state_dir=self.path / "state", camera=self.camera, clock=self.clock)
        self.sent, self.problems, self.commands = desk.sent, desk.problems, desk.host.commands
        settings = ProfilesConfig(**{"directories": (self.path / "own",), "timezone": "UTC", **config})
        async with ProfilesFeature(host=desk.host, config=settings) as profiles:
            self.profiles = profiles
            for entry in bound(profiles):
                desk.registry.add(entry)
            async with SchedulesFeature(host=desk.host, config=settings) as feature:
                for entry in [*bound(feature), Command(_LAMP, self._light)]:
                    desk.registry.add(entry)
                feature.ready()
                await self.moment()
                yield feature

    async def moment(self, seconds: float = 0) -> None:
        self.clock.advance(seconds)
        await settled(60)

    async def by_hand(self, profile: str) -> None:
        await self.commands.execute("profile", {"name": profile}, cause="command a1")

    async def _light(self, call: Call) -> Outcome:
        if self.broken:
            raise self.broken
        if not call.dry_run:
            self.lit.append((self.clock.now(), call.arguments.level, call.cause))
        return Outcome(applied={"level": call.arguments.level})

    async def command(self, **arguments: Any) -> Outcome:
        return await self.commands.execute("schedule", arguments, cause="command a1")

    def profile(self) -> tuple[str | None, str | None]:
        """Return which profile is active, and why."""
        value: Any = self.profiles.status()["profile"]()
        return value.active, value.cause

    def problem_codes(self) -> set[str]:
        return {problem["code"] for problem in self.problems.document()}

    def events(self) -> list[tuple[str, str]]:
        documents = [
            json.loads(message.payload) for message in self.sent if message.topic.endswith("/event/schedule")
        ]
        return [(document["event_type"], document["schedule"]) for document in documents]


def status(feature: SchedulesFeature) -> dict[str, Any]:
    value: Any = feature.status()["schedule"]()
    document: dict[str, Any] = value.model_dump(mode="json")
    return document
