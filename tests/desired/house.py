"""A node with a wanted state: real profiles, and schedules and settings that take what they get."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ConfigDict

from edge_agent.camera.commands import SETTINGS_COMMANDS, change_outcome
from edge_agent.contract.command import Arguments, Call, Command, Outcome, bound, command
from edge_agent.desired.feature import DesiredFeature
from edge_agent.errors import EdgeAgentError, RefusedError
from edge_agent.mqtt.message import Incoming
from tests.profiles.house import House as ProfilesHouse
from tests.profiles.house import Life

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class _ScheduleArguments(Arguments):
    model_config = ConfigDict(extra="forbid")

    action: Literal["set", "delete", "list"] = "list"
    name: str | None = None
    cron: str | None = None
    profile: str | None = None


class Schedules:
    """The command `schedule`, without a clock."""

    def __init__(self) -> None:
        self.saved: dict[str, dict[str, Any]] = {}
        self.fault: EdgeAgentError | None = None

    @command(name="schedule", arguments=_ScheduleArguments, main="action")
    async def schedule(self, call: Call) -> Outcome:
        """List, set or delete schedules."""
        arguments: _ScheduleArguments = call.arguments
        name = str(arguments.name)
        if arguments.action == "set":
            if arguments.cron == "never":
                raise RefusedError("cron 'never' is none", field="cron", value="never")
            if not call.dry_run:
                if self.fault is not None:
                    raise self.fault
                self.saved[name] = arguments.model_dump(exclude={"action", "name"}, exclude_none=True)
            return Outcome()
        if name not in self.saved:
            raise RefusedError(f"there is no schedule '{name}'", code="unknown_schedule")
        if arguments.action == "delete":
            if not call.dry_run:
                del self.saved[name]
            return Outcome()
        entry = {"name": name, "source": "saved", "definition": {"name": name, **self.saved[name]}}
        return Outcome(result={"schedules": [entry]})


class WantedLife:
    """One life of the node."""

    def __init__(self, house: House, life: Life, feature: DesiredFeature) -> None:
        self._house = house
        self.profiles = life
        self.feature = feature

    async def hears(self, document: object, *, seconds: float = 0) -> dict[str, Any]:
        """Let a document come in and return the status then."""
        payload = document if isinstance(document, bytes) else json.dumps(document).encode()
        (topic, reader), *_ = self.feature.subscriptions().items()
        reader(Incoming(topic=topic, payload=payload, retain=True, qos=1))
        await self._house.moment(seconds)
        return self.status()

    def status(self) -> dict[str, Any]:
        value: Any = self.feature.status()["desired"]()
        document: dict[str, Any] = value.model_dump()
        return document


class House(ProfilesHouse):
    """The same directory, camera and clock over several lives."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.schedules = Schedules()

    @asynccontextmanager
    async def wanting(self) -> AsyncIterator[WantedLife]:
        async with self.living() as life:
            for entry in bound(self.schedules):
                life.desk.registry.add(entry)
            settings = next(entry for entry in SETTINGS_COMMANDS if entry.spec.name == "settings")

            async def change(call: Call) -> Outcome:
                assert self.camera.settings is not None
                patch = settings.patch(dict(call.given), self.camera.settings)
                done = await self.camera.change(patch, cause=call.cause, dry_run=call.dry_run)
                return change_outcome(done, settings)

            life.desk.registry.add(Command(settings.spec, change))
            async with DesiredFeature(host=life.desk.host) as feature:
                await self.moment()
                await self.moment(1)
                yield WantedLife(self, life, feature)
