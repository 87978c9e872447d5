"""The drivers that the contract suite runs over: a name, and how to make one that opens anywhere."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from edge_agent.camera.drivers.base import Driver
from edge_agent.camera.drivers.file.driver import FileDriver
from edge_agent.camera.drivers.file.options import FileOptions
from edge_agent.camera.drivers.picamera2.driver import Picamera2Driver
from edge_agent.camera.drivers.picamera2.options import Picamera2Options
from edge_agent.camera.drivers.simulated import SimulatedDriver
from edge_agent.clock import SystemClock
from tests.camera.drivers.clips import make_clip
from tests.camera.drivers.picamera2.fake import World
from tests.camera.drivers.picamera2.sensors import SENSORS

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


def picamera2_fake(model: str, _folder: Path) -> Driver:
    world = World((SENSORS[model],))
    return Picamera2Driver(options=Picamera2Options(), clock=SystemClock(), load_backend=world.backend)


def picamera2_real(camera_id: str, _folder: Path) -> Driver:
    return Picamera2Driver(options=Picamera2Options(id=camera_id), clock=SystemClock())


DRIVERS: dict[str, Factory] = {
    "simulated": simulated,
    "file, decoded": file_decoded,
    "file, passed through": file_passed_through,
}
DRIVERS |= {f"picamera2, {model} (fake)": partial(picamera2_fake, model) for model in SENSORS}

# Set by tests/virtual_camera/run, where the real picamera2 has this camera.
VIRTUAL_CAMERA = os.environ.get("VIRTUAL_CAMERA_ID")
if VIRTUAL_CAMERA:
    DRIVERS[f"picamera2, {VIRTUAL_CAMERA} (real)"] = partial(picamera2_real, VIRTUAL_CAMERA)
