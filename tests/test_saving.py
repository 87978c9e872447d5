"""What the disk refuses is tried again until it takes it, always the latest."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from edge_agent.errors import StorageError
from edge_agent.saving import RETRY_EVERY_S, Saving
from tests.clocks import ManualClock, disk_settled


class Disk:
    """A disk that can be full."""

    def __init__(self) -> None:
        self.full = False
        self.holds: list[str] = []

    def writing(self, what: str) -> Callable[[], None]:
        def write() -> None:
            if self.full:
                raise StorageError("cannot write it: No space left on device")
            self.holds.append(what)

        return write


async def test_the_latest_is_written_as_soon_as_the_disk_takes_it() -> None:
    clock, disk, told = ManualClock(), Disk(), list[str | None]()
    saving = Saving(what="the light", clock=clock, problem=told.append)
    disk.full = True
    await saving.save(disk.writing("on"))
    await saving.save(disk.writing("off"))
    assert told[-1] == "the light would not survive a restart: cannot write it: No space left on device"
    await disk_settled()
    disk.full = False
    clock.advance(RETRY_EVERY_S - 0.1)
    await disk_settled()
    assert disk.holds == []
    clock.advance(0.2)
    await disk_settled()
    assert disk.holds == ["off"]
    assert told[-1] is None
    clock.advance(RETRY_EVERY_S)
    await disk_settled()
    assert disk.holds == ["off"]
    await saving.close()


async def test_what_is_written_later_is_not_undone_by_an_earlier_try() -> None:
    clock, disk = ManualClock(), Disk()
    saving = Saving(what="the light", clock=clock, problem=lambda _: None)
    disk.full = True
    await saving.save(disk.writing("on"))
    disk.full = False
    await saving.save(disk.writing("off"))
    for _ in range(3):
        clock.advance(RETRY_EVERY_S)
        await disk_settled()
    assert disk.holds == ["off"]
    await saving.close()


async def test_at_the_end_it_is_tried_once_more() -> None:
    disk = Disk()
    saving = Saving(what="the light", clock=ManualClock(), problem=lambda _: None)
    disk.full = True
    await saving.save(disk.writing("on"))
    await asyncio.sleep(0)
    disk.full = False
    await saving.close()
    assert disk.holds == ["on"]
