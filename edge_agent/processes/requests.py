"""Requests to a child that wait for their answers."""

from __future__ import annotations

import asyncio
import itertools
import logging
from typing import Any, Final

from edge_agent.clock import Clock
from edge_agent.errors import ProcessError
from edge_agent.processes.channel import AgentChannel, Message
from edge_agent.processes.errors import error_from_body
from edge_agent.processes.waiting import done_within

__all__ = ["Requests"]

logger = logging.getLogger(__name__)

_MAX_PENDING: Final = 64


class Requests:
    """Pairs answers with requests by their id; an id is never used twice."""

    def __init__(self, *, name: str, clock: Clock) -> None:
        self._name = name
        self._clock = clock
        self._ids = itertools.count(1)
        self._pending: dict[int, tuple[str, asyncio.Future[Message]]] = {}

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
        self._pending[number] = (kind, answer)
        try:
            channel.send(Message(kind, body, id=number, attachment=attachment))
            if not await done_within(self._clock, answer, timeout_s):
                raise ProcessError(
                    f"the {self._name} child did not answer '{kind}' within {timeout_s:g} s", code="timeout"
                )
            return answer.result()
        finally:
            del self._pending[number]
            if not answer.cancel() and not answer.cancelled():
                answer.exception()  # looked at, also where the caller has gone meanwhile

    def answered(self, message: Message) -> bool:
        """Take a message that may be an answer; tell whether it is one."""
        if message.id is None or message.kind not in ("result", "error"):
            return False
        _, answer = self._pending.get(message.id, ("", None))
        if answer is None or answer.done():
            logger.debug("The %s child answered a request that nobody waits for any more", self._name)
        elif message.kind == "error":
            answer.set_exception(error_from_body(message.body))
        else:
            answer.set_result(message)
        return True

    def fail(self, reason: str) -> None:
        """Fail all that wait: the child `reason`, and will not answer."""
        for kind, answer in self._pending.values():
            if not answer.done():
                answer.set_exception(
                    ProcessError(f"the {self._name} child {reason} before it answered '{kind}'")
                )
