"""The agent's side of a child process: started, listened to, stopped by a ladder, started again.

A child that ends, stays silent or cannot be set up is stopped (ask, terminate, kill), each step with a
bounded wait, and started anew: at once after a good run, else with full jitter up to a limit. One that does
not even die of SIGKILL hangs in the kernel; no second one is started beside it, as it still holds its device.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from random import Random
from typing import Any, Final, Literal

from edge_agent.clock import Clock
from edge_agent.errors import EdgeAgentError, ProcessError
from edge_agent.processes.channel import Message
from edge_agent.processes.life import ChildLimits, Life
from edge_agent.processes.requests import Requests
from edge_agent.processes.spawn import Spawn, spawn_module
from edge_agent.processes.waiting import done_within
from edge_agent.turns import Turns

__all__ = ["Child", "ChildLimits", "ChildState", "ChildStatus"]

logger = logging.getLogger(__name__)

ChildState = Literal["starting", "running", "stopping", "waiting", "stopped"]

_FIRST_WAIT_S: Final = 0.2
_MAX_DOUBLINGS: Final = 10
_SETTLE_S: Final = 0.5
_STUCK: Final = "does not end even by SIGKILL, it hangs in the kernel (state D): the machine needs a reboot"


@dataclass(frozen=True, slots=True)
class ChildStatus:
    """What a child is doing. `reason` says why it is not running, or why it was started again."""

    state: ChildState
    since: datetime
    pid: int | None = None
    restarts: int = 0
    reason: str | None = None
    next_try_s: float | None = None


class Child:
    """One supervised child process.

    `on_up` sends the child its first requests and returns when it is ready to work; an error from it counts
    as a failed start. `on_message` gets, on the event loop, every message that is no answer. `on_down` gets
    the reason, as soon as it is known, of every end but the one by cancelling `run`. `turns` shows whether
    the supervision goes round, whatever the child does.
    """

    def __init__(
        self,
        *,
        name: str,
        module: str,
        clock: Clock,
        random: Random,
        on_message: Callable[[Message], None],
        on_up: Callable[[], Awaitable[None]],
        on_down: Callable[[str], None],
        limits: ChildLimits | None = None,
        arguments: Sequence[str] = (),
        pass_fds: Sequence[int] = (),
        spawn: Spawn = spawn_module,
    ) -> None:
        self._name = name
        self._module = module
        self._clock = clock
        self._random = random
        self._on_message = on_message
        self._on_up = on_up
        self._on_down = on_down
        self._limits = limits or ChildLimits()
        self._arguments = tuple(arguments)
        self._pass_fds = tuple(pass_fds)
        self._spawn = spawn
        self._requests = Requests(name=name, clock=clock)
        self._status = ChildStatus("stopped", since=clock.now())
        self._life: Life | None = None
        self._up_at_s: float | None = None
        self._failures = 0
        self._supervised = False
        self._started_before = False
        self._told: str | None = None
        self._restart_asked = asyncio.Event()
        self._restart_reason: str | None = None
        self._restarting: list[asyncio.Future[None]] = []
        self.turns = Turns(clock=clock)

    @property
    def status(self) -> ChildStatus:
        """What the child is doing now."""
        return self._status

    async def run(self) -> None:
        """Supervise the child until cancelled; then stop it, within the bounds of the ladder.

        May be called again after it ended, but not twice at once.
        """
        if self._supervised:
            raise ProcessError(f"the {self._name} child is supervised already")
        self._supervised = True
        self._started_before = False
        try:
            while True:
                await self._live()
                await self._wait_for_next_try()
        finally:
            self._supervised = False
            self.turns.rest()
            self._set("stopped", pid=None, next_try_s=None)
            self._tell_restarting(ProcessError(f"the {self._name} child was stopped"))

    async def request(
        self, kind: str, body: dict[str, Any], *, timeout_s: float, attachment: bytes = b""
    ) -> Message:
        """Send a request and return its answer.

        Raises the error that the child answered with; and ProcessError where there is no child, it ends
        before it answers, or it does not answer within `timeout_s`.
        """
        channel = self._alive(kind).channel
        return await self._requests.ask(channel, kind, body, timeout_s=timeout_s, attachment=attachment)

    def notify(self, kind: str, body: dict[str, Any]) -> None:
        """Send a notice. Raises ProcessError where there is no child."""
        self._alive(kind).channel.send(Message(kind, body))

    async def restart(self, reason: str) -> None:
        """Stop the child by the ladder and start it again at once; returns when the new one is started.

        Raises ProcessError where `run` is not under way or is cancelled, or where the child does not die.
        """
        self._check_supervised()
        started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._restarting.append(started)
        self._restart_reason = reason
        self._restart_asked.set()
        await started

    def restart_soon(self, reason: str) -> None:
        """Have the child stopped and started again, without waiting for it, for a fault that was seen.

        Unlike after `restart`, faults that follow each other are waited out longer and longer. Where there
        is no child just now, nothing happens: the next one is on its way. Raises ProcessError where `run` is
        not under way.
        """
        self._check_supervised()
        if self._life is not None:
            self._restart_reason = reason
            self._restart_asked.set()

    def _check_supervised(self) -> None:
        if not self._supervised:
            raise ProcessError(f"the {self._name} child is not supervised, it cannot be restarted")

    def _alive(self, kind: str) -> Life:
        if self._life is None:
            why = f": {self._status.reason}" if self._status.reason else ""
            raise ProcessError(
                f"'{kind}' was not sent, the {self._name} child is not there ({self._status.state}){why}"
            )
        return self._life

    async def _live(self) -> None:
        """Start the child, serve it, and return when it has ended."""
        self._restart_asked.clear()
        self._up_at_s = None
        restarts = self._status.restarts + (1 if self._started_before else 0)
        self._started_before = True
        self._set("starting", pid=None, next_try_s=None, restarts=restarts)
        self.turns.turn(within_s=self._limits.start_s)
        try:
            life = await Life.start(
                name=self._name,
                module=self._module,
                arguments=self._arguments,
                pass_fds=self._pass_fds,
                spawn=self._spawn,
                clock=self._clock,
                limits=self._limits,
                on_message=self._message,
                turns=self.turns,
            )
        except EdgeAgentError as error:
            self._down(error.message)
            return
        self._set("starting", pid=life.pid)
        self._tell_restarting(None)
        try:
            reason = await self._serve(life)
            self._down(reason)
        finally:
            # Also where `run` is cancelled: the ladder has its bounds.
            self._set("stopping")
            self.turns.turn(within_s=self._limits.ladder_s)
            await life.end()
        if not life.over:
            logger.error("The %s child (%d) %s", self._name, life.pid, _STUCK)
            self._set("stopping", reason=_STUCK)
            self._tell_restarting(ProcessError(f"the {self._name} child {_STUCK}"))
            # Another agent could not end it either, so there is nothing to be gained by one.
            self.turns.rest()
            await life.gone()
        logger.debug("The %s child %s", self._name, life.how_it_ended())

    async def _serve(self, life: Life) -> str:
        self._life = life
        up = asyncio.create_task(self._bring_up(), name=f"{self._name} up")
        restart = asyncio.create_task(self._asked_to_restart(), name=f"{self._name} restart")
        reason = "is stopped"
        try:
            reason = await life.serve(up=up, restart=restart)
        finally:
            self._life = None
            restart.cancel()
            self._requests.fail(reason)
            failed = await self._settled(up)
        return f"could not be set up: {failed}" if failed else reason

    async def _asked_to_restart(self) -> str:
        await self._restart_asked.wait()
        return f"is restarted: {self._restart_reason}"

    async def _settled(self, up: asyncio.Task[None]) -> str | None:
        """See `up` to its end, and return what the child answered it where that says why it ended."""
        # Its requests have their answers or have failed: it only needs to hear of it.
        await done_within(self._clock, up, _SETTLE_S)
        up.cancel()
        await asyncio.wait({up})
        error = None if up.cancelled() else up.exception()
        return None if error is None or isinstance(error, ProcessError) else str(error)

    async def _bring_up(self) -> None:
        try:
            await self._on_up()
        except EdgeAgentError:
            raise
        except Exception as error:
            logger.exception("The %s child could not be set up", self._name)
            raise ProcessError(f"{type(error).__name__}: {error}") from error
        self._up_at_s = self._clock.monotonic()
        self._set("running", next_try_s=None)
        if self._told is not None:
            logger.info("The %s child is back", self._name)
            self._told = None

    def _message(self, message: Message) -> None:
        if not self._requests.answered(message):
            self._on_message(message)

    def _down(self, reason: str) -> None:
        up_at_s = self._up_at_s
        if up_at_s is not None and self._clock.monotonic() - up_at_s >= self._limits.good_run_s:
            self._failures = 0
        self._set("stopping", reason=reason)
        # One that fails the same way again and again is told once.
        logger.log(
            logging.DEBUG if reason == self._told else logging.WARNING, "The %s child %s", self._name, reason
        )
        self._told = reason
        try:
            self._on_down(reason)
        except Exception:
            logger.exception("The end of the %s child could not be told", self._name)

    async def _wait_for_next_try(self) -> None:
        if self._restarting:
            return
        ceiling_s = min(
            self._limits.backoff_max_s, _FIRST_WAIT_S * 2.0 ** min(self._failures, _MAX_DOUBLINGS)
        )
        self._failures += 1
        wait_s = self._random.uniform(0.0, ceiling_s)
        self._restart_asked.clear()
        self._set("waiting", pid=None, next_try_s=round(wait_s, 1))
        self.turns.turn(within_s=wait_s)
        asked = asyncio.create_task(self._restart_asked.wait(), name=f"{self._name} wait")
        try:
            await done_within(self._clock, asked, wait_s)
        finally:
            asked.cancel()

    def _tell_restarting(self, error: ProcessError | None) -> None:
        waiting, self._restarting = self._restarting, []
        for future in waiting:
            if future.done():
                continue
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)

    def _set(self, state: ChildState, **changes: Any) -> None:
        since = self._status.since if state == self._status.state else self._clock.now()
        self._status = replace(self._status, state=state, since=since, **changes)
