"""Time-lapses over several lives of the agent, in driven time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field

from edge_agent.contract.command import Arguments, Call, Command, CommandSpec, Outcome, bound
from edge_agent.contract.validation import validate
from edge_agent.errors import CameraUnavailableError, RefusedError
from edge_agent.profiles.config import ProfilesConfig
from edge_agent.timelapse.feature import TimelapseFeature
from tests.clocks import ManualClock, disk_settled
from tests.features import Desk
from tests.profiles.house import FakeCamera


class SnapshotArguments(Arguments):
    to: tuple[str, ...] = ()
    reason: str | None = None
    quality: int | None = Field(None, ge=1, le=100)


class ImagesArguments(Arguments):
    action: str
    reason: str
    fps: float


class Garden:
    """What is around the feature: takes pictures, slowly or not at all where a test says so."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = ManualClock()
        self.taken: list[tuple[str, dict[str, Any]]] = []
        self.times: list[str] = []
        self.films: list[Any] = []
        self.camera_is_away = False
        self.held: asyncio.Event | None = None

    async def _snapshot(self, call: Call) -> Outcome:
        if self.camera_is_away:
            raise CameraUnavailableError("the camera is restarting")
        self.times.append(self.clock.now().strftime("%H:%M:%S"))
        if self.held is not None:
            await self.held.wait()
        self.taken.append((call.cause, dict(call.given)))
        return Outcome()

    async def _images(self, call: Call) -> Outcome:
        self.films.append(call.arguments)
        return Outcome(result={"frames": len(self.taken)})

    @asynccontextmanager
    async def living(self) -> AsyncIterator[TimelapseFeature]:
        commands = [
            Command(
                CommandSpec(name="snapshot", description="", arguments=SnapshotArguments), self._snapshot
            ),
            Command(CommandSpec(name="images", description="", arguments=ImagesArguments), self._images),
        ]
        self.desk = Desk(
            state_dir=self.path / "state",
            camera=FakeCamera(),
            clock=self.clock,
            sections={"profiles": ProfilesConfig},
            environ={"EDGE_AGENT_PROFILES__TIMEZONE": "UTC"},
            commands=commands,
        )
        async with TimelapseFeature(host=self.desk.host, config=None) as feature:
            await self.settle()
            yield feature

    async def settle(self) -> None:
        await disk_settled()

    async def pass_by(self, seconds: float, step: float = 1.0) -> None:
        for _ in range(round(seconds / step)):
            self.clock.advance(step)
            await self.settle()


@pytest.fixture
def garden(tmp_path: Path) -> Garden:
    return Garden(tmp_path)


async def ask(feature: TimelapseFeature, action: str, **arguments: Any) -> Outcome:
    entry = next(iter(bound(feature)))
    given = {"action": action, **arguments}
    return await entry.handler(
        Call(arguments=validate(entry.spec.arguments, given), given=given, cause="command a1")
    )


def run_of(feature: TimelapseFeature) -> dict[str, Any]:
    part: Any = feature.status()["timelapse"]()
    run: dict[str, Any] = part["runs"][0]
    return run


async def test_pictures_come_at_their_times_and_end_at_their_count(garden: Garden) -> None:
    async with garden.living() as feature:
        await ask(feature, "start", name="garden", interval_s=10, count=3, snapshot={"quality": 80})
        await garden.pass_by(60)
        assert garden.times == ["12:00:00", "12:00:10", "12:00:20"]
        assert garden.taken[0] == (
            "timelapse garden",
            {"to": ["store"], "quality": 80, "reason": "timelapse garden"},
        )
        run = run_of(feature)
        assert (run["state"], run["taken"], run["missed"], run["next_at"]) == ("finished", 3, 0, None)
        assert [event["event_type"] for event in garden.desk.events("timelapse")] == ["started", "finished"]


async def test_what_was_due_while_the_agent_was_off_is_missed_and_told(garden: Garden) -> None:
    async with garden.living() as feature:
        await ask(feature, "start", name="garden", interval_s=10)
        await garden.pass_by(11)
    garden.clock.advance(42)
    async with garden.living() as feature:
        await garden.pass_by(10)
        # 12:00:53 at the start: :20, :30, :40 and :50 were due; that of :50 may still be taken.
        run = run_of(feature)
        assert (run["taken"], run["missed"]) == (len(garden.times), 3)
        assert garden.times == ["12:00:00", "12:00:10", "12:00:53", "12:01:00"]
        assert garden.desk.events("timelapse")[0] | {"time": None} == {
            "event_type": "missed",
            "time": None,
            "name": "garden",
            "count": 3,
            "reason": "the agent was not running",
        }


async def test_a_picture_that_takes_too_long_costs_those_it_covers_and_moves_none(garden: Garden) -> None:
    async with garden.living() as feature:
        await ask(feature, "start", name="garden", interval_s=10)
        await garden.pass_by(5)
        garden.held = asyncio.Event()
        await garden.pass_by(33)
        garden.held.set()
        await garden.pass_by(12)
        assert garden.times == ["12:00:00", "12:00:10", "12:00:40", "12:00:50"]
        assert run_of(feature)["missed"] == 2


