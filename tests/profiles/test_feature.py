from __future__ import annotations

import pytest

from edge_agent.errors import CameraUnavailableError, RefusedError, StreamError
from tests.profiles.house import AUTO, House


async def test_a_profile_is_applied_and_told(house: House) -> None:
    async with house.living() as life:
        outcome = await life.ask("profile", name="night")
        assert outcome.applied == {"image.saturation": 0.3}
        told = life.status()
        assert {"day", "defaults", "indoor", "loud", "night", "perhaps", "turned"} <= set(
            told.pop("available")
        )
        assert told == {
            "active": "night",
            "cause": "command a1",
            "since": "2026-06-15T12:00:00.000Z",
            "pending": None,
            "hold": None,
            "differs": {},
        }
        assert house.camera.causes == ["command a1"]
        assert house.events() == [("switched", "night")]


async def test_a_dry_run_changes_nothing(house: House) -> None:
    async with house.living() as life:
        outcome = await life.ask("profile", dry_run=True, name="loud")
        assert outcome.applied == {"image.saturation": 32.0}
        assert outcome.clamped == ("image.saturation",)
        assert life.active is None
        assert (house.camera.causes, house.events()) == ([], [])


async def test_what_cannot_be_is_refused_and_nothing_changed(house: House) -> None:
    async with house.living() as life:
        before = house.camera.settings
        with pytest.raises(RefusedError, match="on its side"):
            await life.ask("profile", name="turned")
        with pytest.raises(RefusedError, match="did you mean 'night'"):
            await life.ask("profile", name="nigth")
        house.camera.running = False
        with pytest.raises(CameraUnavailableError):
            await life.ask("profile", name="night")
        assert house.camera.settings == before
        assert life.active is None


async def test_a_refusal_lists_everything_that_the_camera_cannot_do(house: House) -> None:
    async with house.living() as life:
        settings = {"hdr": "sensor", "view": {"rotation": 90}, "image": {"contrast": 2.0}}
        await life.ask("profile", action="save", name="much", settings=settings)
        with pytest.raises(RefusedError, match="and it is not partial") as refused:
            await life.ask("profile", name="much")
        assert "HDR of the sensor needs the camera closed" in refused.value.message
        assert "on its side" in refused.value.message
        with pytest.raises(RefusedError, match="would have to be clamped"):
            await life.ask("profile", name="loud", strict=True)
        assert house.camera.causes == []


async def test_one_with_a_fault_says_so_when_it_is_asked_for(house: House) -> None:
    (house.path / "own/profiles/q.yaml").write_text("dusk:\n  setings: {}\n")
    async with house.living() as life:
        assert house.problem_codes() == {"profiles_invalid"}
        says = r"profile 'dusk' has a fault: .*q.yaml, line 2: profile 'dusk': unknown key 'dusk.setings'"
        with pytest.raises(RefusedError, match=says):
            await life.ask("profile", name="dusk")


async def test_a_partial_profile_goes_as_far_as_the_camera_does(house: House) -> None:
    async with house.living() as life:
        outcome = await life.ask("profile", name="perhaps")
        assert outcome.applied == {"image.contrast": 2.0}
        assert list(outcome.result["left_out"]) == ["view.rotation"]


async def test_settings_of_an_apply_go_on_top(house: House) -> None:
    async with house.living() as life:
        outcome = await life.ask("profile", name="night", settings={"image": {"contrast": 1.5}})
        assert outcome.applied == {"image.contrast": 1.5, "image.saturation": 0.3}


# ---- the stream


async def test_a_profile_switches_the_stream_after_the_settings(house: House) -> None:
    async with house.living() as life:
        await life.ask(
            "profile",
            action="save",
            name="asleep",
            settings={"image": {"contrast": 2.0}},
            stream={"enabled": False},
        )
        outcome = await life.ask("profile", name="asleep")
        assert outcome.applied == {"image.contrast": 2.0, "stream.enabled": False}
        assert house.stream.actions == ["stop"]
        await life.ask("profile", name="night", stream={"enabled": True}, dry_run=True)
        assert house.stream.actions == ["stop"]


async def test_where_the_stream_fails_the_settings_are_as_before(house: House) -> None:
    async with house.living() as life:
        await life.ask("profile", name="day", settings={"exposure": {"time_us": 5000}})
        before = house.camera.settings
        house.stream.fault = StreamError("the server refuses")
        with pytest.raises(StreamError):
            await life.ask(
                "profile", name="night", settings={"exposure": {"mode": "auto"}}, stream={"enabled": True}
            )
        assert house.camera.settings == before
        assert life.active == "day"


