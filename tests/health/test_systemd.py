from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, cast

import pytest

from edge_agent.camera.port import CameraPort
from edge_agent.health.systemd import SystemdFeature
from edge_agent.mqtt.config import BackoffConfig, MqttConfig
from edge_agent.mqtt.link import Link
from edge_agent.processes.child import Child
from edge_agent.processes.life import ChildLimits
from edge_agent.processes.spawn import Process
from edge_agent.turns import Turns
from tests.brokers import Mosquitto, mosquitto_executable
from tests.clocks import ManualClock, settled
from tests.features import Desk
from tests.mqtt.support import until
from tests.notify_socket import ServiceManager

STUCK = ChildLimits(start_s=20.0)


class House:
    """A feature that is ready, its service manager, and the loops that it watches."""

    def __init__(self, directory: Path, manager: ServiceManager) -> None:
        self.clock = ManualClock()
        self.manager = manager
        self.loops: dict[str, Turns] = {}
        self.states = {"broker": "online", "camera": "running", "stream": "publishing"}
        desk = Desk(state_dir=directory / "state", camera=cast("CameraPort", None), clock=self.clock)
        self.stopping = asyncio.Event()
        self.host = replace(
            desk.host, loops=lambda: self.loops, states=lambda: self.states, stopping=self.stopping
        )

    @asynccontextmanager
    async def lived_in(self) -> AsyncIterator[SystemdFeature]:
        async with SystemdFeature(host=self.host, config=None) as feature:
            feature.ready()
            await settled()
            yield feature

    async def fed_after(self, seconds: int) -> bool:
        """Let so much time pass as it does, a second at once, and return whether the watchdog was fed."""
        self.manager.take()
        for _ in range(seconds):
            self.clock.advance(1)
            await settled()
        return "WATCHDOG=1" in self.manager.take()


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    with ServiceManager(tmp_path / "notify") as listening:
        monkeypatch.setenv("NOTIFY_SOCKET", listening.address)
        monkeypatch.setenv("WATCHDOG_USEC", "60000000")
        monkeypatch.delenv("WATCHDOG_PID", raising=False)
        yield listening


@pytest.fixture
def house(tmp_path: Path, manager: ServiceManager) -> House:
    return House(tmp_path, manager)


async def test_it_says_ready_once_and_how_the_parts_are(house: House) -> None:
    async with house.lived_in():
        heard = house.manager.heard()
    assert heard.count("READY=1") == 1
    assert "STATUS=broker online, camera running, stream publishing" in heard


async def test_the_state_is_told_again_when_it_changes_only(house: House) -> None:
    async with house.lived_in():
        house.manager.take()
        house.states["broker"] = "backing_off"
        await house.fed_after(0)
        for _ in range(12):
            house.clock.advance(1)
            await settled()
        told = [line for line in house.manager.take() if line.startswith("STATUS=")]
    assert told == ["STATUS=broker backing_off, camera running, stream publishing"]


async def test_the_watchdog_is_fed_three_times_a_period(house: House) -> None:
    async with house.lived_in():
        house.manager.take()
        for _ in range(120):
            house.clock.advance(1)
            await settled()
        assert house.manager.take().count("WATCHDOG=1") == 6


