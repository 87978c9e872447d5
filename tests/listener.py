"""A plain client of a broker, as a test sees the wire: it keeps everything, in order, and waits."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

__all__ = ["Listener", "Seen"]


@dataclass(frozen=True)
class Seen:
    """A message as it came."""

    topic: str
    payload: bytes
    retain: bool
    at_s: float

    @property
    def json(self) -> Any:
        return json.loads(self.payload)


def _without_delay(_client: paho.Client, _data: object, opened: Any) -> None:
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class Listener:
    """Subscribed to `topics` for the length of a `with` block."""

    def __init__(self, port: int, *topics: str, user: str | None = None, password: str | None = None) -> None:
        self.seen: list[Seen] = []
        self._changed = threading.Condition()
        self._subscribed = threading.Event()
        self._topics = topics
        self._port = port
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        # A command that follows an acknowledgement would be held back for 40 ms otherwise.
        self._client.on_socket_open = _without_delay
        if user is not None:
            self._client.username_pw_set(user, password)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._on_message

    def __enter__(self) -> Self:
        self._client.connect("127.0.0.1", self._port)
        self._client.loop_start()
        if not self._subscribed.wait(10):
            raise TimeoutError("the listener was not subscribed within 10 s")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(self, client: paho.Client, *_: object) -> None:
        client.subscribe([(topic, 1) for topic in self._topics])

    def _on_message(self, _client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        with self._changed:
            self.seen.append(Seen(message.topic, bytes(message.payload), message.retain, time.monotonic()))
            self._changed.notify_all()

    def publish(self, topic: str, payload: Any = b"", *, retain: bool = False) -> None:
        """Publish bytes and texts as they are, everything else as JSON."""
        content = payload if isinstance(payload, bytes | str) else json.dumps(payload)
        self._client.publish(topic, content, qos=1, retain=retain)

    def mark(self) -> int:
        """Return the present end of `seen`, to look only at what comes after it."""
        return len(self.seen)

    def wait(
        self,
        topic: str,
        accept: Callable[[Seen], bool] = lambda _: True,
        *,
        timeout_s: float = 15.0,
        since: int = 0,
    ) -> Seen:
        """Return the first message on `topic` that `accept` takes, waiting for it."""
        deadline = time.monotonic() + timeout_s
        position = since
        with self._changed:
            while True:
                for message in self.seen[position:]:
                    if message.topic == topic and accept(message):
                        return message
                position = len(self.seen)
                left = deadline - time.monotonic()
                if left <= 0:
                    last = next(
                        (m.payload[:1500] for m in reversed(self.seen) if m.topic == topic), b"nothing"
                    )
                    raise TimeoutError(f"{topic}: not within {timeout_s:g} s; the last was {last!r}")
                self._changed.wait(left)
