"""One run of a child process, from its start to its last breath."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from edge_agent.clock import Clock
from edge_agent.errors import ProcessError
from edge_agent.processes.agent_channel import AgentChannel
from edge_agent.processes.channel import Message, socket_pair
from edge_agent.processes.spawn import Process, Spawn, ending, oom_kills
from edge_agent.processes.waiting import done_within
from edge_agent.turns import Turns

__all__ = ["ChildLimits", "Life"]

logger = logging.getLogger(__name__)
_T = TypeVar("_T")

_DEAF_S: Final = 0.5
_LAST_WORDS_S: Final = 1.0
_SECOND_LOOK_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class ChildLimits:
    """How patient the supervisor is, in seconds.

    `start_s` bounds the time from the start to the first message, `silent_s` that between two messages.
    `ask_s`, `terminate_s` and `kill_s` are the ladder's waits. The wait before a new start doubles up to
    `backoff_max_s` and begins anew after a run of `good_run_s`.
    """

    silent_s: float = 5.0
    start_s: float = 20.0
    ask_s: float = 2.0
    terminate_s: float = 2.0
    kill_s: float = 2.0
    backoff_max_s: float = 10.0
    good_run_s: float = 30.0

    @property
    def ladder_s(self) -> float:
        """How long the way down the whole ladder takes at most."""
        return self.ask_s + self.terminate_s + self.kill_s


class Life:
    """A started process and its channel. `start`, then `serve` until something ends it, then `end`."""

    def __init__(
        self,
        *,
        name: str,
        process: Process,
        channel: AgentChannel,
        clock: Clock,
        limits: ChildLimits,
        on_message: Callable[[Message], None],
        turns: Turns,
    ) -> None:
        self._name = name
        self._process = process
        self._clock = clock
        self._limits = limits
        self._on_message = on_message
        self._turns = turns
        self._listening = True
        self._told_failed = False
        self._heard = asyncio.Event()
        self._heard_at_s = clock.monotonic()
        self.channel = channel
        self._oom_kills = oom_kills()
        self._exit = self._task("exit", process.wait())
        self._messages = self._task("messages", self._listen())

    @classmethod
    async def start(
        cls,
        *,
        name: str,
        module: str,
        arguments: Sequence[str],
        pass_fds: Sequence[int],
        spawn: Spawn,
        clock: Clock,
        limits: ChildLimits,
        on_message: Callable[[Message], None],
        turns: Turns,
    ) -> Life:
        """Start the process; its first argument is the descriptor of its channel. Raises ProcessError."""
        try:
            agent_end, child_end = socket_pair()
        except OSError as error:
            raise ProcessError(f"has no channel to it: {error}") from error
        try:
            channel = await AgentChannel.open(agent_end)
        except OSError as error:
            agent_end.close()
            child_end.close()
            raise ProcessError(f"has no channel to it: {error}") from error
        try:
            descriptor = child_end.fileno()
            process = await spawn(module, (str(descriptor), *arguments), (descriptor, *pass_fds))
        except BaseException:
            channel.close()
            raise
        finally:
            child_end.close()
        return cls(
            name=name,
            process=process,
            channel=channel,
            clock=clock,
            limits=limits,
            on_message=on_message,
            turns=turns,
        )

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    @property
    def over(self) -> bool:
        """Whether the process has ended and was reaped."""
        return self._exit.done()

    def how_it_ended(self) -> str:
        """Say how the process ended; only where it is over."""
        code = self._exit.result()
        # The kernel counts for the whole machine: with a SIGKILL at the same time there is little doubt.
        if code == -signal.SIGKILL and oom_kills() > self._oom_kills:
            return f"{ending(code)} by the kernel, for want of memory: a smaller picture takes less"
        return ending(code)

    async def serve(self, *, up: asyncio.Task[None], restart: asyncio.Task[str]) -> str:
        """Listen until something ends this run, and return what: a verb with its reason."""
        silence = self._task("silence", self._silence())
        watched: set[asyncio.Future[Any]] = {self._exit, self._messages, silence, restart, up}
        try:
            while True:
                done, _ = await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
                if self._exit in done or self._messages in done:
                    return await self._last_words()
                if up in done:
                    failed = up.exception()
                    if failed is not None:
                        return f"could not be set up: {failed}"
                    watched.discard(up)
                if restart in done:
                    return restart.result()
                if silence in done:
                    return silence.result()
        finally:
            silence.cancel()

    async def end(self) -> None:
        """Go down the ladder: ask, terminate, kill; each step waits as long as the limits say.

        Where the process is not over after this, it hangs in the kernel. When cancelled, it kills at once.
        """
        self._listening = False
        try:
            await self._descend()
        except asyncio.CancelledError:
            self._process.signal(signal.SIGKILL)
            await done_within(self._clock, self._exit, self._limits.kill_s)
            raise
        finally:
            self._messages.cancel()
            await asyncio.wait({self._messages})
            self.channel.close()
            if not self._messages.cancelled():
                self._messages.exception()  # nonsense said after its end was decided is of no interest

    async def gone(self) -> None:
        """Wait for the end of a process that hangs in the kernel."""
        await asyncio.wait({self._exit})

    async def _descend(self) -> None:
        try:
            if not self.over:
                self.channel.send(Message("stop"))
        except ProcessError:
            logger.debug("The %s child cannot be asked to stop, its channel is closed", self._name)
        # One that is silent hears nothing, most likely: it gets less time to.
        silent = self._clock.monotonic() - self._heard_at_s >= self._limits.silent_s
        ask_s = min(self._limits.ask_s, _DEAF_S) if silent else self._limits.ask_s
        if await done_within(self._clock, self._exit, ask_s):
            return
        for number, patience_s in (
            (signal.SIGTERM, min(self._limits.terminate_s, _DEAF_S) if silent else self._limits.terminate_s),
            (signal.SIGKILL, self._limits.kill_s),
        ):
            logger.warning("The %s child (%d) does not stop: %s", self._name, self.pid, number.name)
            self._process.signal(number)
            if await done_within(self._clock, self._exit, patience_s):
                return

    async def _last_words(self) -> str:
        # A child that ends often says why just before; and one whose channel ends is mostly about to end.
        await done_within(self._clock, self._messages, _LAST_WORDS_S)
        await done_within(self._clock, self._exit, _LAST_WORDS_S)
        if self.over:
            return self.how_it_ended()
        if self._messages.done() and isinstance(self._messages.exception(), ProcessError):
            return f"broke the protocol: {self._messages.exception()}"
        return "closed its channel"

    async def _listen(self) -> None:
        while (message := await self.channel.receive()) is not None:
            self._heard.set()
            self._heard_at_s = self._clock.monotonic()
            if self._listening:
                self._deliver(message)

    def _deliver(self, message: Message) -> None:
        try:
            self._on_message(message)
        except Exception:
            if not self._told_failed:
                self._told_failed = True
                logger.exception(
                    "A message '%s' of the %s child was not understood", message.kind, self._name
                )

    async def _silence(self) -> str:
        """Return when the child has been silent for too long. It looks twice: this loop may have slept."""
        first = self._task("first message", self._heard.wait())
        self._turns.turn(within_s=self._limits.start_s)
        try:
            if not await done_within(self._clock, first, self._limits.start_s):
                return f"said nothing for {self._limits.start_s:g} s after its start"
        finally:
            first.cancel()
        looked_twice = False
        while True:
            quiet_s = self._clock.monotonic() - self._heard_at_s
            self._turns.turn(within_s=self._limits.silent_s)
            if quiet_s < self._limits.silent_s:
                looked_twice = False
                await self._clock.sleep(self._limits.silent_s - quiet_s)
            elif not looked_twice:
                looked_twice = True
                await self._clock.sleep(_SECOND_LOOK_S)
            else:
                return f"was silent for {quiet_s:.1f} s"

    def _task(self, what: str, work: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        return asyncio.create_task(work, name=f"{self._name} {what}")
