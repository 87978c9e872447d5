"""The camera as the other features see it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from edge_agent.camera.capabilities import CameraCapabilities, Reading
from edge_agent.camera.messages import StillInfo, StillRequest
from edge_agent.camera.settings import CameraSettings

__all__ = ["CameraPort", "Change"]


@dataclass(frozen=True, kw_only=True)
class Change:
    """What a change of settings came to: path -> value as read back, and the clamped paths with why."""

    applied: Mapping[str, Any]
    clamped: Mapping[str, str]
    interrupted: bool


class CameraPort(Protocol):
    """What can be asked of the camera, and of the one way of every change."""

    @property
    def capabilities(self) -> CameraCapabilities | None:
        """What it can do; None until it was opened once."""
        ...

    @property
    def settings(self) -> CameraSettings | None:
        """What holds, as last read back, without what a picture borrows; None until it was opened once."""
        ...

    @property
    def reading(self) -> Reading | None:
        """What the sensor last reported."""
        ...

    @property
    def running(self) -> bool:
        """Whether frames come."""
        ...

    async def change(
        self, patch: Mapping[str, Any], *, cause: str, strict: bool = False, dry_run: bool = False
    ) -> Change:
        """Go the one way of every change. Raises RefusedError or CameraError; then nothing was changed."""
        ...

    async def still(self, request: StillRequest) -> tuple[StillInfo, bytes]:
        """Take a picture while the stream goes on.

        Raises RefusedError before anything is touched, CameraError or ProcessError where it fails. In every
        case the settings are as before.
        """
        ...

    def burst(self, request: StillRequest) -> AsyncGenerator[tuple[StillInfo, bytes], None]:
        """Take `request.count` pictures of consecutive frames, each given as soon as it is there.

        Close it (`contextlib.aclosing`) where it is not read to the end. Raises as `still` does. Whoever
        keeps it waiting for 30 s loses the rest.
        """
        ...

    def still_interrupts(self, request: StillRequest) -> str | None:
        """Return why the stream would not go on as it is for such pictures; None where it would.

        Raises RefusedError for what this camera cannot do, CameraError where there is none right now.
        """
        ...
