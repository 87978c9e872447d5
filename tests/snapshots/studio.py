"""The feature on a desk: a camera, a clock, a place to upload to, and what was sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from edge_agent.contract.command import Call, Command, Outcome, bound
from edge_agent.contract.validation import validate
from edge_agent.errors import RefusedError
from edge_agent.mqtt.message import Outgoing
from edge_agent.snapshots.feature import SnapshotsConfig, SnapshotsFeature
from edge_agent.snapshots.picture import Picture
from tests.clocks import ManualClock
from tests.features import Desk
from tests.snapshots.fake_camera import FakeCamera
from tests.snapshots.gallery import NOON, until

__all__ = ["FakeUploader", "Studio"]


class FakeUploader:
    """Takes what it is given, and reads a path as an uploader would."""

    def __init__(self, *, configured: bool = True) -> None:
        self.configured = configured
        self.refusal: RefusedError | None = None
        self.added: list[tuple[Picture, bytes, str | None]] = []
        self.paths: list[Path] = []

    async def add(self, picture: Picture, content: bytes | Path, *, url: str | None = None) -> str:
        if self.refusal is not None:
            raise self.refusal
        if isinstance(content, Path):
            self.paths.append(content)
            content = await asyncio.to_thread(content.read_bytes)
        self.added.append((picture, content, url))
        return f"ticket {len(self.added)}"


class Studio:
    """One or more lives of the feature over one state directory."""

    def __init__(self, path: Path, *, commands: Iterable[Command] = ()) -> None:
        self.path = path
        self.clock = ManualClock(NOON)
        self.camera = FakeCamera(self.clock)
        self.desk = Desk(
            state_dir=path / "state",
            camera=self.camera,
            clock=self.clock,
            sections=SnapshotsFeature.sections(),
            commands=commands,
        )
        self._feature: SnapshotsFeature | None = None

    @asynccontextmanager
    async def open(self, *, uploader: FakeUploader | None = None, **config: Any) -> AsyncIterator[Studio]:
        settings: dict[str, Any] = {"min_free_mb": 0, **config}
        feature = SnapshotsFeature(host=self.desk.host, config=SnapshotsConfig(**settings), uploader=uploader)
        async with feature:
            self._feature = feature
            await until(lambda: self.status["store"]["state"] != "checking", lambda: str(self.status))
            yield self

    @property
    def feature(self) -> SnapshotsFeature:
        assert self._feature is not None
        return self._feature

    @property
    def status(self) -> dict[str, Any]:
        value: Any = self.feature.status()["snapshot"]()
        document: dict[str, Any] = value.model_dump(mode="json")
        return document

    async def ask(
        self, name: str, arguments: Any = None, *, cause: str = "command a1", dry_run: bool = False
    ) -> dict[str, Any]:
        """Carry out a command as it comes from the wire, and return its result."""
        entry = next(entry for entry in bound(self.feature) if entry.spec.name == name)
        if isinstance(arguments, dict) or arguments is None:
            given = dict(arguments or {})
        else:
            given = dict(entry.spec.from_bare(arguments))
        checked = validate(entry.spec.arguments, given)
        outcome: Outcome = await entry.handler(
            Call(arguments=checked, given=given, cause=cause, dry_run=dry_run)
        )
        return dict(outcome.result)

    async def take(self, **arguments: Any) -> dict[str, Any]:
        """Take one picture, a second after the one before."""
        self.clock.advance(1)
        return await self.ask("snapshot", arguments)

    def messages(self, topic: str) -> list[Outgoing]:
        """Return what was sent on a topic below the node's, and below that topic."""
        full = f"edge/v1/porch/{topic}"
        return [each for each in self.desk.sent if each.topic == full or each.topic.startswith(f"{full}/")]
