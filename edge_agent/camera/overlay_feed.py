"""The agent's side of the overlay: which fields of status it may name, and their values to the camera."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

from edge_agent.camera.messages import OverlayFields, OverlayNames
from edge_agent.camera.overlay.template import Template, field_of, refuse_unknown
from edge_agent.camera.settings import CameraSettings
from edge_agent.clock import Clock
from edge_agent.contract.status import PARTS, StatusBoard
from edge_agent.errors import EdgeAgentError
from edge_agent.pulse import until_pulse_s

__all__ = ["OverlayFeed"]

logger = logging.getLogger(__name__)

# Values go to the camera when they change, and no more often than this; where none are named, less often.
_LOOK_EVERY_S: Final = 0.5
_NAMED_WITHIN_S: Final = 1.0


class OverlayFeed:
    """Reads of `board` what the overlay names. `names` are what the camera is told at its start."""

    def __init__(self, *, names: OverlayNames, board: StatusBoard, clock: Clock) -> None:
        self.names = names
        self._board = board
        self._clock = clock
        self._told: dict[str, Any] = {}

    def check(self, settings: CameraSettings) -> None:
        """Raise RefusedError where the overlay names a field that status does not have."""
        refuse_unknown(settings.overlay.text, document=self._board.document, promised=PARTS)

    def forget(self) -> None:
        """The camera is another one: it knows nothing yet."""
        self._told = {}

    async def run(
        self, *, settings: Callable[[], CameraSettings | None], tell: Callable[[str, dict[str, Any]], None]
    ) -> None:
        """Send values when they have changed, until cancelled. `tell` sends a notice to the camera."""
        while True:
            self.look(settings(), tell=tell)
            pause_s = _LOOK_EVERY_S if self._told else until_pulse_s(self._clock.monotonic(), _NAMED_WITHIN_S)
            await self._clock.sleep(pause_s)

    def look(self, settings: CameraSettings | None, *, tell: Callable[[str, dict[str, Any]], None]) -> None:
        """Send values at once, where they have changed."""
        values = self._values(settings) if settings is not None else {}
        if values == self._told:
            return
        try:
            tell("overlay", OverlayFields(values=values).model_dump(mode="json"))
        except EdgeAgentError as error:
            logger.debug("The overlay's values are sent when the camera is back: %s", error.message)
        else:
            self._told = values

    def _values(self, settings: CameraSettings) -> dict[str, Any]:
        if not settings.overlay.enabled:
            return {}
        fields = Template.of(settings.overlay.text).fields
        parts = {name: self._board.part(name) for name in {path.partition(".")[0] for path in fields}}
        values: dict[str, Any] = {}
        for path in fields:
            try:
                values[path] = field_of(parts, path)
            except KeyError:
                values[path] = None
        return values
