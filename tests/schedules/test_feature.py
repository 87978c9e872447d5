from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from edge_agent.errors import ConfigError
from tests.schedules.house import SCHEDULES, House, status

PARIS = {"timezone": "Europe/Paris", "latitude": 48.8566, "longitude": 2.3522}


async def test_the_profile_that_should_be_active_now_is_active_after_a_start(house: House) -> None:
    house.schedules(SCHEDULES)
    async with house.living(**PARIS) as feature:
        assert house.profile() == ("day", "schedule dawn")
        document = status(feature)
        assert document == {
            "timezone": "Europe/Paris",
            "place": {"latitude": 48.8566, "longitude": 2.3522},
            "version": 0,
            "holds": {
                "schedule": "dawn",
                "profile": "day",
                "since": "2026-06-15T05:00:00.000Z",
                "ends": None,
                "because": "cron 0 7 * * *",
            },
            "pending": None,
            "next": document["next"],
            "last": [
                {
                    "schedule": "dawn",
                    "does": "profile day",
                    "time": "2026-06-15T05:00:00.000Z",
                    "outcome": "done",
                    "late_s": 25200.0,
                    "took_s": 0.0,
                    "error": None,
                }
            ],
            "count": 2,
            "entries": [
                {
                    "name": "dawn",
                    "when": "cron 0 7 * * *",
                    "does": "profile day",
                    "enabled": True,
                    "source": "file",
                    "next": "2026-06-16T05:00:00.000Z",
                    "error": None,
                },
                {
                    "name": "dusk",
                    "when": "cron 0 20 * * *",
                    "does": "profile night",
                    "enabled": True,
                    "source": "file",
                    "next": "2026-06-15T18:00:00.000Z",
                    "error": None,
                },
            ],
            "sun": {
                "sunrise": "2026-06-15T03:46:29.000Z",
                "sunset": "2026-06-15T19:55:56.000Z",
                "dawn": "2026-06-15T03:04:00.000Z",
                "dusk": "2026-06-15T20:38:28.000Z",
            },
            "clock": {"jumps": 0, "jumped_at": None, "jumped_by_s": None},
        }
        assert len(document["next"]) == 10
        assert document["next"][0] == {
            "schedule": "dusk",
            "time": "2026-06-15T18:00:00.000Z",
            "does": "profile night",
        }


async def test_a_schedule_switches_when_its_time_comes(house: House) -> None:
    house.schedules(SCHEDULES)
    async with house.living():
        await house.moment(8 * 3600 - 1)
        assert house.profile()[0] == "day"
        await house.moment(1)
        assert house.profile() == ("night", "schedule dusk")
        assert house.camera.causes == ["schedule dawn", "schedule dusk"]


async def test_a_change_by_hand_holds_until_the_next_switch_also_over_a_restart(house: House) -> None:
    house.schedules(SCHEDULES)
    async with house.living():
        await house.by_hand("indoor")
    house.clock.advance(3600)
    async with house.living():
        assert house.profile()[0] == "indoor"
    house.clock.advance(8 * 3600)
    async with house.living():
        assert house.profile() == ("night", "schedule dusk")


async def test_what_is_held_by_hand_holds_against_the_schedules_and_is_told(house: House) -> None:
    house.schedules(SCHEDULES)
    async with house.living() as feature:
        held = {"name": "indoor", "hold_s": 10 * 3600}
        await house.commands.execute("profile", held, cause="command a1")
        await house.moment(8 * 3600)
        assert house.profile()[0] == "indoor"
        assert status(feature)["holds"]["schedule"] == "dusk"
        assert status(feature)["last"][0]["outcome"] == "held"
        await house.moment(2 * 3600)
        assert house.profile() == ("night", "schedule dusk")


async def test_what_comes_back_under_another_one_is_late_by_that(house: House) -> None:
    house.schedules(SCHEDULES + "party: {at: 2026-06-15 18:00, for: 4h, priority: 1, profile: indoor}\n")
    async with house.living() as feature:
        await house.moment(6 * 3600)
        await house.moment(2 * 3600)
        assert [last["outcome"] for last in status(feature)["last"]] == ["overridden", "done", "done"]
        assert status(feature)["last"][0]["error"] == "'party' holds"
        await house.moment(2 * 3600 + 3)
        assert house.profile() == ("night", "schedule dusk")
        assert status(feature)["last"][0]["late_s"] == 3
        assert status(feature)["holds"]["because"] == "'party' has ended: cron 0 20 * * *"


