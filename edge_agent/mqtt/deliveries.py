"""Messages whose senders wait until the broker has them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from edge_agent.errors import LinkError
from edge_agent.mqtt.config import MqttConfig
from edge_agent.mqtt.status import LinkStatus

__all__ = ["Deliveries"]


@dataclass(slots=True)
class _Delivery:
    topic: str
    answer: asyncio.Future[None]
    sent: bool = False


class Deliveries:
    """What is waited for, by its ticket in the outbox. Everything belongs to the event loop's thread.

    Codes of what was not delivered: `replaced` by a later message on its topic, `publish_denied`, `timeout`,
    and the connection's own where there is none or it ended.
    """

    def __init__(self, *, config: MqttConfig) -> None:
        self._config = config
        self._waiting: dict[int, _Delivery] = {}
        self._unflushed: list[int] = []

    def refusal(self, status: LinkStatus) -> LinkError:
        """Return why nothing can be delivered now."""
        why = status.reason or status.state
        return LinkError(f"not connected to the broker {self._config.address}: {why}", code=status.code)

    def expect(self, ticket: int, topic: str) -> None:
        """Have somebody wait for a message that was just queued."""
        self.queued(ticket, topic)
        self._waiting[ticket] = _Delivery(topic, asyncio.get_running_loop().create_future())

    async def wait(self, ticket: int, *, timeout_s: float) -> None:
        """Wait for what was expected. Raises LinkError that says why it was not delivered."""
        delivery = self._waiting[ticket]
        try:
            async with asyncio.timeout(timeout_s):
                await delivery.answer
        except TimeoutError as error:
            raise LinkError(
                f"the broker {self._config.address} did not take '{delivery.topic}' within {timeout_s:g} s",
                code="timeout",
            ) from error
        finally:
            del self._waiting[ticket]

    def queued(self, ticket: int, topic: str) -> None:
        """Note that a message came into the queue: what still waited there on its topic is gone."""
        for other, delivery in self._waiting.items():
            if other != ticket and delivery.topic == topic and not delivery.sent:
                self.failed(other, LinkError(f"a later message took the place of '{topic}'", code="replaced"))

    def sent(self, ticket: int, *, acknowledged: bool) -> None:
        """Note that a message is on its way; one that nobody acknowledges counts when it was flushed."""
        delivery = self._waiting.get(ticket)
        if delivery is not None:
            delivery.sent = True
            if not acknowledged:
                self._unflushed.append(ticket)

    def flushed(self) -> None:
        """Note that the network took everything that was sent."""
        while self._unflushed:
            self._end(self._unflushed.pop(), None)

    def acknowledged(self, ticket: int, *, accepted: bool) -> None:
        """Note the broker's answer; a ticket that nobody waits for is of another message."""
        denial = LinkError(
            f"the broker {self._config.address} refused the message: "
            "its access list must allow this node's topics",
            code="publish_denied",
        )
        self._end(ticket, None if accepted else denial)

    def failed(self, ticket: int, error: LinkError) -> None:
        """Note that a message will not be delivered."""
        self._end(ticket, error)

    def ended(self, end: asyncio.Future[LinkError]) -> None:
        """Note that the connection is over, and why: what was not delivered is not."""
        error = end.result() if end.done() and not end.cancelled() else None
        self._unflushed.clear()
        message = error.message if error else f"the connection to the broker {self._config.address} ended"
        for ticket in self._waiting:
            self._end(ticket, LinkError(message, code=error.code if error else "connection_lost"))

    def _end(self, ticket: int, error: LinkError | None) -> None:
        delivery = self._waiting.get(ticket)
        if delivery is None or delivery.answer.done():
            return
        if error is None:
            delivery.answer.set_result(None)
        else:
            delivery.answer.set_exception(error)
