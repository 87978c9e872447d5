"""A clock that a test turns."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from weakref import WeakKeyDictionary


class ManualClock:
    """Stands still until it is told; sleepers wake when their time has come."""

    def __init__(self, now: datetime = datetime(2026, 6, 15, 12, tzinfo=UTC)) -> None:
        self._now = now
        self._monotonic_s = 1000.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic_s

    async def sleep(self, seconds: float) -> None:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._monotonic_s + seconds, woken))
        await woken

    def set_now(self, now: datetime) -> None:
        """Let the wall clock jump; nobody who sleeps notices."""
        self._now = now

    def advance(self, seconds: float) -> None:
        """Let time pass, at once; whoever's time has come goes on at the next turn of the loop."""
        self._now += timedelta(seconds=seconds)
        self._monotonic_s += seconds
        waiting = self._sleepers
        self._sleepers = []
        for at_s, woken in waiting:
            if woken.done():
                continue
            if at_s <= self._monotonic_s:
                woken.set_result(None)
            else:
                self._sleepers.append((at_s, woken))


async def settled(turns: int = 30) -> None:
    """Let everything that can go on go on."""
    for _ in range(turns):
        await asyncio.sleep(0)


async def disk_settled(rounds: int = 5) -> None:
    """Let everything that can go on go on, what threads do included.

    One thread does all of `asyncio.to_thread` here, so that what was asked of it before is done first.
    """
    loop = asyncio.get_running_loop()
    loop.set_default_executor(_one_thread(loop))
    for _ in range(rounds):
        await settled()
        await asyncio.to_thread(lambda: None)
    await settled()


_THREADS: WeakKeyDictionary[asyncio.AbstractEventLoop, ThreadPoolExecutor] = WeakKeyDictionary()


def _one_thread(loop: asyncio.AbstractEventLoop) -> ThreadPoolExecutor:
    if loop not in _THREADS:
        _THREADS[loop] = ThreadPoolExecutor(max_workers=1)
    return _THREADS[loop]
