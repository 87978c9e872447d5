"""Keyframes for those who wait for a stream to begin: they come in after its first one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from edge_agent.clock import Clock
from edge_agent.errors import EdgeAgentError

__all__ = ["Welcome"]

logger = logging.getLogger(__name__)

# Each after the one before: RTSP readers are let in at once, those of WebRTC and HLS a little later.
_AFTER_S: Final = (0.15, 0.25, 0.4)


class Welcome:
    """Once for every beginning of the encoding, at the first session after it; a reconnect needs none."""

    def __init__(self, *, clock: Clock, request_keyframe: Callable[[], Awaitable[None]]) -> None:
        self._clock = clock
        self._request_keyframe = request_keyframe
        self._due = False
        self._task: asyncio.Task[None] | None = None

    def prepare(self, *, due: bool) -> None:
        """Take note that encoding has begun, or has ended."""
        self._due = due

    def session_began(self) -> None:
        """Ask for the keyframes, if they are due."""
        if self._due:
            self._due = False
            self.end()
            self._task = asyncio.create_task(self._ask(), name="stream welcome")

    def end(self) -> None:
        """Ask for no more."""
        if self._task is not None:
            self._task.cancel()

    async def _ask(self) -> None:
        for pause_s in _AFTER_S:
            await self._clock.sleep(pause_s)
            try:
                await self._request_keyframe()
            except EdgeAgentError as error:
                logger.debug("No keyframe for those who wait: %s", error.message)