# ---- what has become of it


async def test_what_differs_from_the_active_profile_is_told_also_after_a_restart(house: House) -> None:
    async with house.living() as life:
        await life.ask("profile", name="night")
        await house.camera.change({"image": {"saturation": 0.7, "contrast": 1.3}}, cause="command b2")
        expected = {"image.saturation": {"profile": 0.3, "now": 0.7}}
        assert life.status()["differs"] == expected
    async with house.living() as life:
        assert life.status()["differs"] == expected
        await life.ask("profile", name="night")
        assert life.status()["differs"] == {}


async def test_what_was_clamped_does_not_differ(house: House) -> None:
    async with house.living() as life:
        await life.ask("profile", name="loud")
        assert life.status()["differs"] == {}


# ---- save, delete, reset, diff, list


async def test_what_is_set_now_is_saved_so_that_applying_it_comes_back_to_it(house: House) -> None:
    async with house.living() as life:
        await house.camera.change({"exposure": {"time_us": 8000}}, cause="command b1")
        outcome = await life.ask("profile", action="save", name="mine", description="As I like it")
        assert outcome.applied == {
            "mine": {
                "description": "As I like it",
                "extends": "defaults",
                "settings": {"exposure": {"gain": None, "mode": "manual", "time_us": 8000}},
            }
        }
        wanted = house.camera.settings
        await life.ask("profile", name="night")
        await life.ask("profile", name="mine")
        assert house.camera.settings == wanted
    async with house.living() as life:
        await life.ask("profile", name="night")
        await life.ask("profile", name="mine")
        assert house.camera.settings == wanted


async def test_what_is_saved_on_another_profile_is_what_differs_from_that(house: House) -> None:
    async with house.living() as life:
        await life.ask("profile", name="night", settings={"image": {"contrast": 1.5}})
        outcome = await life.ask("profile", action="save", name="mine", extends="night")
        assert outcome.applied["mine"] == {"extends": "night", "settings": {"image": {"contrast": 1.5}}}


async def test_a_saved_profile_covers_one_of_a_file_until_it_is_deleted(house: House) -> None:
    async with house.living() as life:
        await life.ask("profile", action="save", name="night", settings={"image": {"saturation": 0.0}})
        assert (await life.ask("profile", name="night")).applied == {"image.saturation": 0.0}
    async with house.living() as life:
        outcome = await life.ask("profile", action="delete", name="night")
        assert outcome.result["was"] == {"settings": {"image": {"saturation": 0.0}}}
        assert (await life.ask("profile", name="night")).applied == {"image.saturation": 0.3}


async def test_a_dry_run_saves_and_deletes_nothing(house: House) -> None:
    async with house.living() as life:
        await life.ask("profile", action="save", name="mine", settings={}, dry_run=True)
        assert "mine" not in life.status()["available"]
        await life.ask("profile", action="save", name="mine", settings={})
        await life.ask("profile", action="delete", name="mine", dry_run=True)
        assert "mine" in life.status()["available"]


async def test_several_are_saved_at_once_or_none(house: House) -> None:
    async with house.living() as life:
        good = {"description": "a base", "settings": {"image": {"contrast": 1.2}}}
        with pytest.raises(RefusedError, match="there is no profile 'basis'; did you mean 'base'"):
            await life.ask("profile", action="save", profiles={"base": good, "top": {"extends": "basis"}})
        assert "base" not in life.status()["available"]
        outcome = await life.ask(
            "profile", action="save", profiles={"base": good, "top": {"extends": "base"}}
        )
        assert outcome.result == {"replaced": {"base": None, "top": None}}
        assert (await life.ask("profile", name="top")).applied == {"image.contrast": 1.2}


async def test_a_diff_says_what_would_change_and_what_cannot(house: House) -> None:
    async with house.living() as life:
        outcome = await life.ask("profile", action="diff", name="turned")
        assert outcome.result["changes"] == {"image.contrast": {"now": 1.0, "then": 2.0}}
        assert list(outcome.result["impossible"]) == ["view.rotation"]
        outcome = await life.ask("profile", action="diff", name="perhaps")
        assert list(outcome.result["left_out"]) == ["view.rotation"]
        assert outcome.result["impossible"] == {}
        assert house.camera.causes == []


async def test_a_reset_goes_back_to_what_camera_and_configuration_begin_with(house: House) -> None:
    async with house.living() as life:
        before = house.camera.settings
        await house.camera.change(
            {"exposure": {"time_us": 8000}, "white_balance": {"red_gain": 1.5}, "video": {"fps": 10}},
            cause="command b1",
        )
        await life.ask("profile", action="reset")
        assert house.camera.settings == before
        assert life.active == "defaults"


