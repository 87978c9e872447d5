"""A camera whose pictures are whatever a test wants, as the features see it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from datetime import timedelta
from typing import Any

from edge_agent.camera.capabilities import CameraCapabilities, Reading
from edge_agent.camera.limits import starting_settings
from edge_agent.camera.messages import StillInfo, StillRequest
from edge_agent.camera.port import Change
from edge_agent.camera.settings import CameraSettings
from edge_agent.errors import CameraError, EdgeAgentError
from tests.camera.imx708 import IMX708
from tests.clocks import ManualClock
from tests.snapshots.gallery import jpeg

__all__ = ["FakeCamera"]


class FakeCamera:
    """Gives `content`, or what `shots` hold first; fails with `error` after `fails_after` pictures."""

    def __init__(self, clock: ManualClock) -> None:
        self.capabilities: CameraCapabilities | None = IMX708
        self.settings: CameraSettings | None = starting_settings({}, IMX708)[0]
        self.reading: Reading | None = None
        self.running = True
        self.content = jpeg()
        self.requests: list[StillRequest] = []
        self.refusal: EdgeAgentError | None = None
        self.fails_after: int | None = None
        self.interruption: str | None = None
        self.ended = 0
        self._clock = clock

    async def change(
        self, patch: Mapping[str, Any], *, cause: str, strict: bool = False, dry_run: bool = False
    ) -> Change:
        raise NotImplementedError

    def still_interrupts(self, request: StillRequest) -> str | None:
        if self.refusal is not None:
            raise self.refusal
        return self.interruption

    async def still(self, request: StillRequest) -> tuple[StillInfo, bytes]:
        self.requests.append(request)
        return self._shot(request, 0)

    async def burst(self, request: StillRequest) -> AsyncGenerator[tuple[StillInfo, bytes], None]:
        self.requests.append(request)
        try:
            for number in range(request.count):
                yield self._shot(request, number)
        finally:
            self.ended += 1

    def _shot(self, request: StillRequest, number: int) -> tuple[StillInfo, bytes]:
        if number == self.fails_after:
            raise CameraError("the sensor gave no frame")
        assert self.settings is not None
        info = StillInfo(
            width=request.width or 64,
            height=request.height or 48,
            format=request.format,
            reading=Reading(exposure_us=12_000, analogue_gain=1.5, lux=45.2),
            captured_at=self._clock.now() + timedelta(milliseconds=33 * number),
            settings=self.settings,
            focus="focused" if request.focus_first else None,
        )
        return info, self.content
