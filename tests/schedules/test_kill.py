"""Killed at any point of the schedule: after the next start the right profile holds, and nothing comes twice.

One life is lived through, and at each point where a kill can make a difference (before and after each change
of the camera, each run of a command and each write, and at every step between) the disk is copied as a kill
would leave it. Then another life is begun from each copy.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from edge_agent.camera.port import Change
from edge_agent.camera.settings import CameraSettings
from edge_agent.contract.command import Call, Outcome
from edge_agent.schedules.memory import Memory
from tests.schedules.house import House, status

SCHEDULES: Final = """
dawn: {cron: "0 7 * * *", profile: day}
dusk: {cron: "0 20 * * *", profile: night}
guests: {cron: "30 18 * * mon", profile: indoor, for: 4h, priority: 5}
backup: {cron: "10 */6 * * *", command: lamp, misfire: run_once}
"""
SATURATION: Final = {"day": 1.0, "night": 0.3, "indoor": 0.8}
# A Monday.
BEGIN: Final = datetime(2026, 6, 15, 6, tzinfo=UTC)
STEP: Final = timedelta(minutes=30)
STEPS: Final = 36


def profile_at(moment: datetime) -> str:
    """Return what should hold, said by hand."""
    minutes = moment.hour * 60 + moment.minute
    if moment.weekday() == 0 and 18 * 60 + 30 <= minutes < 22 * 60 + 30:
        return "indoor"
    return "day" if 7 * 60 <= minutes < 20 * 60 else "night"


def backups(begin: datetime, end: datetime) -> list[datetime]:
    """Return the times of the command after `begin`, up to `end`."""
    first = begin.replace(hour=0, minute=10, second=0, microsecond=0)
    return [at for n in range(20) if begin < (at := first + timedelta(hours=6 * n)) <= end]


@dataclass(frozen=True)
class Left:
    """What a kill leaves."""

    where: str
    now: datetime
    files: dict[str, bytes]
    settings: CameraSettings
    lit: tuple[datetime, ...]


class Dying(House):
    """A house that takes down what a kill would leave."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.left: list[Left] = []
        change = self.camera.change

        async def changing(patch: Any, **how: Any) -> Change:
            self.point("before a change")
            changed = await change(patch, **how)
            self.point("after a change")
            return changed

        self.camera.change = changing  # type: ignore[method-assign]

    def point(self, where: str) -> None:
        state = self.path / "state"
        files = {
            str(path.relative_to(state)): path.read_bytes() for path in state.rglob("*") if path.is_file()
        }
        assert self.camera.settings is not None
        lit = tuple(at for at, _, _ in self.lit)
        self.left.append(Left(where, self.clock.now(), files, self.camera.settings, lit))

    async def _light(self, call: Call) -> Outcome:
        self.point("before a command")
        outcome = await super()._light(call)
        self.point("after a command")
        return outcome


async def a_life(path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Left]:
    house = Dying(path)
    house.schedules(SCHEDULES)
    house.clock.set_now(BEGIN)
    write = Memory.write

    def writing(memory: Memory, content: bytes) -> None:
        house.point("before a write")
        write(memory, content)
        house.point("after a write")

    with monkeypatch.context() as patched:
        patched.setattr(Memory, "write", writing)
        async with house.living():
            for _ in range(STEPS):
                house.point("between")
                # Not on the minute: a kill may come at any time.
                await house.moment((STEP / 2 + timedelta(seconds=7)).total_seconds())
                house.point("between")
                await house.moment((STEP / 2 - timedelta(seconds=7)).total_seconds())
    return house.left


async def test_after_a_kill_at_any_point_the_right_profile_holds_and_nothing_is_done_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = await a_life(tmp_path / "first", monkeypatch)
    points = {entry.where for entry in left}
    assert points == {
        "before a change",
        "after a change",
        "before a write",
        "after a write",
        "before a command",
        "after a command",
        "between",
    }
    assert len(left) > 100
    for number, entry in enumerate(left):
        for away in (timedelta(seconds=1), timedelta(hours=5)):
            house = House(tmp_path / f"{number}-{away.seconds}")
            house.schedules(SCHEDULES)
            for name, content in entry.files.items():
                path = house.path / "state" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            house.camera.settings = entry.settings
            house.clock.set_now(entry.now + away)
            async with house.living() as feature:
                now = house.clock.now()
                what = f"{entry.where} at {entry.now:%a %H:%M:%S}, and {away} later"
                assert house.camera.settings.image.saturation == SATURATION[profile_at(now)], what
                assert status(feature)["holds"]["profile"] == profile_at(now), what
                # No time of the command's has two runs; the last one that was missed is made up for, unless
                # it was under way at the kill, or the schedule had not been seen by any life yet.
                assert len(entry.lit) + len(house.lit) <= len(backups(BEGIN, now)), what
                known = b'"backup"' in entry.files.get("schedules.json", b"")
                missed = [at for at in backups(BEGIN, now) if at > max(entry.lit, default=BEGIN)]
                interrupted = "ended_with_agent" in [last["outcome"] for last in status(feature)["last"]]
                made_up = known and bool(missed) and not (interrupted and missed[-1] <= entry.now)
                assert len(house.lit) == int(made_up), what


@pytest.mark.parametrize("hours", [1, 9, 15, 30])
async def test_what_was_set_by_hand_survives_a_kill_until_the_next_switch(house: House, hours: int) -> None:
    house.schedules(SCHEDULES)
    house.clock.set_now(BEGIN + timedelta(hours=2))
    async with house.living():
        await house.by_hand("night")
        files = {path: path.read_bytes() for path in (house.path / "state").iterdir() if path.is_file()}
    for path, content in files.items():
        path.write_bytes(content)
    house.clock.advance(hours * 3600)
    async with house.living():
        expected = "night" if hours < 10 else profile_at(house.clock.now())
        assert house.profile()[0] == expected
