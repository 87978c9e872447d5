"""A node that has profiles: its directory over several lives of the feature, its camera, its clock."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel

from edge_agent.camera.capabilities import CameraCapabilities, Reading
from edge_agent.camera.limits import resolve, starting_settings
from edge_agent.camera.port import Change
from edge_agent.camera.settings import CameraSettings, flatten, normalise
from edge_agent.contract.command import Arguments, Call, Outcome, bound, command
from edge_agent.errors import CameraUnavailableError, EdgeAgentError
from edge_agent.mqtt.message import Incoming, Outgoing
from edge_agent.profiles.day_night.feature import DayNightFeature
from edge_agent.profiles.feature import ProfilesConfig, ProfilesFeature
from tests.camera.imx708 import IMX708
from tests.clocks import ManualClock, settled
from tests.features import Desk

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from edge_agent.camera.messages import StillInfo, StillRequest


class FakeCamera:
    """Takes changes as the real one does; can be away."""

    def __init__(self, capabilities: CameraCapabilities = IMX708) -> None:
        self._can = capabilities
        self.capabilities: CameraCapabilities | None = capabilities
        self.settings: CameraSettings | None = starting_settings({}, capabilities)[0]
        self.reading: Reading | None = None
        self.running = True
        self.causes: list[str] = []

    def sees(self, lux: float | None) -> None:
        sequence = self.reading.sequence + 1 if self.reading else 0
        self.reading = Reading(sequence=sequence, lux=lux)

    async def change(
        self, patch: Mapping[str, Any], *, cause: str, strict: bool = False, dry_run: bool = False
    ) -> Change:
        if not self.running:
            raise CameraUnavailableError("the camera is restarting")
        assert self.settings is not None
        resolution = resolve(patch, current=self.settings, capabilities=self._can, strict=strict)
        if not dry_run:
            self.settings = resolution.settings
            self.causes.append(cause)
        after = flatten(resolution.settings.model_dump())
        return Change(
            applied={path: after[path] for path in flatten(normalise(patch))},
            clamped=resolution.clamped,
            interrupted=False,
        )

    async def still(self, request: StillRequest) -> tuple[StillInfo, bytes]:
        raise NotImplementedError

    def burst(self, request: StillRequest) -> AsyncGenerator[tuple[StillInfo, bytes], None]:
        raise NotImplementedError

    def still_interrupts(self, request: StillRequest) -> str | None:
        raise NotImplementedError


PROFILES = """
day: {settings: {image: {saturation: 1.0}}}
night: {settings: {image: {saturation: 0.3}}}
indoor: {settings: {image: {saturation: 0.8}}}
loud: {settings: {image: {saturation: 99}}}
turned: {settings: {view: {rotation: 90}, image: {contrast: 2.0}}}
perhaps: {partial: true, settings: {view: {rotation: 90}, image: {contrast: 2.0}}}
"""

AUTO = {"mode": "auto", "night_below_lux": 5, "day_above_lux": 20, "dwell_s": 10}


class _StreamArguments(Arguments):
    action: Literal["start", "stop"]


class StreamSwitch:
    """The command `stream`, without one."""

    def __init__(self) -> None:
        self.actions: list[str] = []
        self.fault: EdgeAgentError | None = None

    @command(name="stream", arguments=_StreamArguments, main="action")
    async def stream(self, call: Call) -> Outcome:
        """Start or stop the stream."""
        if not call.dry_run:
            if self.fault is not None:
                raise self.fault
            self.actions.append(call.arguments.action)
        return Outcome()


class FakePin:
    """A pin that remembers."""

    def __init__(self, *, high: bool) -> None:
        self.high = high
        self.closed = False
        self.told: Callable[[bool], object] = bool

    def set(self, *, high: bool) -> None:
        self.high = high
        self.told(high)

    def close(self) -> None:
        self.closed = True


class Life:
    """One life of a node's profiles and its day and night."""

    def __init__(self, desk: Desk, profiles: ProfilesFeature, day_night: DayNightFeature) -> None:
        self.desk = desk
        self.profiles = profiles
        self.day_night = day_night

    async def ask(
        self,
        command_name: str,
        /,
        *,
        cause: str = "command a1",
        strict: bool = False,
        dry_run: bool = False,
        **arguments: Any,
    ) -> Outcome:
        return await self.desk.host.commands.execute(
            command_name, arguments, cause=cause, strict=strict, dry_run=dry_run
        )

    def status(self, part: str = "profile") -> dict[str, Any]:
        feature = self.profiles if part == "profile" else self.day_night
        value: Any = feature.status()[part]()
        document: dict[str, Any] = value.model_dump() if isinstance(value, BaseModel) else value
        return document

    def hears(self, payload: str) -> None:
        """Let the light sensor say something."""
        (topic, reader), *_ = self.day_night.subscriptions().items()
        reader(Incoming(topic=topic, payload=payload.encode(), retain=False, qos=0))

    @property
    def active(self) -> str | None:
        name: str | None = self.status()["active"]
        return name


class House:
    """A node's directory over several lives of its features."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = ManualClock()
        self.camera = FakeCamera()
        self.stream = StreamSwitch()
        self.pins: dict[int, FakePin] = {}
        self.sent: list[Outgoing] = []
        (path / "own/profiles").mkdir(parents=True)
        (path / "own/profiles/p.yaml").write_text(PROFILES)

    @asynccontextmanager
    async def living(self, **config: Any) -> AsyncIterator[Life]:
        desk = Desk(state_dir=self.path / "state", camera=self.camera, clock=self.clock)
        self.sent, self.problems = desk.sent, desk.problems
        settings = ProfilesConfig(**{"directories": (self.path / "own",), **config})
        day_night = DayNightFeature(host=desk.host, config=settings, open_pin=self.open_pin)
        async with day_night, ProfilesFeature(host=desk.host, config=settings) as profiles:
            for owner in (day_night, profiles, self.stream):
                for entry in bound(owner):
                    desk.registry.add(entry)
            await self.moment()
            yield Life(desk, profiles, day_night)

    def open_pin(self, number: int, *, high: bool) -> FakePin:
        if number > 27:
            raise EdgeAgentError(f"GPIO {number} cannot be used: there is no such pin")
        self.pins[number] = FakePin(high=high)
        return self.pins[number]

    async def moment(self, seconds: float = 0) -> None:
        self.clock.advance(seconds)
        await settled(60)

    async def pass_by(self, seconds: int, *, lux: float | None = None) -> None:
        for _ in range(seconds):
            if lux is not None:
                self.camera.sees(lux)
            await self.moment(1)

    def problem_codes(self) -> set[str]:
        return {problem["code"] for problem in self.problems.document()}

    def problem(self, code: str) -> str:
        (message,) = [entry["message"] for entry in self.problems.document() if entry["code"] == code]
        return str(message)

    def published(self, topic: str) -> list[str]:
        return [message.payload.decode() for message in self.sent if message.topic == topic]

    def events(self) -> list[tuple[str, str]]:
        documents = [
            json.loads(message.payload) for message in self.sent if "/event/profile" in message.topic
        ]
        return [(document["event_type"], document["name"]) for document in documents]
