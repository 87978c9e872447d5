"""A client of the broker for people's tools: sends commands, watches nodes. It uses the agent's own link."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Sequence
from random import Random
from types import TracebackType
from typing import Any, Self

from edge_agent.clock import Clock
from edge_agent.errors import LinkError
from edge_agent.mqtt.config import MqttConfig
from edge_agent.mqtt.link import Link
from edge_agent.mqtt.message import Incoming, Outgoing
from edge_agent.mqtt.status import LinkStatus

__all__ = ["Observer"]

_MAX_WAITING = 10_000


class Observer:
    """Subscribed to some topics for the length of a `with` block."""

    def __init__(self, *, config: MqttConfig, subscriptions: Sequence[str], clock: Clock) -> None:
        self._connected = asyncio.Event()
        self._failed: LinkStatus | None = None
        self._messages: asyncio.Queue[Incoming] = asyncio.Queue(_MAX_WAITING)
        self._task: asyncio.Task[None] | None = None
        # Its own name: the configured one is the agent's, and two of one name evict each other.
        own = config.model_copy(update={"client_id": None})
        self._link = Link(
            config=own,
            client_id=f"edge-agent-console-{secrets.token_hex(4)}",
            will=None,
            birth=self._born,
            subscriptions=subscriptions,
            on_message=self._received,
            clock=clock,
            random=Random(),
            on_state=self._state,
        )

    async def __aenter__(self) -> Self:
        self._task = asyncio.get_running_loop().create_task(self._link.run(), name="observer")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._link.stop(None)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @property
    def link(self) -> LinkStatus:
        """How the connection is."""
        return self._link.status

    async def connected(self, timeout_s: float) -> None:
        """Wait until subscribed. Raises LinkError with the reason where that takes too long."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._connected.wait()
        except TimeoutError:
            status = self._failed or self._link.status
            reason = status.reason or "no answer"
            raise LinkError(f"no connection to the broker: {reason}", code=status.code) from None

    def send(self, topic: str, document: Any) -> None:
        """Publish a JSON document, not retained."""
        self._link.publish(Outgoing(topic=topic, payload=json.dumps(document).encode(), kind="reply"))

    async def messages(self) -> AsyncIterator[Incoming]:
        """Yield what comes in, for ever."""
        while True:
            yield await self._messages.get()

    async def _born(self, _epoch: int) -> None:
        self._connected.set()

    def _received(self, message: Incoming) -> None:
        # A console that does not keep up shows less; it never grows.
        if not self._messages.full():
            self._messages.put_nowait(message)

    def _state(self, status: LinkStatus) -> None:
        if status.reason is not None:
            self._failed = status
