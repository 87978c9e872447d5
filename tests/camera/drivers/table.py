"""The drivers that the contract suite runs over: a name, and how to make one that opens anywhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edge_agent.camera.drivers.base import Driver
from edge_agent.camera.drivers.file.driver import FileDriver
from edge_agent.camera.drivers.file.options import FileOptions
from edge_agent.camera.drivers.simulated import SimulatedDriver
from edge_agent.clock import SystemClock
from tests.camera.drivers.clips import make_clip

# Given a folder of its own, a factory returns a driver that is not open yet.
Factory = Callable[[Path], Driver]


def simulated(_folder: Path) -> Driver:
    return SimulatedDriver(clock=SystemClock(), paced=False)


def file_decoded(folder: Path) -> Driver:
    path = make_clip(folder / "clip.avi", codec="mpeg4")
    return FileDriver(options=FileOptions(path=path), clock=SystemClock())


def file_passed_through(folder: Path) -> Driver:
    path = make_clip(folder / "clip.mp4")
    return FileDriver(options=FileOptions(path=path), clock=SystemClock())


DRIVERS: dict[str, Factory] = {
    "simulated": simulated,
    "file, decoded": file_decoded,
    "file, passed through": file_passed_through,
}
