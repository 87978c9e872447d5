"""A clock that a test turns, and processes that are none."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta


class TurnedClock:
    """Stands still until `turn` takes it to the next moment that somebody sleeps for."""

    def __init__(self) -> None:
        self._now_s = 1000.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        return datetime(2025, 1, 1, tzinfo=UTC) + timedelta(seconds=self._now_s)

    def monotonic(self) -> float:
        return self._now_s

    async def sleep(self, seconds: float) -> None:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._now_s + seconds, woken))
        await woken

    async def turn_until(self, condition: Callable[[], bool]) -> None:
        """Turn until something is so."""
        for _ in range(10_000):
            await settled()
            if condition():
                return
            await self.turn()
        raise TimeoutError

    async def turn(self) -> None:
        """Go on to the earliest sleeper's time and wake it; where nobody sleeps, nothing happens."""
        await settled()
        self._sleepers = [(at_s, woken) for at_s, woken in self._sleepers if not woken.done()]
        if self._sleepers:
            at_s, woken = min(self._sleepers, key=lambda sleeper: sleeper[0])
            self._now_s = max(self._now_s, at_s)
            woken.set_result(None)
            await settled()


async def settled() -> None:
    """Let everything that can go on go on."""
    for _ in range(50):
        await asyncio.sleep(0)


class FakeProcess:
    """Ends when it is told to; which signals it obeys is the test's choice."""

    def __init__(self, pid: int, *, descriptor: int, obeys: Sequence[signal.Signals]) -> None:
        self.pid = pid
        self._descriptor = os.dup(descriptor)  # its end of the channel stays open as long as it lives
        self.signals: list[signal.Signals] = []
        self._obeys = obeys
        self._end: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def wait(self) -> int:
        return await asyncio.shield(self._end)

    def signal(self, number: signal.Signals) -> None:
        self.signals.append(number)
        if number in self._obeys:
            self.end(-number)

    def end(self, code: int) -> None:
        if not self._end.done():
            self._end.set_result(code)
            os.close(self._descriptor)
