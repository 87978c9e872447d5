"""A driver on a fake picamera2, at work, for the tests of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge_agent.camera.capabilities import CameraCapabilities, Reading
from edge_agent.camera.drivers.base import Sample
from edge_agent.camera.drivers.picamera2.driver import Picamera2Driver
from edge_agent.camera.drivers.picamera2.options import Picamera2Options
from edge_agent.camera.settings import CameraSettings, merge, normalise, unflatten
from edge_agent.clock import SystemClock
from tests.camera.drivers.picamera2.fake import DELAY, World
from tests.camera.drivers.picamera2.sensors import SENSORS

# More frames than any control needs to show, or to be given up.
SETTLED = DELAY + 10


class Rig:
    """A camera that was opened and configured with its own defaults and a patch."""

    def __init__(
        self,
        model: str = "imx708",
        patch: Mapping[str, Any] | None = None,
        *,
        options: Picamera2Options | None = None,
        **world: Any,
    ) -> None:
        self.world = World((SENSORS[model],), **world)
        self.driver = Picamera2Driver(options=options, clock=SystemClock(), load_backend=self.world.backend)
        self.capabilities: CameraCapabilities = self.driver.open()
        own = {p: c.default for p, c in self.capabilities.controls.items() if c.default is not None}
        self.start = merge(CameraSettings(), unflatten(own))
        self.configure(patch or {})

    def configure(self, patch: Mapping[str, Any]) -> CameraSettings:
        self.driver.configure(merge(self.start, normalise(patch)))
        return self.driver.applied()

    def apply(self, patch: Mapping[str, Any]) -> dict[str, Any]:
        """Apply a patch on what is applied; returns the controls that were sent for it."""
        before = len(self.world.camera.sent)
        self.driver.apply(merge(self.driver.applied(), normalise(patch)))
        sent: dict[str, Any] = {}
        for controls in self.world.camera.sent[before:]:
            sent |= controls
        return sent

    def take(self, count: int = 1) -> Sample:
        sample = None
        for _ in range(count):
            sample = self.driver.read(1.0)
        assert sample is not None
        return sample

    def reading(self, count: int = 1) -> Reading:
        return self.take(count).reading

    def settled(self) -> CameraSettings:
        """What is applied once the frames show it."""
        self.take(SETTLED)
        return self.driver.applied()
