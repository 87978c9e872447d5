"""What the link's tests share: a fake clock, an observer beside the link, and the link with an owner."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from types import TracebackType
from typing import Any, Self

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge_agent.clock import Clock, SystemClock
from edge_agent.mqtt.config import BackoffConfig, MqttConfig
from edge_agent.mqtt.link import Link
from edge_agent.mqtt.message import Incoming, Outgoing
from edge_agent.mqtt.status import LinkStatus

QUICK = BackoffConfig(min_s=0.05, max_s=0.2, flapping_min_s=0.3, flapping_max_s=0.6)


class FakeClock:
    """Time that moves when a test says so."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> datetime:
        return datetime(2030, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        await asyncio.sleep(0)


async def until(condition: Callable[[], object], what: str, timeout_s: float = 8.0) -> None:
    """Wait until `condition` holds; fail with `what` after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"in {timeout_s} s there was not: {what}"
        await asyncio.sleep(0.01)


class Observer:
    """Another client of the broker, on a thread of its own: sees what arrives and can publish."""

    def __init__(self, port: int, *filters: str, client_id: str = "", clean: bool = True) -> None:
        self.messages: list[paho.MQTTMessage] = []
        self.connected = False
        self._filters = filters or ("#",)
        self._port = port
        self.client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTProtocolVersion.MQTTv311
        )
        self.client.reconnect_delay_set(min_delay=1, max_delay=1)
        self.client.on_connect = self._on_connect
        self.client.on_subscribe = self._on_subscribe
        self.client.on_message = lambda _client, _data, message: self.messages.append(message)

    def _on_connect(self, client: paho.Client, *_: Any) -> None:
        client.subscribe([(topic, 1) for topic in self._filters])

    def _on_subscribe(self, *_: Any) -> None:
        self.connected = True

    def seen(self, topic: str | None = None) -> list[bytes]:
        return [bytes(m.payload) for m in list(self.messages) if topic is None or m.topic == topic]

    def topics(self) -> list[str]:
        return [m.topic for m in list(self.messages)]

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        info = self.client.publish(topic, payload, 1, retain)
        await until(info.is_published, f"the acknowledgement of {topic}")

    async def __aenter__(self) -> Self:
        self.client.connect("127.0.0.1", self._port)
        self.client.loop_start()
        await until(lambda: self.connected, "the observer's subscription")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.disconnect()
        await asyncio.to_thread(self.client.loop_stop)


class Owner:
    """A link with an owner: the birth publishes `documents`, then availability."""

    def __init__(
        self,
        *,
        subscriptions: Sequence[str] = ("n/cmd/+",),
        client_id: str = "node",
        clock: Clock | None = None,
        **config: Any,
    ) -> None:
        self.documents: dict[str, bytes] = {"n/capabilities": b"c1", "n/status": b"s1"}
        self.received: list[Incoming] = []
        self.states: list[LinkStatus] = []
        self.births: list[int] = []
        self.handle: Callable[[Incoming], None] = lambda _: None
        self.config = MqttConfig(**{"host": "127.0.0.1", "keepalive_s": 5, "backoff": QUICK, **config})
        self.link = Link(
            config=self.config,
            client_id=client_id,
            will=lambda epoch: self.availability("offline", epoch),
            birth=self._birth,
            subscriptions=subscriptions,
            on_message=self._receive,
            clock=clock or SystemClock(),
            random=Random(1),
            on_state=self.states.append,
        )
        self._task: asyncio.Task[None] | None = None

    def availability(self, state: str, epoch: int) -> Outgoing:
        return Outgoing(topic="n/availability", payload=f"{state} {epoch}".encode(), retain=True)

    async def _birth(self, epoch: int) -> None:
        self.births.append(epoch)
        for topic, payload in self.documents.items():
            self.link.publish(Outgoing(topic=topic, payload=payload, retain=True))
        self.link.publish(self.availability("online", epoch))

    def _receive(self, message: Incoming) -> None:
        self.received.append(message)
        self.handle(message)

    def codes(self) -> list[str | None]:
        return [status.code for status in self.states]

    async def online(self, births: int = 1, timeout_s: float = 8.0) -> None:
        await until(
            lambda: len(self.births) >= births and self.link.status.state == "online",
            f"birth {births}; {self.link.status}",
            timeout_s,
        )

    async def state(self, state: str, timeout_s: float = 8.0) -> LinkStatus:
        await until(lambda: self.link.status.state == state, f"{state}; {self.link.status}", timeout_s)
        return self.link.status

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self.link.run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