async def test_a_camera_that_is_away_is_a_problem_until_it_is_back(garden: Garden) -> None:
    async with garden.living() as feature:
        garden.camera_is_away = True
        await ask(feature, "start", name="garden", interval_s=10)
        await garden.pass_by(15)
        assert garden.desk.problem_codes() == {"timelapse_failing"}
        assert run_of(feature)["failed"] == 2
        assert run_of(feature)["last_error"] == "the camera is restarting"
        garden.camera_is_away = False
        await garden.pass_by(10)
        assert garden.desk.problem_codes() == set()
        assert run_of(feature)["taken"] == 1


async def test_a_clock_that_is_set_neither_floods_nor_stops_it(garden: Garden) -> None:
    async with garden.living() as feature:
        await ask(feature, "start", name="garden", interval_s=10)
        await garden.pass_by(5)
        garden.clock.set_now(garden.clock.now() + timedelta(days=365))
        await garden.pass_by(20)
        assert len(garden.times) == 3
        garden.clock.set_now(garden.clock.now() - timedelta(days=365))
        await garden.pass_by(20)
        assert len(garden.times) == 5
        assert run_of(feature)["missed"] == 0
        events = [event["event_type"] for event in garden.desk.events("timelapse")]
        assert events == ["started", "clock_jumped", "clock_jumped"]


async def test_a_picture_under_way_counts_when_it_is_stopped(garden: Garden) -> None:
    async with garden.living() as feature:
        garden.held = asyncio.Event()
        await ask(feature, "start", name="garden", interval_s=10)
        await garden.settle()
        stopping = asyncio.create_task(ask(feature, "stop", name="garden"))
        await garden.settle()
        assert not stopping.done()
        garden.held.set()
        await stopping
        assert run_of(feature)["state"] == "stopped"
        assert run_of(feature)["taken"] == 1
        await garden.pass_by(30)
        assert len(garden.taken) == 1
        await ask(feature, "resume", name="garden")
        await garden.pass_by(10)
        assert len(garden.taken) == 2
        assert run_of(feature)["missed"] == 0


async def test_a_stopped_one_stays_stopped_and_a_deleted_one_is_gone_after_a_restart(garden: Garden) -> None:
    async with garden.living() as feature:
        await ask(feature, "start", name="garden", interval_s=10)
        await ask(feature, "start", name="gate", interval_s=10)
        await ask(feature, "stop", name="garden")
        await ask(feature, "delete", name="gate")
    garden.times.clear()
    async with garden.living() as feature:
        await garden.pass_by(30)
        assert run_of(feature)["name"] == "garden"
        assert run_of(feature)["state"] == "stopped"
        assert garden.times == []


async def test_a_film_is_made_of_its_own_pictures(garden: Garden) -> None:
    async with garden.living() as feature:
        await ask(feature, "start", name="garden", interval_s=10)
        outcome = await ask(feature, "video", name="garden", fps=30)
        assert garden.films == [ImagesArguments(action="video", reason="timelapse garden", fps=30)]
        assert outcome.result == {"frames": 1}


@pytest.mark.parametrize(
    ("action", "arguments", "says"),
    [
        ("start", {}, "interval_s"),
        ("start", {"interval_s": 10, "snapshot": {"quality": 200}}, "quality"),
        ("start", {"interval_s": 10, "snapshot": {"qualty": 20}}, "quality"),
        ("start", {"interval_s": 10, "ends_at": "2020-01-01T00:00:00Z"}, "ends_at"),
        ("start", {"interval_s": 10, "name": "garden"}, "is running"),
        (
            "start",
            {"interval_s": 86400, "between_from": "06:00", "between_until": "07:00", "name": "other"},
            "never fall",
        ),
        ("stop", {"name": "gardn"}, "did you mean 'garden'"),
        ("resume", {"name": "garden"}, "is running, not stopped"),
    ],
)
async def test_what_cannot_be_is_refused(
    garden: Garden, action: str, arguments: dict[str, Any], says: str
) -> None:
    async with garden.living() as feature:
        await ask(feature, "start", name="garden", interval_s=10)
        before = feature.status()["timelapse"]()
        with pytest.raises(RefusedError, match=says):
            await ask(feature, action, **arguments)
        assert feature.status()["timelapse"]() == before


@pytest.mark.parametrize("length", [0, 1, 40, 150])
async def test_a_torn_file_keeps_nobody_from_starting(garden: Garden, length: int) -> None:
    async with garden.living() as feature:
        await ask(feature, "start", name="garden", interval_s=10)
    path = garden.path / "state/timelapse.json"
    path.write_bytes(path.read_bytes()[:length])
    async with garden.living() as feature:
        await ask(feature, "start", name="garden", interval_s=10)
        assert run_of(feature)["state"] == "running"
