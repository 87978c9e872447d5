"""The yardstick of latency: the least that a Python program on paho can do, and how both are measured."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

__all__ = ["echo_server", "round_trips"]

# Without Nagle's algorithm, like the agent: else both wait 40 ms for the kernel's delayed acknowledgement.
_ECHO = """
import socket
import sys
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
client.on_connect = lambda *_: (client.subscribe("bench/echo/in", 1), print("ready", flush=True))
client.on_message = lambda _c, _d, message: client.publish("bench/echo/out", message.payload, 1)
client.on_socket_open = lambda _c, _d, s: s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
client.connect("127.0.0.1", int(sys.argv[1]))
client.loop_forever()
"""


def _without_delay(_client: paho.Client, _data: object, opened: Any) -> None:
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


@contextmanager
def echo_server(port: int) -> Iterator[None]:
    """Run a bare paho echo in a process of its own."""
    process = subprocess.Popen([sys.executable, "-c", _ECHO, str(port)], stdout=subprocess.PIPE)
    try:
        if process.stdout is None or process.stdout.readline() != b"ready\n":
            raise RuntimeError("the echo did not start")
        yield
    finally:
        process.kill()
        process.communicate()


def round_trips(port: int, to: str, back: str, payloads: list[dict[str, Any]]) -> list[float]:
    """Send one after the other and return the seconds from each to its answer, found by its id."""
    answered = threading.Event()
    subscribed = threading.Event()
    expected = ""

    def on_message(_client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        document = json.loads(message.payload)
        if document["id"] == expected and document.get("state", "done") == "done":
            answered.set()

    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    client.on_message = on_message
    client.on_socket_open = _without_delay
    client.on_subscribe = lambda *_: subscribed.set()
    client.connect("127.0.0.1", port)
    client.loop_start()
    client.subscribe(back, 1)
    taken: list[float] = []
    try:
        if not subscribed.wait(10):
            raise TimeoutError("not subscribed")
        for payload in payloads:
            answered.clear()
            expected = str(payload["id"])
            content = json.dumps(payload)
            begun = time.perf_counter()
            client.publish(to, content, 1)
            if not answered.wait(10):
                raise TimeoutError(f"no answer to {payload}")
            taken.append(time.perf_counter() - begun)
    finally:
        client.disconnect()
        client.loop_stop()
    return taken
