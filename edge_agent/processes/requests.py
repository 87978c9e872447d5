"""Requests to a child that wait for their answers."""

from __future__ import annotations

import asyncio
import itertools
import logging
from dataclasses import dataclass
from typing import Any, Final

from edge_agent.clock import Clock
from edge_agent.errors import ProcessError
from edge_agent.processes.agent_channel import AgentChannel
from edge_agent.processes.channel import Message
from edge_agent.processes.errors import error_from_body

__all__ = ["Requests"]

logger = logging.getLogger(__name__)

_MAX_PENDING: Final = 64
# How late a timeout may be noticed.
_SWEEP_S: Final = 0.25


@dataclass(frozen=True, slots=True)
class _Pending:
    kind: str
    answer: asyncio.Future[Message]
    timeout_s: float
    deadline_s: float


class Requests:
    """Pairs answers with requests by their id; an id is never used twice."""

    def __init__(self, *, name: str, clock: Clock) -> None:
        self._name = name
        self._clock = clock
        self._ids = itertools.count(1)
        self._pending: dict[int, _Pending] = {}
        self._sweeping: asyncio.Task[None] | None = None

    async def ask(
        self,
        channel: AgentChannel,
        kind: str,
        body: dict[str, Any],
        *,
        timeout_s: float,
        attachment: bytes = b"",
    ) -> Message:
        """Send a request and return its answer; raises the error that was answered, and ProcessError."""
        if len(self._pending) >= _MAX_PENDING:
            raise ProcessError(
                f"'{kind}' was not sent, {_MAX_PENDING} requests to the {self._name} child wait already",
                code="busy",
            )
        number = next(self._ids)
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._pending[number] = _Pending(kind, answer, timeout_s, self._clock.monotonic() + timeout_s)
        if self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().create_task(
                self._sweep(), name=f"{self._name} requests"
            )
        try:
            channel.send(Message(kind, body, id=number, attachment=attachment))
            return await answer
        finally:
            del self._pending[number]
            if not answer.cancel() and not answer.cancelled():
                answer.exception()  # looked at, also where the caller has gone meanwhile

    async def _sweep(self) -> None:
        # One task for all requests: a timer of its own for each would cost more than the request.
        try:
            while self._pending:
                await self._clock.sleep(_SWEEP_S)
                now_s = self._clock.monotonic()
                for pending in self._pending.values():
                    if now_s >= pending.deadline_s and not pending.answer.done():
                        pending.answer.set_exception(
                            ProcessError(
                                f"the {self._name} child did not answer '{pending.kind}' "
                                f"within {pending.timeout_s:g} s",
                                code="timeout",
                            )
                        )
        finally:
            self._sweeping = None

    def answered(self, message: Message) -> bool:
        """Take a message that may be an answer; tell whether it is one."""
        if message.id is None or message.kind not in ("result", "error"):
            return False
        pending = self._pending.get(message.id)
        answer = pending.answer if pending else None
        if answer is None or answer.done():
            logger.debug("The %s child answered a request that nobody waits for any more", self._name)
        elif message.kind == "error":
            answer.set_exception(error_from_body(message.body))
        else:
            answer.set_result(message)
        return True

    def fail(self, reason: str) -> None:
        """Fail all that wait: the child `reason`, and will not answer."""
        for pending in self._pending.values():
            if not pending.answer.done():
                pending.answer.set_exception(
                    ProcessError(f"the {self._name} child {reason} before it answered '{pending.kind}'")
                )
