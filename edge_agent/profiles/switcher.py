"""Switches that nobody waits for: applied as soon as the camera can, the newest in place of older ones."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from edge_agent.clock import Clock
from edge_agent.errors import CameraUnavailableError, EdgeAgentError

__all__ = ["Switch", "Switcher"]

logger = logging.getLogger(__name__)

_RETRY_S: Final = 1.0
# A camera that dies of a profile is not made to die of it for ever.
_MAX_TRIES: Final = 3


@dataclass(frozen=True, eq=False)
class Switch:
    """One switch that is wanted: to which profile, and why."""

    name: str
    cause: str


class Switcher:
    """`apply` is never cancelled half way by a newer switch; `failed` is told why one was given up."""

    def __init__(
        self,
        *,
        clock: Clock,
        apply: Callable[[Switch], Awaitable[None]],
        failed: Callable[[Switch, str], None],
    ) -> None:
        self._clock = clock
        self._apply = apply
        self._failed = failed
        self._something = asyncio.Event()
        self.wanted: Switch | None = None

    def want(self, switch: Switch) -> None:
        """Apply this one next; an older one that still waits is forgotten."""
        self.wanted = switch
        self._something.set()

    def forget(self, switch: Switch | None) -> None:
        """Give this one up, where it is still wanted: something newer was done."""
        if self.wanted is switch:
            self.wanted = None

    async def run(self) -> None:
        """Apply what is wanted, until cancelled."""
        while True:
            await self._something.wait()
            self._something.clear()
            while (switch := self.wanted) is not None:
                await self._try(switch)
                self.forget(switch)

    async def _try(self, switch: Switch) -> None:
        tries = 0
        while self.wanted is switch:
            try:
                await self._apply(switch)
            except CameraUnavailableError:
                pass  # it comes back, whenever that is
            except EdgeAgentError as error:
                tries += 1
                if not error.transient or tries >= _MAX_TRIES:
                    self._failed(switch, error.message)
                    return
            except Exception as error:
                logger.exception("%s could not apply the profile %s", switch.cause, switch.name)
                self._failed(switch, f"an unexpected {type(error).__name__}: {error}")
                return
            else:
                return
            await self._clock.sleep(_RETRY_S)
