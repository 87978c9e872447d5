"""A machine that has no more descriptors or memory to give: a child's fault, never the agent's."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

from edge_agent.errors import ProcessError
from edge_agent.processes import life, spawn
from edge_agent.processes.child import Child
from edge_agent.processes.spawn import oom_kills, spawn_module
from tests.processes.fakes import FakeProcess, TurnedClock


def too_many(*_: object) -> tuple[int, int]:
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


async def test_without_a_descriptor_for_its_channel_it_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(life, "socket_pair", too_many)
    clock, downs = TurnedClock(), list[str]()
    child = Child(
        name="test",
        module="none",
        clock=clock,
        random=Random(1),
        on_message=lambda _: None,
        on_up=lambda: asyncio.sleep(0),
        on_down=downs.append,
    )
    running = asyncio.create_task(child.run())
    await clock.turn_until(lambda: len(downs) == 2)
    assert "Too many open files" in downs[0]
    assert not running.done()
    running.cancel()
    await clock.turn_until(running.done)


async def test_without_a_descriptor_for_its_log_it_is_not_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "pipe", too_many)
    with pytest.raises(ProcessError, match="Too many open files"):
        await spawn_module("none", (), ())


@pytest.mark.parametrize(("kills", "told"), [(4, True), (3, False)])
async def test_a_child_that_the_kernel_killed_for_memory_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kills: int, told: bool
) -> None:
    counts = tmp_path / "vmstat"
    counts.write_text("nr_free_pages 7\noom_kill 3\npgfault 9\n")
    monkeypatch.setattr(spawn, "_KERNEL_COUNTS", counts)
    processes: list[FakeProcess] = []

    async def start(module: str, arguments: Sequence[str], pass_fds: Sequence[int]) -> FakeProcess:
        processes.append(FakeProcess(1, descriptor=int(arguments[0]), obeys=[]))
        return processes[-1]

    clock, downs = TurnedClock(), list[str]()
    child = Child(
        name="test",
        module="none",
        clock=clock,
        random=Random(1),
        on_message=lambda _: None,
        on_up=lambda: asyncio.sleep(0),
        on_down=downs.append,
        spawn=start,
    )
    running = asyncio.create_task(child.run())
    await clock.turn_until(lambda: child.status.pid == 1)
    counts.write_text(f"oom_kill {kills}\n")
    processes[0].end(-signal.SIGKILL)
    await clock.turn_until(lambda: bool(downs))
    assert ("for want of memory" in downs[0]) == told
    running.cancel()
    await clock.turn_until(running.done)


def test_a_kernel_that_does_not_count_has_killed_nobody(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(spawn, "_KERNEL_COUNTS", tmp_path / "none")
    assert oom_kills() == 0