async def test_a_restart_does_not_switch_to_what_is_active(house: House) -> None:
    house.schedules(SCHEDULES)
    for _ in range(3):
        async with house.living():
            pass
    assert house.camera.causes == ["schedule dawn"]


async def test_a_switch_waits_for_the_camera_and_says_so(house: House) -> None:
    house.schedules(SCHEDULES)
    house.camera.running = False
    async with house.living() as feature:
        await house.moment(5)
        assert (house.profile()[0], status(feature)["pending"]) == (
            None,
            {"schedule": "dawn", "profile": "day"},
        )
        house.camera.running = True
        await house.moment(1)
        assert (house.profile()[0], status(feature)["pending"]) == ("day", None)


async def test_a_profile_by_hand_ends_the_waiting_of_an_older_switch(house: House) -> None:
    house.schedules(SCHEDULES)
    house.camera.running = False
    async with house.living() as feature:
        house.camera.running = True
        await house.by_hand("indoor")
        await house.moment(5)
        assert (house.profile()[0], status(feature)["pending"]) == ("indoor", None)


async def test_a_switch_that_fails_is_a_problem_until_one_goes_well(house: House) -> None:
    house.schedules('noon: {cron: "0 11 * * *", profile: turned}')
    async with house.living() as feature:
        assert house.problem_codes() == {"schedule_failed"}
        assert house.events() == [("failed", "noon")]
        assert status(feature)["pending"] is None
        await house.by_hand("day")
        assert house.problem_codes() == set()


async def test_what_is_wrong_with_the_files_is_a_problem_and_the_rest_works(house: House) -> None:
    (house.path / "own/profiles/bad.yaml").write_text("evening: [")
    house.schedules(SCHEDULES + "x: {cron: nonsense, profile: day}\ny: {cron: '0 1 * * *', profile: nigth}\n")
    async with house.living() as feature:
        assert house.problem_codes() == {"profiles_invalid", "schedules_invalid"}
        messages = [problem["message"] for problem in house.problems.document()]
        assert any("bad.yaml, line 1" in message for message in messages)
        assert any("'nigth'; did you mean 'night'?" in message for message in messages)
        assert any("cron 'nonsense' has 1 fields" in message for message in messages)
        assert house.profile()[0] == "day"
        entries = status(feature)["entries"]
        assert [entry["next"] for entry in entries if entry["name"] in ("x", "y")] == [None, None]


async def test_a_clock_that_is_set_right_switches_to_what_should_hold(house: House) -> None:
    house.schedules(SCHEDULES)
    house.clock.set_now(datetime(2024, 1, 1, 22, tzinfo=UTC))
    async with house.living():
        assert house.profile()[0] == "night"
        house.clock.set_now(datetime(2026, 6, 15, 12, tzinfo=UTC))
        await house.moment(10)
        assert house.profile() == ("day", "schedule dawn")
        house.clock.set_now(datetime(2026, 6, 15, 4, tzinfo=UTC))
        await house.moment(10)
        assert house.profile()[0] == "night"


async def test_a_change_by_hand_holds_when_the_clock_is_set_right(house: House) -> None:
    house.schedules(SCHEDULES)
    async with house.living():
        await house.by_hand("indoor")
        house.clock.set_now(house.clock.now() + timedelta(hours=30))
        await house.moment(10)
        assert house.profile()[0] == "indoor"


async def test_what_a_clock_of_the_future_wrote_does_not_hold_for_ever(house: House) -> None:
    house.schedules(SCHEDULES)
    house.clock.set_now(datetime(2036, 1, 1, 12, tzinfo=UTC))
    async with house.living():
        await house.by_hand("indoor")
    house.clock.set_now(datetime(2026, 6, 15, 12, tzinfo=UTC))
    async with house.living():
        assert house.profile()[0] == "day"


@pytest.mark.parametrize("name", ["Nowhere/Land", "", "../etc/passwd", "Europe", "/"])
async def test_an_unknown_time_zone_is_told(house: House, name: str) -> None:
    with pytest.raises(ConfigError, match="like Europe/Paris"):
        async with house.living(timezone=name):
            pass


async def test_the_machines_time_zone_is_told_by_its_name(house: House) -> None:
    async with house.living(timezone="auto") as feature:
        assert status(feature)["timezone"] not in ("", "auto")
