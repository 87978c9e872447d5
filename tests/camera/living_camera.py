"""A camera service with a real camera process, for tests: nobody reads its stream."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from edge_agent.camera.memory import SettingsMemory
from edge_agent.camera.messages import AdaptiveOptions, OverlayNames
from edge_agent.camera.overlay_feed import OverlayFeed
from edge_agent.camera.service import CameraService
from edge_agent.clock import SystemClock
from edge_agent.contract.events import Events
from edge_agent.contract.status import StatusBoard
from edge_agent.contract.topics import Topics
from edge_agent.health.problems import Problems
from edge_agent.processes.child import Child
from edge_agent.stream.listener import packet_listener

__all__ = ["camera_at", "eventually", "up"]

WITHIN_S = 30.0


@asynccontextmanager
async def camera_at(
    directory: Path,
    *,
    driver: str = "simulated",
    options: Mapping[str, Any] | None = None,
    video: Mapping[str, Any] | None = None,
) -> AsyncIterator[CameraService]:
    """A camera that runs."""
    clock = SystemClock()
    topics = Topics(root="edge/v1", node="porch")
    events = Events(topics=topics, clock=clock, publish=lambda _: None)
    board = StatusBoard(topic=topics.status, clock=clock, publish=lambda _: None, interval_s=10)
    with packet_listener(directory / "run") as listener:
        camera = CameraService(
            driver=driver,
            options={"lux": 500.0} if options is None else options,
            memory=SettingsMemory(
                path=directory / "settings.json",
                configured={"video": video or {"width": 640, "height": 360, "fps": 20.0}},
            ),
            adaptive=AdaptiveOptions(),
            overlay=OverlayFeed(names=OverlayNames(names={"name": "Porch"}), board=board, clock=clock),
            listener_fd=listener.fd,
            new_child=partial(Child, clock=clock, random=random.Random(0)),
            clock=clock,
            events=events,
            problems=Problems(clock=clock, events=events, changed=lambda: None),
            status_changed=lambda: None,
            capabilities_changed=lambda: None,
        )
        life = asyncio.create_task(camera.run())
        try:
            await up(camera)
            yield camera
        finally:
            life.cancel()
            await asyncio.wait({life})


async def up(camera: CameraService) -> None:
    """Wait until frames come."""
    await eventually(lambda: camera.running and camera.beat.frames > 0)


async def eventually(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            if holds():
                return
            await asyncio.sleep(0.05)
