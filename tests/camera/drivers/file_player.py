"""A file driver at work, by a clock that goes on only where somebody waits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edge_agent.camera.capabilities import CameraCapabilities
from edge_agent.camera.drivers.base import Sample
from edge_agent.camera.drivers.file.driver import FileDriver
from edge_agent.camera.drivers.file.options import FileOptions
from edge_agent.camera.settings import CameraSettings, merge

__all__ = ["Player", "WaitingClock", "playing"]


class WaitingClock:
    """Goes on only where somebody waits."""

    def __init__(self) -> None:
        self.at_s = 500.0

    def now(self) -> datetime:
        return datetime(2025, 6, 1, tzinfo=UTC)

    def monotonic(self) -> float:
        return self.at_s

    async def sleep(self, seconds: float) -> None:
        self.wait(seconds)

    def wait(self, seconds: float) -> None:
        self.at_s += seconds


class Player:
    """A file driver at work, with all its settings at the file's own."""

    def __init__(self, path: Path, *, loop: bool = True) -> None:
        self.clock = WaitingClock()
        self.driver = FileDriver(
            options=FileOptions(path=path, loop=loop), clock=self.clock, wait=self.clock.wait
        )
        self.capabilities: CameraCapabilities = self.driver.open()
        self.driver.configure(CameraSettings())

    def change(self, patch: dict[str, Any]) -> None:
        self.driver.apply(merge(self.driver.applied(), patch))

    def configure(self, patch: dict[str, Any]) -> None:
        self.driver.configure(merge(self.driver.applied(), patch))

    def take(self, count: int = 1) -> list[Sample]:
        samples: list[Sample] = []
        for _ in range(20 * count):
            sample = self.driver.read(1.0)
            if sample is not None:
                samples.append(sample)
            if len(samples) == count:
                break
        assert len(samples) == count
        return samples


@contextmanager
def playing(path: Path, *, loop: bool = True) -> Iterator[Player]:
    player = Player(path, loop=loop)
    try:
        yield player
    finally:
        player.driver.close()
