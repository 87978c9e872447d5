from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from random import Random

import pytest

from edge_agent.stream.config import StreamServerConfig
from edge_agent.stream.server_view import Answer
from edge_agent.stream.server_watch import Look, ServerWatch
from edge_agent.stream.sockets import Connection
from tests.clocks import ManualClock

CONNECTION = Connection(local=("127.0.0.1", 5), remote=("127.0.0.1", 8554), pending_bytes=0, here=True)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what another thread has a part in."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - it polls what a thread changes
            await asyncio.sleep(0.002)


class Api:
    """Answers as it is told to, on whatever thread it is asked."""

    def __init__(self) -> None:
        self.answer = Answer(kind="missing")
        self.threads: set[str] = set()
        self.closed = threading.Event()

    def ask(self) -> Answer:
        self.threads.add(threading.current_thread().name)
        return self.answer

    def close(self) -> None:
        self.closed.set()


class Rig:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.api = Api()
        self.looks: list[Look] = []
        self.pid: int | None = 7
        self.watch = ServerWatch(
            api=self.api,
            poll_s=2.0,
            port=8554,
            clock=self.clock,
            random=Random(1),
            find_connections=lambda pid, port: (CONNECTION,) if (pid, port) == (7, 8554) else (),
        )
        self.task = asyncio.create_task(self.watch.run(publisher=lambda: self.pid, on_look=self.looks.append))

    async def looked(self, count: int) -> None:
        await until(lambda: len(self.looks) >= count)
        # And asleep until the next one.
        await asyncio.sleep(0.01)


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    made = Rig()
    yield made
    made.task.cancel()
    await asyncio.gather(made.task, return_exceptions=True)


async def test_it_looks_at_once_and_then_every_two_seconds(rig: Rig) -> None:
    await rig.looked(1)
    assert rig.looks[0] == Look(answer=rig.api.answer, connections=(CONNECTION,), publisher=7)
    rig.clock.advance(1.7)
    await asyncio.sleep(0.01)
    assert len(rig.looks) == 1
    rig.clock.advance(0.6)
    await rig.looked(2)


async def test_all_of_it_is_done_on_one_thread_of_its_own(rig: Rig) -> None:
    for count in range(1, 4):
        await rig.looked(count)
        rig.clock.advance(3)
    assert len(rig.api.threads) == 1
    assert threading.current_thread().name not in rig.api.threads


async def test_without_a_publisher_there_are_no_connections(rig: Rig) -> None:
    await rig.looked(1)
    rig.pid = None
    rig.watch.look_soon()
    await rig.looked(2)
    assert rig.looks[1].connections is None
    assert rig.looks[1].publisher is None


async def test_it_asks_again_soon_where_no_answer_came(rig: Rig) -> None:
    rig.api.answer = Answer(kind="silent")
    rig.watch.look_soon()
    await rig.looked(1)
    rig.clock.advance(0.6)
    await rig.looked(2)
    rig.clock.advance(0.6)
    await rig.looked(3)


async def test_it_lets_go_of_the_connection_at_its_end(rig: Rig) -> None:
    await rig.looked(1)
    rig.task.cancel()
    await asyncio.gather(rig.task, return_exceptions=True)
    assert await asyncio.to_thread(rig.api.closed.wait, 10)


async def test_what_is_configured() -> None:
    clock, random = ManualClock(), Random(1)
    url = "rtsp://server.example/porch"
    assert not ServerWatch.of(url, StreamServerConfig(), clock=clock, random=random).has_api
    config = StreamServerConfig(api="http://server.example:9997")
    assert ServerWatch.of(url, config, clock=clock, random=random).has_api
