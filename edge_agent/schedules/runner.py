"""Runs what is due: patient with a camera that is away, the newest in place of older ones, one at a time.

All profiles' schedules switch one thing, so that only the newest of them still counts. Commands are run
beside each other, of each schedule one at a time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from edge_agent.clock import Clock
from edge_agent.errors import CameraUnavailableError, EdgeAgentError
from edge_agent.schedules.plan import Planned

__all__ = ["Ended", "Run", "Runner"]

logger = logging.getLogger(__name__)

_FIRST_RETRY_S: Final = 1.0
_LONGEST_RETRY_S: Final = 15.0
# A camera that dies of a profile is not made to die of it for ever.
_MAX_TRIES: Final = 3
_AT_ONCE: Final = 8


@dataclass(frozen=True, eq=False)
class Run:
    """One time of one schedule, which is due `since`: later than `at` where another one lay over it.

    A command's is given up after `patience_s` with a camera that is away.
    """

    planned: Planned
    at: datetime
    since: datetime
    patience_s: float | None = None


@dataclass(frozen=True)
class Ended:
    """How a run ended: `outcome` is failed where there is an `error`, else what `execute` returned."""

    begun_at: datetime
    took_s: float
    outcome: str = "failed"
    error: str | None = None


class Runner:
    """`execute` is never cancelled half way by a newer run; `ended` hears of each that was not overtaken."""

    def __init__(
        self,
        *,
        clock: Clock,
        execute: Callable[[Run], Awaitable[str]],
        ended: Callable[[Run, Ended], Awaitable[None]],
    ) -> None:
        self._clock = clock
        self._execute = execute
        self._ended = ended
        self._commands: dict[str, asyncio.Task[None]] = {}
        self._switching: asyncio.Task[None] | None = None
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self.wanted: Run | None = None

    def switch(self, run: Run) -> None:
        """Apply this profile next; an older one that still waits is forgotten."""
        self.wanted = run
        if self._switching is None or self._switching.done():
            self._switching = asyncio.get_running_loop().create_task(self._switch(), name="schedule: profile")

    def forget_switch(self) -> Run | None:
        """Give up the profile that is wanted, and return it: something newer was done."""
        forgotten, self.wanted = self.wanted, None
        return forgotten

    def start(self, run: Run) -> bool:
        """Carry out this command; return False where the schedule's last one still runs."""
        name = run.planned.name
        if name in self._commands:
            return False
        task = asyncio.get_running_loop().create_task(self._carry_out(run), name=f"schedule: {name}")
        self._commands[name] = task
        task.add_done_callback(lambda _task: self._commands.pop(name, None))
        return True

    def runs(self, name: str) -> bool:
        """Whether this schedule's command is under way."""
        return name in self._commands

    async def close(self) -> None:
        """End what is under way."""
        tasks = [*self._commands.values(), *([self._switching] if self._switching else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _switch(self) -> None:
        while (run := self.wanted) is not None:
            ended = await self._attempt(run, lambda run=run: self.wanted is run)  # type: ignore[misc]
            if self.wanted is run:
                self.wanted = None
                if ended is not None:
                    await self._ended(run, ended)

    async def _carry_out(self, run: Run) -> None:
        async with self._slots:
            ended = await self._attempt(run, lambda: True)
        if ended is not None:
            await self._ended(run, ended)

    async def _attempt(self, run: Run, wanted: Callable[[], bool]) -> Ended | None:
        """Return how it ended, None where it is not wanted any more."""
        clock = self._clock
        begun_at, begun_s = clock.now(), clock.monotonic()
        retry_s, tries = _FIRST_RETRY_S, 0
        while wanted():
            try:
                outcome = await self._execute(run)
            except EdgeAgentError as error:
                waited_s = clock.monotonic() - begun_s
                away = isinstance(error, CameraUnavailableError)
                tries += 0 if away else 1
                if not error.transient or tries >= _MAX_TRIES or _impatient(run, waited_s + retry_s):
                    return Ended(begun_at, waited_s, error=error.message)
            except Exception as error:
                logger.exception("The schedule %s failed", run.planned.name)
                message = f"an unexpected {type(error).__name__}: {error}"
                return Ended(begun_at, clock.monotonic() - begun_s, error=message)
            else:
                return Ended(begun_at, clock.monotonic() - begun_s, outcome)
            await clock.sleep(retry_s)
            if run.patience_s is not None:
                retry_s = min(retry_s * 2, _LONGEST_RETRY_S)
        return None


def _impatient(run: Run, waited_s: float) -> bool:
    return run.patience_s is not None and waited_s > run.patience_s
