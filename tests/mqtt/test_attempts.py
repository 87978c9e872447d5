"""What blocks while a connection is opened holds up neither the next attempt nor the end of the process."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest

from edge_agent.errors import LinkError
from edge_agent.mqtt.attempts import Attempts
from edge_agent.mqtt.config import MqttConfig
from edge_agent.mqtt.message import Outgoing
from edge_agent.mqtt.reasons import network_error
from tests.brokers import Mosquitto
from tests.mqtt.support import Owner

HANGING = """
import asyncio, time
from edge_agent.mqtt.attempts import Attempts
async def main():
    try:
        async with asyncio.timeout(0.1):
            await Attempts().run(lambda: time.sleep(60))
    except TimeoutError:
        print("given up")
asyncio.run(main())
"""


def hang(free: threading.Event) -> None:
    free.wait(30)


async def test_one_that_hangs_is_left_alone_and_the_next_begins() -> None:
    attempts, free = Attempts(), threading.Event()
    try:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await attempts.run(lambda: hang(free))
        done: list[int] = []
        await attempts.run(lambda: done.append(1))
        assert done == [1]
    finally:
        free.set()


async def test_so_many_may_hang_and_no_more() -> None:
    attempts, free = Attempts(), threading.Event()
    try:
        waiting = [asyncio.create_task(attempts.run(lambda: hang(free))) for _ in range(6)]
        await asyncio.sleep(0)
        with pytest.raises(LinkError, match="6 earlier attempts"):
            await attempts.run(lambda: None)
    finally:
        free.set()
    await asyncio.gather(*waiting)
    await attempts.run(lambda: None)


async def test_what_it_raises_is_the_asker_s() -> None:
    def refuse() -> None:
        raise ConnectionRefusedError("no")

    with pytest.raises(ConnectionRefusedError):
        await Attempts().run(refuse)


async def test_a_machine_that_has_no_more_threads_is_a_failed_attempt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    attempts = Attempts()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(LinkError, match="can't start new thread"):
            await attempts.run(lambda: None)
    await attempts.run(lambda: None)


def test_the_end_of_the_process_does_not_wait_for_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HANGING], capture_output=True, timeout=20, check=True, text=True
    )
    assert done.stdout == "given up\n"


def test_a_look_up_that_takes_too_long_is_not_called_a_broker_that_does_not_answer() -> None:
    config = MqttConfig(host="broker.example")
    hanging = network_error(config, TimeoutError(), looked_up=False)
    assert hanging.code == "dns"
    assert "the name server did not answer" in hanging.message
    assert network_error(config, TimeoutError()).code == "broker_unreachable"


async def test_a_name_with_a_dead_address_leads_to_the_one_that_answers(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    def two_addresses(_host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        addresses = [("127.0.0.2", 1), ("127.0.0.1", port)]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", two_addresses)
    async with Owner(port=mosquitto.port, host="broker.example", allow_plain_text=True) as owner:
        await owner.online()


async def test_a_look_up_that_ends_late_does_not_take_the_identity_from_the_connection_that_lives(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    free, ended = threading.Event(), threading.Event()
    look_up, calls = socket.getaddrinfo, list[str]()

    def slow_at_first(host: str, port: int, **options: int) -> object:
        calls.append(host)
        if len(calls) == 1:
            free.wait(30)
        return look_up(host, port, **options)

    class Watched(Attempts):
        def _work(self, attempt: Callable[[], None], future: asyncio.Future[None]) -> None:
            super()._work(attempt, future)
            if free.is_set():
                ended.set()

    monkeypatch.setattr(socket, "getaddrinfo", slow_at_first)
    monkeypatch.setattr("edge_agent.mqtt.link.Attempts", Watched)
    try:
        async with Owner(port=mosquitto.port, connect_timeout_s=0.5) as owner:
            await owner.online()
            free.set()
            assert await asyncio.to_thread(ended.wait, 10)
            # Whatever the broker makes of it comes before the answer to this.
            owner.link.publish(Outgoing(topic="n/status", payload=b"still here", retain=True))
            await owner.link.flush(5)
            assert len(owner.births) == 1
            assert "already connected" not in mosquitto.log()
    finally:
        free.set()
