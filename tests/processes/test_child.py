from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random

import pytest

from edge_agent.clock import Clock, SystemClock
from edge_agent.errors import CameraUnavailableError, ProcessError, RefusedError
from edge_agent.processes.channel import Message
from edge_agent.processes.child import Child, ChildLimits
from edge_agent.processes.spawn import Process, Spawn, spawn_module
from tests.processes.fakes import FakeProcess, TurnedClock, settled

QUICK = ChildLimits(silent_s=30.0, start_s=30.0, ask_s=0.3, terminate_s=0.3, kill_s=5.0)


class HighestRandom(Random):
    """Always draws the highest, so that ceilings show."""

    def uniform(self, a: float, b: float) -> float:
        return b


@pytest.fixture(autouse=True)
def _at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])


class Owner:
    """A child and what its owner heard of it."""

    def __init__(
        self,
        module: str,
        *,
        limits: ChildLimits = QUICK,
        clock: Clock | None = None,
        spawn: Spawn = spawn_module,
        on_up: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.messages: list[Message] = []
        self.downs: list[str] = []
        self.ups = 0
        self._and_then = on_up
        self._clock = clock or SystemClock()
        self.child = Child(
            name="test",
            module=f"tests.processes.children.{module}",
            clock=self._clock,
            random=HighestRandom(),
            on_message=self.messages.append,
            on_up=self._up,
            on_down=self.downs.append,
            limits=limits,
            spawn=spawn,
        )

    async def _up(self) -> None:
        if self._and_then is not None:
            await self._and_then()
        self.ups += 1

    @asynccontextmanager
    async def supervised(self) -> AsyncIterator[Child]:
        task = asyncio.create_task(self.child.run())
        try:
            yield self.child
        finally:
            task.cancel()
            if isinstance(self._clock, TurnedClock):
                await self._clock.turn_until(task.done)
            with suppress(asyncio.CancelledError):
                await task

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while True:
                if condition():
                    return
                await asyncio.sleep(0.01)

    async def until_beaten(self) -> int:
        """Wait for the present child's first beat and return its pid."""
        await self.until(lambda: any(message.kind == "beat" for message in self.messages))
        self.messages.clear()
        assert self.child.status.pid is not None
        return self.child.status.pid


def gone(pid: int) -> bool:
    """Whether a process has ended and was reaped: a zombie still takes signals."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def test_a_request_gets_its_answer_with_its_attachment() -> None:
    owner = Owner("echo")
    async with owner.supervised() as child:
        await owner.until_beaten()
        answers = await asyncio.gather(
            *(child.request("echo", {"n": n}, timeout_s=10, attachment=bytes([n])) for n in range(10))
        )
        assert [answer.body["n"] for answer in answers] == list(range(10))
        assert [answer.attachment for answer in answers] == [bytes([n]) for n in range(10)]


async def test_an_error_comes_back_as_what_it_was() -> None:
    owner = Owner("echo")
    async with owner.supervised() as child:
        await owner.until_beaten()
        with pytest.raises(RefusedError, match="'gain' is too high") as caught:
            await child.request("refuse", {}, timeout_s=10)
        error = caught.value
        assert (error.field, error.value, error.allowed) == ("gain", 99, [1, 16])


async def test_a_request_that_is_not_answered_times_out_and_the_child_lives_on() -> None:
    owner = Owner("echo")
    async with owner.supervised() as child:
        await owner.until_beaten()
        with pytest.raises(ProcessError, match=r"did not answer 'ignored' within 0\.05 s"):
            await child.request("ignored", {}, timeout_s=0.05)
        assert (await child.request("echo", {"n": 1}, timeout_s=10)).body == {"n": 1}


async def test_notices_go_both_ways() -> None:
    owner = Owner("echo")
    async with owner.supervised() as child:
        await owner.until_beaten()
        child.notify("notice", {"n": 7})
        await owner.until(lambda: bool(owner.messages))
        assert owner.messages == [Message("noticed", {"n": 7})]


async def test_the_child_leads_its_own_session_and_does_not_buffer() -> None:
    owner = Owner("echo")
    async with owner.supervised() as child:
        pid = await owner.until_beaten()
        answer = await child.request("environment", {}, timeout_s=10)
        assert answer.body == {"unbuffered": "1", "session": pid, "pid": pid}


async def test_on_up_may_ask_and_then_the_child_is_running() -> None:
    async def configure() -> None:
        answers.append(await owner.child.request("echo", {"configure": 1}, timeout_s=10))

    answers: list[Message] = []
    owner = Owner("echo", on_up=configure)
    assert owner.child.status.state == "stopped"
    async with owner.supervised() as child:
        await owner.until(lambda: child.status.state == "running")
        assert answers[0].body == {"configure": 1}
        assert child.status.restarts == 0
    assert child.status.state == "stopped"


async def test_cancelling_stops_the_child_gracefully() -> None:
    owner = Owner("echo")
    async with owner.supervised():
        pid = await owner.until_beaten()
    assert gone(pid)
    assert owner.downs == []
    assert owner.child.status.pid is None
    with pytest.raises(ProcessError, match=r"'echo' was not sent, the test child is not there \(stopped\)"):
        await owner.child.request("echo", {}, timeout_s=1)


async def test_a_child_may_be_supervised_again_but_not_twice_at_once() -> None:
    owner = Owner("echo")
    for _ in range(2):
        async with owner.supervised() as child:
            await owner.until_beaten()
            with pytest.raises(ProcessError, match="supervised already"):
                await child.run()


async def test_a_killed_child_fails_what_waits_for_it_and_comes_back() -> None:
    owner = Owner("echo")
    async with owner.supervised() as child:
        pid = await owner.until_beaten()
        waiting = asyncio.create_task(child.request("ignored", {}, timeout_s=60))
        await asyncio.sleep(0)
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(
            ProcessError,
            match=r"the test child was killed by signal 9 \(SIGKILL\) before it answered 'ignored'",
        ):
            await waiting
        assert await owner.until_beaten() != pid
        assert owner.downs == ["was killed by signal 9 (SIGKILL)"]
        assert gone(pid)
        await owner.until(lambda: owner.ups == 2)
        assert child.status.restarts == 1
        assert child.status.reason == "was killed by signal 9 (SIGKILL)"


async def test_an_exit_code_is_told() -> None:
    owner = Owner("echo")
    async with owner.supervised() as child:
        await owner.until_beaten()
        with pytest.raises(ProcessError, match="exited with code 7 before it answered 'exit'"):
            await child.request("exit", {"code": 7}, timeout_s=10)


async def test_the_last_words_of_a_child_are_heard_before_its_end() -> None:
    async def open_it() -> None:
        await owner.child.request("refuse_and_exit", {}, timeout_s=10)

    owner = Owner("echo", on_up=open_it)
    async with owner.supervised():
        await owner.until(lambda: bool(owner.downs))
        assert owner.downs[0] == "could not be set up: no camera here"


async def test_a_stopped_process_is_killed_within_the_bounds_and_replaced() -> None:
    owner = Owner("echo", limits=ChildLimits(silent_s=0.3, start_s=30, ask_s=0.1, terminate_s=0.1, kill_s=5))

    async def keep_alive() -> None:
        while True:
            with suppress(ProcessError):
                await owner.child.request("echo", {}, timeout_s=5)
            await asyncio.sleep(0.02)

    beating = asyncio.create_task(keep_alive())
    async with owner.supervised():
        pid = await owner.until_beaten()
        os.kill(pid, signal.SIGSTOP)
        assert await owner.until_beaten() != pid
        assert gone(pid)
        assert owner.downs[0].startswith("was silent for 0.")
    beating.cancel()


async def test_a_child_that_is_deaf_to_all_but_sigkill_is_stopped() -> None:
    owner = Owner("deaf", limits=ChildLimits(ask_s=0.1, terminate_s=0.1, kill_s=5))
    async with owner.supervised():
        pid = await owner.until_beaten()
    assert gone(pid)


async def test_cancelling_twice_kills_at_once() -> None:
    owner = Owner("deaf", limits=ChildLimits(ask_s=60, terminate_s=60, kill_s=5))
    task = asyncio.create_task(owner.child.run())
    pid = await owner.until_beaten()
    task.cancel()
    await owner.until(lambda: owner.child.status.state == "stopping")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert gone(pid)


async def test_restart_starts_a_new_one_at_once() -> None:
    owner = Owner("echo")
    async with owner.supervised() as child:
        pid = await owner.until_beaten()
        await child.restart("asked for")
        assert child.status.pid not in (None, pid)
        assert gone(pid)
        assert owner.downs == ["is restarted: asked for"]
        assert await owner.until_beaten() == child.status.pid


async def test_restart_needs_somebody_who_supervises() -> None:
    owner = Owner("echo")
    with pytest.raises(ProcessError, match="not supervised"):
        await owner.child.restart("asked for")


async def test_nonsense_over_the_channel_ends_the_child() -> None:
    owner = Owner("babbler")
    async with owner.supervised():
        await owner.until(lambda: bool(owner.downs))
        assert owner.downs[0].startswith("broke the protocol: ")


class FakeSpawn:
    """Starts fake processes, and tells them to end as soon as they live where `ends` says so."""

    def __init__(self, *, ends: int | None = None, obeys: Sequence[signal.Signals] = ()) -> None:
        self.processes: list[FakeProcess] = []
        self._ends = ends
        self._obeys = obeys

    async def __call__(self, module: str, arguments: Sequence[str], pass_fds: Sequence[int]) -> Process:
        process = FakeProcess(len(self.processes) + 1, descriptor=int(arguments[0]), obeys=self._obeys)
        self.processes.append(process)
        if self._ends is not None:
            process.end(self._ends)
        return process


async def test_the_wait_before_a_restart_begins_small_doubles_and_is_bounded() -> None:
    clock = TurnedClock()
    owner = Owner("none", clock=clock, spawn=FakeSpawn(ends=1))
    waits: list[float | None] = []
    async with owner.supervised() as child:
        for _ in range(8):
            await clock.turn_until(lambda: child.status.state == "waiting")
            waits.append(child.status.next_try_s)
            await clock.turn()
    assert waits == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]
    assert owner.downs[0] == "exited with code 1"


async def test_a_good_run_is_followed_by_a_restart_at_once() -> None:
    clock = TurnedClock()
    spawn = FakeSpawn()
    owner = Owner("none", clock=clock, spawn=spawn, limits=ChildLimits(start_s=1000.0, good_run_s=30.0))
    waits: list[float | None] = []
    async with owner.supervised() as child:
        for run_s in (1.0, 1.0, 31.0, 1.0):
            await clock.turn_until(lambda: child.status.state == "running")
            lasting = asyncio.create_task(clock.sleep(run_s))
            await clock.turn_until(lasting.done)
            spawn.processes[-1].end(1)
            await clock.turn_until(lambda: child.status.state == "waiting")
            waits.append(child.status.next_try_s)
    assert waits == [0.2, 0.4, 0.2, 0.4]


async def test_a_process_that_hangs_in_the_kernel_is_told_and_not_doubled() -> None:
    clock = TurnedClock()
    spawn = FakeSpawn()
    owner = Owner("none", clock=clock, spawn=spawn)
    async with owner.supervised() as child:
        await settled()
        restarting = asyncio.create_task(child.restart("it hangs"))
        await clock.turn_until(restarting.done)
        with pytest.raises(ProcessError, match="the machine needs a reboot"):
            await restarting
        assert spawn.processes[0].signals == [signal.SIGTERM, signal.SIGKILL]
        assert child.status.state == "stopping"
        assert "state D" in str(child.status.reason)
        await settled()
        assert len(spawn.processes) == 1

        spawn.processes[0].end(-9)
        await clock.turn_until(lambda: len(spawn.processes) == 2)


async def test_a_silent_start_is_stopped_after_its_own_limit() -> None:
    clock = TurnedClock()
    spawn = FakeSpawn(obeys=(signal.SIGTERM,))
    owner = Owner("none", clock=clock, spawn=spawn, limits=ChildLimits(start_s=20.0, silent_s=1.0))
    async with owner.supervised():
        before_s = clock.monotonic()
        await clock.turn_until(lambda: bool(owner.downs))
        assert clock.monotonic() - before_s >= 20.0
        assert owner.downs == ["said nothing for 20 s after its start"]


async def test_a_child_that_cannot_be_set_up_is_stopped_tried_again_and_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail() -> None:
        raise CameraUnavailableError("nothing is plugged in")

    clock = TurnedClock()
    spawn = FakeSpawn(obeys=(signal.SIGTERM,))
    owner = Owner("none", clock=clock, spawn=spawn, on_up=fail)
    async with owner.supervised() as child:
        await clock.turn_until(lambda: len(spawn.processes) == 3)
        assert owner.downs[:2] == ["could not be set up: nothing is plugged in"] * 2
        assert spawn.processes[0].signals == [signal.SIGTERM]
        assert child.status.restarts == 2
        told = [r.getMessage() for r in caplog.records if r.name == "edge_agent.processes.child"]
        assert told == ["The test child could not be set up: nothing is plugged in"]


async def test_a_program_that_cannot_be_started_is_tried_again() -> None:
    async def refuse(module: str, arguments: Sequence[str], pass_fds: Sequence[int]) -> Process:
        raise ProcessError("'x' could not be started: out of memory")

    clock = TurnedClock()
    owner = Owner("none", clock=clock, spawn=refuse)
    async with owner.supervised() as child:
        await clock.turn_until(lambda: len(owner.downs) == 2)
        assert "out of memory" in str(child.status.reason)
