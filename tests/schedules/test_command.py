"""The command `schedule`."""

from __future__ import annotations

from typing import Any

import pytest

from edge_agent.contract.validation import validate
from edge_agent.errors import EdgeAgentError, RefusedError, StorageError
from edge_agent.schedules.arguments import ScheduleArguments
from tests.schedules.house import SCHEDULES, House, status

TEA: dict[str, Any] = {"action": "set", "name": "tea", "cron": "0 17 * * *", "profile": "indoor"}


async def test_a_schedule_that_is_set_is_in_force_at_once_and_after_a_restart(house: House) -> None:
    async with house.living() as feature:
        outcome = await house.command(**TEA)
        assert outcome.applied == {"cron": "0 17 * * *", "profile": "indoor"}
        assert outcome.result == {
            "name": "tea",
            "version": 1,
            "next": "2026-06-15T17:00:00.000Z",
            "replaces": None,
        }
        assert status(feature)["version"] == 1
        await house.moment()
        # What should hold, holds: also of what came before it was said.
        assert house.profile() == ("indoor", "schedule tea")
        await house.by_hand("day")
    async with house.living():
        await house.moment(5 * 3600)
        assert house.profile() == ("indoor", "schedule tea")


async def test_it_wakes_for_what_is_due_before_it_would_have_looked(house: House) -> None:
    async with house.living():
        await house.command(action="set", name="soon", at="2026-06-15T12:00:03Z", command="lamp")
        await house.moment()
        await house.moment(3)
        assert len(house.lit) == 1


async def test_a_file_s_schedule_can_be_overridden_and_comes_back(house: House) -> None:
    house.schedules(SCHEDULES)
    async with house.living() as feature:
        outcome = await house.command(action="set", name="dusk", cron="0 21 * * *", profile="night")
        assert outcome.result["replaces"].endswith("s.yaml")
        entries = {entry["name"]: entry for entry in status(feature)["entries"]}
        assert (entries["dusk"]["when"], entries["dusk"]["source"]) == ("cron 0 21 * * *", "saved")
        outcome = await house.command(action="delete", name="dusk")
        assert outcome.result == {"name": "dusk", "version": 2, "remains": True}
        entries = {entry["name"]: entry for entry in status(feature)["entries"]}
        assert (entries["dusk"]["when"], entries["dusk"]["source"]) == ("cron 0 20 * * *", "file")


async def test_a_file_s_schedule_is_switched_off_over_restarts_and_not_deleted(house: House) -> None:
    house.schedules(SCHEDULES)
    async with house.living():
        with pytest.raises(RefusedError, match=r"s\.yaml: only its owner deletes it there") as refused:
            await house.command(action="delete", name="dusk")
        assert refused.value.code == "owners_file"
        await house.command(action="disable", name="dusk")
    async with house.living() as feature:
        await house.moment(10 * 3600)
        assert house.profile()[0] == "day"
        assert status(feature)["entries"][1]["next"] is None
        await house.command(action="enable", name="dusk")
        await house.moment()
        assert house.profile()[0] == "night"
        assert status(feature)["version"] == 2


async def test_a_saved_schedule_is_switched_and_deleted(house: House) -> None:
    async with house.living() as feature:
        await house.command(**TEA)
        await house.command(action="disable", name="tea")
        assert status(feature)["entries"][0]["enabled"] is False
        outcome = await house.command(action="delete", name="tea")
        assert (outcome.result["remains"], status(feature)["entries"]) == (False, [])
        with pytest.raises(RefusedError, match="there is no schedule 'tea'"):
            await house.command(action="enable", name="tea")


async def test_who_has_not_seen_the_last_change_is_refused(house: House) -> None:
    async with house.living():
        await house.command(**TEA, if_version=0)
        with pytest.raises(RefusedError, match="at version 1, not 0"):
            await house.command(**{**TEA, "name": "other"}, if_version=0)
        with pytest.raises(RefusedError, match="at version 1, not 0"):
            await house.command(action="disable", name="tea", if_version=0)
        await house.command(action="disable", name="tea", if_version=1)


async def test_list_tells_everything(house: House) -> None:
    house.schedules(SCHEDULES)
    async with house.living():
        await house.command(**TEA)
        result = (await house.command()).result
        assert (result["version"], result["count"], result["next_offset"]) == (1, 3, None)
        assert [entry["name"] for entry in result["schedules"]] == ["dawn", "dusk", "tea"]
        assert result["schedules"][1]["definition"] == {"cron": "0 20 * * *", "profile": "night"}
        assert (result["schedules"][1]["line"], result["schedules"][2]["file"]) == (2, None)
        alone = (await house.command(action="list", name="tea")).result
        assert [entry["name"] for entry in alone["schedules"]] == ["tea"]


async def test_a_long_list_comes_in_parts(house: House) -> None:
    house.schedules("".join(f's{n}: {{cron: "0 {n % 24} * * *", profile: day}}\n' for n in range(150)))
    async with house.living() as feature:
        first = (await house.command()).result
        assert (len(first["schedules"]), first["count"], first["next_offset"]) == (100, 150, 100)
        rest = (await house.command(action="list", offset=100)).result
        assert (rest["schedules"][0]["name"], rest["next_offset"]) == ("s100", None)
        assert (len(status(feature)["entries"]), status(feature)["count"]) == (50, 150)