async def test_a_list_tells_where_each_comes_from(house: House) -> None:
    async with house.living() as life:
        await life.ask("profile", action="save", name="mine", description="Mine", settings={})
        await life.ask("profile", name="indoor")
        entries = (await life.ask("profile", action="list")).result["profiles"]
        sources = {entry["name"]: entry["source"] for entry in entries}
        assert (sources["mine"], sources["indoor"], sources["defaults"]) == ("saved", "file", "built_in")
        assert sources["ir_850nm"] == "shipped"
        assert [entry["name"] for entry in entries if entry["active"]] == ["indoor"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({}, "'name' is missing: which profile to apply"),
        ({"action": "save"}, "'name' is missing: which profile to save"),
        ({"action": "sav", "name": "x"}, "did you mean 'save'"),
        ({"name": "night", "description": "x"}, "'description' is for save, not for apply"),
        ({"action": "delete", "name": "x", "hold_s": 5}, "'hold_s' is for apply and hold and reset"),
        ({"name": "night", "hold_s": 5, "hold": "until_released"}, "not both"),
        ({"name": "night", "hold_s": 0}, "'hold_s' cannot be 0"),
        ({"action": "hold", "hold": "next_switch"}, "until the next switch all holds anyway"),
        ({"action": "save", "name": "x", "settings": {"image": {"contrats": 1}}}, "settings.image.contrats"),
        (
            {"action": "save", "name": "x", "settings": {"image": {"contrast": "much"}}},
            "settings.image.contr",
        ),
        ({"action": "save", "profiles": {"x": {"setings": {}}}}, "setings"),
        ({"action": "save", "name": "x", "profiles": {"y": {}}}, "give nothing beside it"),
        ({"action": "save", "name": "x", "reset": ["image"]}, "'reset' goes with 'settings'"),
        ({"action": "save", "name": "../x", "settings": {}}, "cannot be named"),
        ({"action": "save", "name": "defaults", "settings": {}}, "built in"),
        ({"action": "save", "name": "x", "extends": "x", "settings": {}}, "in a loop: x -> x"),
        ({"action": "save", "name": "x", "extends": "nihgt", "settings": {}}, "did you mean 'night'"),
        ({"action": "delete", "name": "day"}, r"it comes from .*p.yaml, line 2; edit that file"),
        ({"action": "delete", "name": "ir_850nm"}, "it is shipped with the agent"),
        ({"action": "delete", "name": "defaults"}, "it is built in"),
        ({"action": "delete", "name": "nobody"}, "there is no profile 'nobody'"),
    ],
)
async def test_what_cannot_be_asked_is_refused_and_says_why(
    house: House, arguments: dict[str, object], says: str
) -> None:
    async with house.living() as life:
        before = life.status()
        with pytest.raises(RefusedError, match=says):
            await life.desk.host.commands.execute("profile", arguments, cause="command a1")
        assert life.status() == before


async def test_one_that_another_stands_on_is_not_deleted(house: House) -> None:
    async with house.living() as life:
        await life.ask("profile", action="save", profiles={"base": {}, "top": {"extends": "base"}})
        with pytest.raises(RefusedError, match="cannot be deleted: top extends it"):
            await life.ask("profile", action="delete", name="base")


# ---- the disk


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[]",
        b'{"configured": null, "value": [1]}',
        b'{"configured": null, "value": {"active": 5}}',
        b'{"configured": null, "value": {"active": "day", "since": "yesterday"}}',
        b'{"configured": null, "value": {"active": "day", "since": "2026-06-15T12:00:00"}}',
        b"[" * 100_000,
    ],
)
@pytest.mark.parametrize("name", ["profile.json", "day_night.json"])
async def test_damaged_memories_hinder_nobody(house: House, name: str, content: bytes) -> None:
    (house.path / "state").mkdir()
    (house.path / "state" / name).write_bytes(content)
    async with house.living(day_night=AUTO) as life:
        await house.pass_by(2, lux=100)
        assert life.active == "day"
        assert life.status("day_night")["mode"] == "auto"


async def test_a_disk_that_refuses_is_a_problem_until_it_takes_again(house: House) -> None:
    (house.path / "state").write_text("")
    async with house.living() as life:
        outcome = await life.ask("profile", name="night")
        assert outcome.applied
        assert house.problem_codes() == {"profile_not_saved"}
        (house.path / "state").unlink()
        await life.ask("profile", name="day")
        assert house.problem_codes() == set()
