from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from edge_agent.errors import CameraUnavailableError, ProcessError, RefusedError
from edge_agent.profiles.switcher import Switch, Switcher
from tests.clocks import ManualClock, settled


class Applying:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.errors: list[Exception] = []
        self.begun: list[str] = []
        self.done: list[str] = []
        self.failed: list[tuple[str, str]] = []
        self.held: asyncio.Event | None = None
        self.switcher = Switcher(clock=self.clock, apply=self.apply, failed=self.fail)

    async def apply(self, switch: Switch) -> None:
        self.begun.append(switch.name)
        if self.held is not None:
            await self.held.wait()
        if self.errors:
            raise self.errors.pop(0)
        self.done.append(switch.name)

    def fail(self, switch: Switch, message: str) -> None:
        self.failed.append((switch.name, message))

    async def want(self, name: str) -> Switch:
        switch = Switch(name, "test")
        self.switcher.want(switch)
        await settled()
        return switch

    async def tick(self) -> None:
        self.clock.advance(1)
        await settled()


@pytest.fixture
async def applying() -> AsyncIterator[Applying]:
    it = Applying()
    task = asyncio.create_task(it.switcher.run())
    yield it
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_what_is_wanted_is_applied_once(applying: Applying) -> None:
    await applying.want("day")
    await applying.want("night")
    assert applying.done == ["day", "night"]
    assert applying.switcher.wanted is None


async def test_a_camera_that_is_away_is_waited_for(applying: Applying) -> None:
    applying.errors = [CameraUnavailableError("away")] * 50
    await applying.want("day")
    for _ in range(50):
        assert applying.switcher.wanted is not None
        await applying.tick()
    assert (applying.done, applying.failed) == (["day"], [])
    assert applying.switcher.wanted is None


async def test_a_newer_switch_takes_the_place_of_one_that_waits(applying: Applying) -> None:
    applying.errors = [CameraUnavailableError("away")] * 2
    await applying.want("day")
    await applying.want("night")
    for _ in range(3):
        await applying.tick()
    assert applying.done == ["night"]


async def test_a_switch_under_way_is_not_cut_short_by_a_newer_one(applying: Applying) -> None:
    applying.held = asyncio.Event()
    await applying.want("day")
    await applying.want("night")
    assert applying.begun == ["day"]
    applying.held.set()
    await settled()
    assert applying.done == ["day", "night"]


async def test_what_is_forgotten_is_not_tried_again(applying: Applying) -> None:
    applying.errors = [CameraUnavailableError("away")]
    older = await applying.want("day")
    applying.switcher.forget(older)
    await applying.tick()
    assert applying.done == []
    newer = await applying.want("night")
    applying.switcher.forget(older)
    assert applying.done == ["night"]
    assert newer is not older


async def test_a_refusal_is_final(applying: Applying) -> None:
    applying.errors = [RefusedError("there is no profile 'x'")]
    await applying.want("x")
    assert applying.failed == [("x", "there is no profile 'x'")]
    assert applying.switcher.wanted is None
    await applying.want("day")
    assert applying.done == ["day"]


async def test_a_camera_that_dies_of_a_profile_does_not_die_of_it_for_ever(applying: Applying) -> None:
    applying.errors = [ProcessError("died")] * 10
    await applying.want("day")
    for _ in range(10):
        await applying.tick()
    assert len(applying.begun) == 3
    assert applying.failed == [("day", "died")]


async def test_a_mistake_ends_neither_the_switcher_nor_goes_unsaid(
    applying: Applying, caplog: pytest.LogCaptureFixture
) -> None:
    applying.errors = [KeyError("oops")]
    await applying.want("day")
    assert applying.failed == [("day", "an unexpected KeyError: 'oops'")]
    assert "KeyError" in caplog.text
    await applying.want("night")
    assert applying.done == ["night"]
