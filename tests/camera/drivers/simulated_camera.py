"""A simulated camera of a small picture, at work, for the tests of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from av import VideoFrame

from edge_agent.camera.capabilities import Reading
from edge_agent.camera.drivers.base import Sample
from edge_agent.camera.drivers.simulated import SimulatedDriver, SimulatedOptions
from edge_agent.camera.settings import CameraSettings, Window, merge, normalise

NOON = SimulatedOptions(start_hour=12, moving=False)
CHART = Window(x=0.8, y=0.8, width=0.15, height=0.15)


class FakeClock:
    """Stands still but for what is waited and what work costs."""

    def __init__(self) -> None:
        self.at_s = 1000.0
        self.waited: list[float] = []

    def now(self) -> datetime:
        return datetime(2025, 6, 1, 12, 34, 56, tzinfo=UTC)

    def monotonic(self) -> float:
        return self.at_s

    async def sleep(self, seconds: float) -> None:
        self.at_s += seconds

    def wait(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.at_s += seconds


class Camera:
    """A simulated camera of a small picture, at work."""

    def __init__(
        self,
        patch: Mapping[str, Any] | None = None,
        *,
        options: SimulatedOptions = NOON,
        size: tuple[int, int] = (320, 180),
        fps: float = 30.0,
    ) -> None:
        self.driver = SimulatedDriver(clock=FakeClock(), options=options, paced=False)
        self.driver.open()
        video = {"width": size[0], "height": size[1], "fps": fps}
        self.driver.configure(merge(merge(CameraSettings(), normalise(patch or {})), {"video": video}))

    def set(self, patch: Mapping[str, Any]) -> None:
        self.driver.apply(merge(self.driver.applied(), normalise(patch)))

    def take(self, count: int = 1) -> Sample:
        for _ in range(count - 1):
            self.driver.read(1.0)
        sample = self.driver.read(1.0)
        assert sample is not None
        return sample

    def reading(self, count: int = 1) -> Reading:
        return self.take(count).reading

    def luma(self, count: int = 1) -> npt.NDArray[np.float64]:
        return luma_of(self.take(count))

    def rgb(self, count: int = 1) -> npt.NDArray[np.float64]:
        frame = frame_of(self.take(count))
        return frame.to_ndarray(format="rgb24").astype(np.float64)[_text_rows(frame.height) :]


def _text_rows(height: int) -> int:
    return height // 4


def frame_of(sample: Sample) -> VideoFrame:
    assert sample.frame is not None
    return sample.frame


def luma_of(sample: Sample) -> npt.NDArray[np.float64]:
    """Luma below the burnt-in text."""
    frame = frame_of(sample)
    return frame.to_ndarray()[_text_rows(frame.height) : frame.height].astype(np.float64)


def detail(luma: npt.NDArray[np.float64]) -> float:
    return float(np.mean(np.diff(luma, axis=1) ** 2))


def noise(camera: Camera) -> float:
    """How much two frames of a scene at rest differ."""
    return float(np.std(camera.luma() - camera.luma()))


def manual(time_us: int, gain: float = 1.2) -> dict[str, Any]:
    return {"exposure": {"time_us": time_us, "gain": gain}}
