"""The drivers that the contract suite runs over: a name, and how to make one that opens anywhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edge_agent.camera.drivers.base import Driver
from edge_agent.camera.drivers.simulated import SimulatedDriver
from edge_agent.clock import SystemClock

# Given a folder of its own, a factory returns a driver that is not open yet.
Factory = Callable[[Path], Driver]


def simulated(_folder: Path) -> Driver:
    return SimulatedDriver(clock=SystemClock(), paced=False)


DRIVERS: dict[str, Factory] = {"simulated": simulated}
