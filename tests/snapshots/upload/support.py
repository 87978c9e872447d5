"""The uploads, and somebody who hears what they tell."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Self

from edge_agent.clock import Clock, SystemClock
from edge_agent.contract.events import Events
from edge_agent.contract.topics import Topics
from edge_agent.health.problems import Problems
from edge_agent.mqtt.message import Outgoing
from edge_agent.snapshots.upload.config import UploadConfig
from edge_agent.snapshots.upload.uploads import Uploads
from tests.clocks import ManualClock
from tests.snapshots.pictures import content_of, picture_of
from tests.upload_server import UploadServer

__all__ = ["Owner", "until", "uploaded", "url_of"]


async def until(condition: Callable[[], object], what: str, timeout_s: float = 15.0) -> None:
    """Wait until `condition` holds; fail with `what` after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"in {timeout_s} s there was not: {what}"
        await asyncio.sleep(0.005)


def url_of(server: UploadServer) -> str:
    """Return where each picture has a place of its own there."""
    return f"{server.url}/{{node}}/{{file_name}}"


class Owner:
    """Uploads, and everything that they tell."""

    def __init__(
        self, directory: Path, *, clock: Clock | None = None, store: Path | None = None, **config: Any
    ) -> None:
        self.clock = clock or SystemClock()
        self.sent: list[Outgoing] = []
        self.changes = 0
        topics = Topics(root="edge/v1", node="porch")
        events = Events(topics=topics, clock=self.clock, publish=self.sent.append)
        self.problems = Problems(clock=self.clock, events=events, changed=self._changed)
        quick = {"retry_base_s": 0.01, "retry_cap_s": 0.05, "min_free_mb": 0}
        self.uploads = Uploads(
            config=UploadConfig(**{**quick, **config}),
            directory=directory,
            node="porch",
            clock=self.clock,
            random=Random(1),
            events=events,
            problems=self.problems,
            status_changed=self._changed,
            store=store,
        )

    def _changed(self) -> None:
        self.changes += 1

    @property
    def status(self) -> Any:
        """`status.upload`."""
        return self.uploads.status()

    def events(self, event_type: str | None = None) -> list[dict[str, Any]]:
        """Return what was told on `event/upload`, or what of it is of a type."""
        told = [json.loads(m.payload) for m in self.sent if m.topic == "edge/v1/porch/event/upload"]
        return [event for event in told if event_type in {None, event["event_type"]}]

    def problem_codes(self) -> set[str]:
        """Return the codes of what is wrong."""
        return {problem["code"] for problem in self.problems.document()}

    def raised(self, code: str) -> list[str]:
        """Return how a problem came and went."""
        told = [json.loads(m.payload) for m in self.sent if m.topic == "edge/v1/porch/event/problem"]
        return [event["event_type"] for event in told if event["code"] == code]

    async def add(self, number: int, *, url: str | None = None, size_bytes: int = 3000) -> str:
        """Add a picture."""
        content = content_of(number, size_bytes)
        return await self.uploads.add(picture_of(number, content), content, url=url)

    async def done(self, count: int, timeout_s: float = 15.0) -> None:
        """Wait until so many are done with."""
        await until(
            lambda: len(self.events("done")) >= count,
            f"{count} uploads; {self.status} {self.events()}",
            timeout_s,
        )

    async def parked(self, count: int = 1) -> dict[str, Any]:
        """Wait until so many are parked, and return the last one's event."""
        await until(lambda: len(self.events("parked")) >= count, f"{count} parked; {self.status}")
        return self.events("parked")[-1]

    async def __aenter__(self) -> Self:
        await self.uploads.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.uploads.__aexit__(kind, error, trace)


async def uploaded(owner: Owner, clock: ManualClock, count: int) -> None:
    """Let time pass until so many are uploaded."""

    def are_uploaded() -> bool:
        clock.advance(1)
        return bool(owner.status.uploaded == count)

    await until(are_uploaded, f"{count} uploads; {owner.status}", timeout_s=30)
