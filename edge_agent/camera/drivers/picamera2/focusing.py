"""One autofocus scan in whatever mode, and back to the mode that was there before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from edge_agent.camera.drivers.picamera2.controls import AF_AUTO, AF_CANCEL, AF_MODES, AF_START
from edge_agent.camera.settings import Focus

__all__ = ["Scan"]

_LONGEST_S: Final = 10.0
# A scan that finds the lens right at once may show no frame of scanning.
_FRAMES_TO_BEGIN: Final = 12


class Scan:
    """Says what to send at the start of a scan, and after each frame. Scans are for the mode auto only."""

    def __init__(self, *, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._until: float | None = None
        self._seen = False
        self._frames = 0

    @property
    def running(self) -> bool:
        """Whether a scan is under way."""
        return self._until is not None

    @property
    def on_its_way(self) -> bool:
        """Whether a scan was asked for that the frames do not show yet: they still tell of the one before."""
        return self._until is not None and not self._seen and self._frames < _FRAMES_TO_BEGIN

    def begin(self) -> dict[str, Any]:
        """Return the controls that begin one."""
        self._until = self._monotonic() + _LONGEST_S
        self._seen = False
        self._frames = 0
        return {"AfMode": AF_AUTO, "AfTrigger": AF_START}

    def frame(self, state: str | None, position: float | None, focus: Focus) -> dict[str, Any]:
        """Return the controls that end it, once it has ended or its time is up; else nothing.

        In manual mode the lens stays where the scan left it.
        """
        if self._until is None:
            return {}
        self._frames += 1
        self._seen = self._seen or state == "scanning"
        begun = self._seen or self._frames >= _FRAMES_TO_BEGIN
        ended = begun and state in {"focused", "failed"}
        late = self._monotonic() >= self._until
        if not ended and not late:
            return {}
        self._until = None
        controls: dict[str, Any] = {} if ended else {"AfTrigger": AF_CANCEL}
        if focus.mode != "auto":
            controls = {"AfMode": AF_MODES[focus.mode]}
        if focus.mode == "manual" and position is not None:
            controls["LensPosition"] = position
        return controls
