"""A node that has profiles: its directory over several lives of the feature, its camera, its clock."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_agent.camera.capabilities import CameraCapabilities, Reading
from edge_agent.camera.limits import resolve, starting_settings
from edge_agent.camera.port import Change
from edge_agent.camera.settings import CameraSettings, flatten, normalise
from edge_agent.contract.command import Call, Outcome, bound
from edge_agent.contract.validation import validate
from edge_agent.errors import CameraUnavailableError
from edge_agent.mqtt.message import Outgoing
from edge_agent.profiles.feature import ProfilesConfig, ProfilesFeature
from tests.camera.imx708 import IMX708
from tests.clocks import ManualClock, settled
from tests.features import Desk

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from edge_agent.camera.messages import StillInfo, StillRequest


class FakeCamera:
    """Takes changes as the real one does; can be away."""

    def __init__(self) -> None:
        self.capabilities: CameraCapabilities | None = IMX708
        self.settings: CameraSettings | None = starting_settings({}, IMX708)[0]
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
        resolution = resolve(patch, current=self.settings, capabilities=IMX708, strict=strict)
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


PROFILES = """
day: {settings: {image: {saturation: 1.0}}}
night: {settings: {image: {saturation: 0.3}}}
indoor: {settings: {image: {saturation: 0.8}}}
loud: {settings: {image: {saturation: 99}}}
turned: {settings: {view: {rotation: 90}, image: {contrast: 2.0}}}
perhaps: {partial: true, settings: {view: {rotation: 90}, image: {contrast: 2.0}}}
"""

AUTO = {"mode": "auto", "night_below_lux": 5, "day_above_lux": 20, "dwell_s": 10}


class House:
    """A node's directory over several lives of the feature."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = ManualClock()
        self.camera = FakeCamera()
        self.sent: list[Outgoing] = []
        (path / "own/profiles").mkdir(parents=True)
        (path / "own/profiles/p.yaml").write_text(PROFILES)

    @asynccontextmanager
    async def living(self, **config: Any) -> AsyncIterator[ProfilesFeature]:
        desk = Desk(state_dir=self.path / "state", camera=self.camera, clock=self.clock)
        self.sent, self.problems = desk.sent, desk.problems
        settings = {"directories": (self.path / "own",), "timezone": "UTC", **config}
        async with ProfilesFeature(host=desk.host, config=ProfilesConfig(**settings)) as feature:
            await self.moment()
            yield feature

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

    def events(self) -> list[tuple[str, str]]:
        documents = [
            json.loads(message.payload) for message in self.sent if "/event/profile" in message.topic
        ]
        return [(document["event_type"], document["name"]) for document in documents]


async def ask(feature: ProfilesFeature, name: str, /, *, dry_run: bool = False, **arguments: Any) -> Outcome:
    entry = next(entry for entry in bound(feature) if entry.spec.name == name)
    checked = validate(entry.spec.arguments, arguments)
    return await entry.handler(Call(arguments=checked, given=arguments, cause="command a1", dry_run=dry_run))


def status(feature: ProfilesFeature, part: str = "profile") -> dict[str, Any]:
    value: Any = feature.status()[part]()
    document: dict[str, Any] = value.model_dump() if part == "profile" else value
    return document