async def test_run_now_does_what_the_schedule_does(house: House) -> None:
    house.schedules(
        SCHEDULES + 'x: {cron: "0 * * * *", command: lamp, arguments: {level: 4}, enabled: false}\n'
    )
    async with house.living():
        outcome = await house.command(action="run_now", name="dusk")
        assert outcome.applied == {"image.saturation": 0.3}
        assert outcome.result["did"] == "profile night"
        # Somebody's hand: it holds until the next switch.
        assert house.profile() == ("night", "command a1")
        await house.command(action="run_now", name="x")
        assert [level for _, level, _ in house.lit] == [4]


async def test_a_dry_run_changes_nothing(house: House) -> None:
    house.schedules(SCHEDULES)
    async with house.living() as feature:
        outcome = await house.commands.execute("schedule", TEA, cause="command a1", dry_run=True)
        assert outcome.result["next"] == "2026-06-15T17:00:00.000Z"
        disable = {"action": "disable", "name": "dusk"}
        await house.commands.execute("schedule", disable, cause="command a1", dry_run=True)
        run = {"action": "run_now", "name": "dusk"}
        await house.commands.execute("schedule", run, cause="command a1", dry_run=True)
        assert (status(feature)["version"], status(feature)["count"], house.profile()[0]) == (0, 2, "day")


@pytest.mark.parametrize(
    ("arguments", "code", "field", "said"),
    [
        (
            {**TEA, "profile": "indor"},
            "unknown_profile",
            "name",
            "no profile 'indor'; did you mean 'indoor'?",
        ),
        ({**TEA, "cron": "0 25 * * *"}, "invalid_schedule", "cron", "hour '25'"),
        ({**TEA, "cron": "0 7 30 2 *"}, "invalid_schedule", "cron", "there is no such day"),
        ({**TEA, "cron": 5}, "invalid_arguments", "cron", "it should be a text"),
        ({**TEA, "corn": "0 7 * * *"}, "invalid_arguments", "corn", "did you mean 'cron'?"),
        ({**TEA, "from": "02-30"}, "invalid_arguments", "from", "there is no date 02-30"),
        ({**TEA, "at": "2026-01-01 12:00"}, "invalid_arguments", None, "exactly one of"),
        ({**TEA, "name": "Tea time"}, "invalid_arguments", "name", "pattern"),
        (
            {"action": "set", "name": "x", "sun": {"event": "dawn"}, "profile": "day"},
            "invalid_schedule",
            "sun",
            "l",
        ),
        (
            {"action": "set", "name": "x", "cron": "0 1 * * *"},
            "invalid_arguments",
            None,
            "'profile' or a 'com",
        ),
        (
            {"action": "set", "name": "x", "cron": "0 1 * * *", "command": "lmap"},
            "unknown_command",
            None,
            "did you mean 'lamp'?",
        ),
        (
            {
                "action": "set",
                "name": "x",
                "cron": "0 1 * * *",
                "command": "lamp",
                "arguments": {"level": "up"},
            },
            "invalid_arguments",
            "level",
            "'level' cannot be 'up'",
        ),
        (
            {
                "action": "set",
                "name": "x",
                "cron": "0 1 * * *",
                "command": "schedule",
                "arguments": {"action": "run_now", "name": "x"},
            },
            "loop",
            "arguments",
            "would go in circles",
        ),
        ({"action": "enable"}, "invalid_arguments", "name", "'enable' needs the schedule's name"),
        ({"action": "enable", "name": "nobody"}, "unknown_schedule", "name", "no schedule 'nobody'"),
        (
            {"action": "delete", "name": "x", "cron": "1"},
            "invalid_arguments",
            "cron",
            "belongs to the action",
        ),
        ({"action": "remove", "name": "x"}, "invalid_arguments", "action", "'remove'"),
    ],
)
async def test_what_is_wrong_is_refused_with_its_field(
    house: House, arguments: dict[str, Any], code: str, field: str | None, said: str
) -> None:
    async with house.living() as feature:
        with pytest.raises(RefusedError) as refused:
            await house.command(**arguments)
        assert said in refused.value.message
        assert (refused.value.code, refused.value.field) == (code, field)
        assert (status(feature)["version"], status(feature)["entries"]) == (0, [])


async def test_a_disk_that_refuses_is_told_and_nothing_changed(house: House) -> None:
    async with house.living() as feature:
        (house.path / "state").mkdir(exist_ok=True)
        (house.path / "state/schedules.d").write_text("")
        with pytest.raises(StorageError):
            await house.command(**TEA)
        assert status(feature)["entries"] == []


async def test_a_camera_that_is_away_hinders_no_editing(house: House) -> None:
    house.camera.running = False
    async with house.living() as feature:
        await house.command(**TEA)
        with pytest.raises(EdgeAgentError, match="no profile 'nothing'"):
            await house.command(**{**TEA, "profile": "nothing"})
        await house.moment()
        assert status(feature)["pending"] == {"schedule": "tea", "profile": "indoor"}


def test_the_published_schema_names_the_keys_as_they_are_written() -> None:
    schema = ScheduleArguments.model_json_schema()
    assert {"from", "until", "except", "for", "until_time", "cron"} <= set(schema["properties"])
    assert all("description" in field for field in schema["properties"].values())
    assert validate(ScheduleArguments, {"from": "10-01"}).from_ == "10-01"