async def test_a_loop_that_hangs_starves_it_and_one_that_turns_again_does_not(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    house.loops["link"] = Turns(clock=house.clock)
    async with house.lived_in():
        house.loops["link"].turn(within_s=5)
        await house.fed_after(20)
        assert not await house.fed_after(120)
        assert [record.levelname for record in caplog.records] == ["ERROR"]
        house.loops["link"].turn(within_s=600)
        assert await house.fed_after(20)
        assert "The loop of the link turns again" in caplog.text


async def test_an_event_loop_that_stood_still_lets_the_others_turn_first(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.loops["camera"] = turns = Turns(clock=house.clock)
    async with house.lived_in():
        turns.turn(within_s=5)
        house.clock.advance(50)
        await settled()
        turns.turn(within_s=60)
        assert await house.fed_after(2)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "stood still for 45.0 s" in caplog.text


async def test_stopping_is_told(house: House) -> None:
    async with house.lived_in():
        house.stopping.set()
        await settled()
        assert "STOPPING=1" in house.manager.heard()


async def test_an_end_to_start_again_is_no_stopping(house: House) -> None:
    async with house.lived_in():
        pass
    assert "STOPPING=1" not in house.manager.heard()


async def test_without_a_service_manager_it_does_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET")
    async with house.lived_in():
        assert not await house.fed_after(60)
        assert house.manager.heard() == []


# ---- the real loops, made to hang


class _Nobody:
    """A process that ends when it is asked to by any signal, or says nothing."""

    pid = 4711

    def __init__(self, *, ends: bool) -> None:
        self._end: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        if ends:
            self._end.set_result(1)

    async def wait(self) -> int:
        return await asyncio.shield(self._end)

    def signal(self, number: signal.Signals) -> None:
        if not self._end.done():
            self._end.set_result(-number)


def _child(clock: ManualClock, spawn: Any) -> Child:
    return Child(
        name="camera",
        module="none",
        clock=clock,
        random=Random(1),
        on_message=lambda _: None,
        on_up=asyncio.Event().wait,  # type: ignore[arg-type]
        on_down=lambda _: None,
        limits=STUCK,
        spawn=spawn,
    )


@asynccontextmanager
async def _running(work: Any, clock: ManualClock) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    await settled()
    try:
        yield
    finally:
        task.cancel()
        while not task.done():
            clock.advance(1)
            await settled()


async def test_a_camera_that_fails_again_and_again_does_not_starve_it(house: House) -> None:
    started = 0

    async def spawn(module: str, arguments: Sequence[str], pass_fds: Sequence[int]) -> Process:
        nonlocal started
        started += 1
        return _Nobody(ends=started % 2 == 0)

    child = _child(house.clock, spawn)
    house.loops["camera"] = child.turns
    async with house.lived_in(), _running(child.run(), house.clock):
        for _ in range(12):
            assert await house.fed_after(25)
    assert started > 5


async def test_a_supervisor_of_the_camera_that_hangs_starves_it(house: House) -> None:
    async def hang(module: str, arguments: Sequence[str], pass_fds: Sequence[int]) -> Process:
        await asyncio.Event().wait()
        raise AssertionError

    child = _child(house.clock, hang)
    house.loops["camera"] = child.turns
    async with house.lived_in(), _running(child.run(), house.clock):
        assert await house.fed_after(25)
        await house.fed_after(20)
        assert not await house.fed_after(120)


async def test_a_camera_that_is_not_supervised_does_not_starve_it(house: House) -> None:
    async def refuse(module: str, arguments: Sequence[str], pass_fds: Sequence[int]) -> Process:
        raise AssertionError

    house.loops["publisher"] = _child(house.clock, refuse).turns
    async with house.lived_in():
        assert await house.fed_after(120)


def _link(clock: ManualClock, port: int, birth: Any) -> Link:
    return Link(
        config=MqttConfig(
            host="127.0.0.1", port=port, backoff=BackoffConfig(min_s=10, max_s=30), connect_timeout_s=10
        ),
        client_id="porch",
        will=None,
        birth=birth,
        subscriptions=("n/cmd/+",),
        on_message=lambda _: None,
        clock=clock,
        random=Random(1),
    )


async def _until(condition: Any) -> None:
    await until(condition, "what this waits for", timeout_s=20)


async def test_a_link_that_backs_off_does_not_starve_it(house: House) -> None:
    async def birth(epoch: int) -> None:
        raise AssertionError

    link = _link(house.clock, 1, birth)
    house.loops["link"] = link.turns
    async with house.lived_in(), _running(link.run(), house.clock):
        for _ in range(4):
            # Until the thread that dials has failed.
            await _until(lambda: link.status.state == "backing_off")
            assert await house.fed_after(30)


async def test_a_link_that_hangs_in_its_birth_starves_it(house: House, tmp_path: Path) -> None:
    released = asyncio.Event()
    born = asyncio.Event()

    async def deaf(epoch: int) -> None:
        born.set()
        while not released.is_set():
            try:
                await released.wait()
            except asyncio.CancelledError:
                continue

    if mosquitto_executable() is None:
        pytest.skip("needs mosquitto: apt-get install mosquitto")
    with Mosquitto(tmp_path) as broker:
        link = _link(house.clock, broker.port, deaf)
        house.loops["link"] = link.turns
        async with house.lived_in(), _running(link.run(), house.clock):
            await _until(born.is_set)
            assert await house.fed_after(25)
            await house.fed_after(20)
            assert not await house.fed_after(120)
            released.set()
