"""Schedules that run commands: each time once, missed ones by their rule."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from edge_agent.errors import CameraUnavailableError, StorageError
from tests.schedules.house import House, status

HOURLY = 'hourly: {cron: "0 * * * *", command: lamp, arguments: {level: 7}}\n'
NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)


def lit_at(house: House) -> list[str]:
    return [f"{at:%d %H:%M:%S}" for at, _, _ in house.lit]


def outcomes(house: House) -> list[str]:
    return [event for event, _ in house.events()]


async def test_a_command_is_carried_out_with_its_arguments_when_its_time_comes(house: House) -> None:
    house.schedules(HOURLY)
    async with house.living() as feature:
        await house.moment(3599)
        assert house.lit == []
        await house.moment(1)
        assert house.lit == [(NOON + timedelta(hours=1), 7, "schedule hourly")]
        await house.moment(1800)
        assert len(house.lit) == 1
        [last] = status(feature)["last"]
        assert (last["schedule"], last["does"], last["outcome"]) == ("hourly", "command lamp", "done")
        assert (last["late_s"], last["took_s"]) == (0, 0)


async def test_a_bare_argument_is_the_main_one(house: House) -> None:
    house.schedules('x: {cron: "0 * * * *", command: lamp, arguments: 3}')
    async with house.living():
        await house.moment(3600)
        assert [level for _, level, _ in house.lit] == [3]


@pytest.mark.parametrize(
    ("rule", "away_s", "expected"),
    [
        ("", 5000, ([], ["skipped"])),
        ("misfire: skip", 5000, ([], ["skipped"])),
        ("misfire: skip", 3610, (["15 13:00:10"], ["done"])),
        ("misfire: run_once", 3 * 86400 + 1800, (["18 12:30:00"], ["done"])),
        ("misfire: {run_if_within: 20m}", 5000, (["15 13:23:20"], ["skipped"])),
        ("misfire: {run_if_within: 20m}", 4700, (["15 13:18:20"], ["done"])),
    ],
)
async def test_a_missed_run_follows_its_rule_after_a_stop(
    house: House, rule: str, away_s: int, expected: tuple[list[str], list[str]]
) -> None:
    house.schedules(HOURLY.replace("}\n", f", {rule}}}\n") if rule else HOURLY)
    async with house.living():
        pass
    house.clock.advance(away_s)
    async with house.living() as feature:
        if expected[1] == ["skipped"]:
            assert house.lit == []
            assert "missed, " in status(feature)["last"][0]["error"]
        else:
            assert lit_at(house) == expected[0]
        assert outcomes(house) == expected[1]
    house.sent.clear()
    async with house.living():
        # Seen to is seen to.
        assert outcomes(house) == []


@pytest.mark.parametrize(("rule", "lit"), [("skip", 0), ("run_once", 1)])
async def test_a_missed_run_follows_its_rule_after_the_clock_went_forward(
    house: House, rule: str, lit: int
) -> None:
    house.schedules(HOURLY.replace("}\n", f", misfire: {rule}}}\n"))
    async with house.living() as feature:
        house.clock.set_now(NOON + timedelta(hours=5, minutes=30))
        await house.moment(10)
        assert len(house.lit) == lit
        clock = status(feature)["clock"]
        assert (clock["jumps"], clock["jumped_by_s"]) == (1, 5.5 * 3600)
        await house.moment(1800)
        assert len(house.lit) == lit + 1


async def test_what_a_new_schedule_never_promised_is_not_made_up_for(house: House) -> None:
    house.schedules(HOURLY.replace("}\n", ", misfire: run_once}\n"))
    async with house.living():
        assert house.lit == []


async def test_a_clock_that_is_set_back_a_little_repeats_nothing(house: House) -> None:
    house.schedules(HOURLY)
    async with house.living():
        await house.moment(3600)
        house.clock.set_now(NOON + timedelta(minutes=50))
        await house.moment(10)
        await house.moment(600)
        assert lit_at(house) == ["15 13:00:00"]
        house.clock.set_now(NOON + timedelta(minutes=59))
        await house.moment(10)
        await house.moment(3650)
        assert lit_at(house) == ["15 13:00:00", "15 14:00:00"]


async def test_a_clock_that_was_days_ahead_did_not_use_up_the_days(house: House) -> None:
    house.schedules(HOURLY)
    house.clock.set_now(NOON + timedelta(days=30, minutes=59))
    async with house.living():
        await house.moment(60)
        house.clock.set_now(NOON)
        await house.moment(10)
        await house.moment(3600)
        assert lit_at(house)[1:] == ["15 13:00:10"]
        # It was right after all: nothing is done again for what was done then.
        house.clock.set_now(NOON + timedelta(days=30, hours=1, minutes=5))
        await house.moment(10)
        assert len(house.lit) == 2


async def test_nothing_is_done_by_a_clock_that_nobody_has_set(house: House) -> None:
    house.schedules(HOURLY + 'dawn: {cron: "0 7 * * *", profile: day}\n')
    house.clock.set_now(datetime(1970, 1, 1, 12, tzinfo=UTC))
    async with house.living():
        await house.moment(3600)
        assert (house.lit, house.profile()[0]) == ([], None)
        assert "clock_not_set" in house.problem_codes()
        house.clock.set_now(NOON)
        await house.moment(10)
        assert (house.lit, house.profile()[0]) == ([], "day")
        assert house.problem_codes() == set()


async def test_a_command_that_fails_is_told_until_it_goes_well(house: House) -> None:
    house.schedules(HOURLY)
    house.broken = StorageError("the disk is full")
    async with house.living() as feature:
        await house.moment(3600)
        assert outcomes(house) == ["failed"]
        [problem] = house.problems.document()
        assert (problem["code"], problem["message"]) == (
            "schedule_failed",
            "schedule 'hourly': the disk is full",
        )
        assert status(feature)["last"][0]["error"] == "the disk is full"
        house.broken = None
        await house.moment(3600)
        assert house.problem_codes() == set()


async def test_a_mistake_in_a_command_ends_no_other_schedule(house: House) -> None:
    house.schedules(HOURLY)
    house.broken = KeyError("oops")
    async with house.living():
        await house.moment(3600)
        assert house.problem_codes() == {"schedule_failed"}
        house.broken = None
        await house.moment(3600)
        assert len(house.lit) == 1


async def test_a_camera_that_is_away_is_waited_for_so_long_and_no_longer(house: House) -> None:
    house.schedules(HOURLY)
    house.broken = CameraUnavailableError("the camera is restarting")
    async with house.living():
        await house.moment(3600)
        for _ in range(5):
            await house.moment(1)
        house.broken = None
        for _ in range(5):
            await house.moment(1)
        assert lit_at(house) == ["15 13:00:07"]
        house.broken = CameraUnavailableError("the camera is restarting")
        await house.moment(3590)
        for _ in range(100):
            await house.moment(1)
        assert outcomes(house) == ["done", "failed"]


async def test_it_is_not_begun_again_while_it_runs(house: House) -> None:
    house.schedules("often: {interval: {every: 10s}, command: lamp}")
    house.broken = CameraUnavailableError("the camera is restarting")
    async with house.living() as feature:
        await house.moment(10)
        await house.moment(10)
        assert outcomes(house) == ["skipped"]
        assert status(feature)["last"][0]["error"] == "the last one still runs"


async def test_what_a_kill_interrupted_is_not_begun_again(house: House) -> None:
    house.schedules(HOURLY.replace("}\n", ", misfire: run_once}\n"))
    house.broken = CameraUnavailableError("the camera is restarting")
    async with house.living():
        await house.moment(3600)
    house.broken = None
    async with house.living() as feature:
        assert house.lit == []
        assert status(feature)["last"][0]["outcome"] == "ended_with_agent"
    async with house.living():
        assert outcomes(house) == []


async def test_commands_that_cannot_be_are_told_and_the_others_run(house: House) -> None:
    house.schedules(
        HOURLY + 'a: {cron: "0 * * * *", command: lmap}\n'
        'b: {cron: "0 * * * *", command: lamp, arguments: {mode: off}}\n'
        'c: {cron: "0 * * * *", command: lamp, arguments: {brightness: 3}}\n'
    )
    async with house.living() as feature:
        [problem] = house.problems.document()
        where = f"{house.path}/own/s.yaml, line"
        assert (
            problem["message"].split("; ")[0]
            == f"{where} 2: schedule 'a': command: there is no command 'lmap'"
        )
        assert f"{where} 3: schedule 'b': arguments: 'mode' cannot be false" in problem["message"]
        assert "in YAML, on and off as words need quotes" in problem["message"]
        assert f"{where} 4: schedule 'c': arguments: there is no 'brightness'" in problem["message"]
        errors = {entry["name"]: entry["error"] is None for entry in status(feature)["entries"]}
        assert errors == {"hourly": True, "a": False, "b": False, "c": False}
        await house.moment(3600)
        assert len(house.lit) == 1
