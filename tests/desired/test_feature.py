from __future__ import annotations

import json
from typing import Any

import pytest

from edge_agent.errors import ProcessError, RefusedError, StreamError
from tests.desired.house import House, WantedLife

WHOLE: dict[str, Any] = {
    "version": 12,
    "profiles": {"garden": {"extends": "night", "settings": {"image": {"contrast": 1.4}}}},
    "profile": "garden",
    "settings": {"exposure": {"ev": 1.0}},
    "stream": {"enabled": True},
    "schedules": {"dawn": {"cron": "0 7 * * *", "profile": "day"}},
    "day_night": {"mode": "off", "dwell_s": 60},
}


def held(life: WantedLife) -> dict[str, Any]:
    settings = life.feature.host.camera.settings
    assert settings is not None
    return {"contrast": settings.image.contrast, "saturation": settings.image.saturation}


async def test_a_node_that_was_told_nothing_wants_nothing(house: House) -> None:
    async with house.wanting() as life:
        assert life.status() == {
            "version": None,
            "state": "none",
            "error": None,
            "applied_version": None,
            "applied_at": None,
            "ignored": None,
            "drift": {},
        }


async def test_the_node_brings_itself_to_all_of_a_document(house: House) -> None:
    async with house.wanting() as life:
        told = await life.hears(WHOLE)
        assert (told["version"], told["state"], told["error"]) == (12, "applied", None)
        assert told["applied_at"] == "2026-06-15T12:00:01.000Z"
        assert life.profiles.active == "garden"
        assert life.profiles.status()["cause"] == "desired 12"
        assert held(life) == {"contrast": 1.4, "saturation": 0.3}
        assert house.camera.settings is not None
        assert house.camera.settings.exposure.ev == 1.0
        assert house.stream.actions == ["start"]
        assert house.schedules.saved == {"dawn": {"cron": "0 7 * * *", "profile": "day"}}
        assert life.profiles.status("day_night")["rules"]["dwell_s"] == 60
        assert house.camera.causes == ["desired 12"]


async def test_settings_and_stream_alone_are_enough(house: House) -> None:
    async with house.wanting() as life:
        told = await life.hears(
            {"version": 1, "settings": {"image": {"contrast": 1.2}}, "stream": {"enabled": False}}
        )
        assert told["state"] == "applied"
        assert held(life)["contrast"] == 1.2
        assert house.stream.actions == ["stop"]
        assert life.profiles.active is None


# ---- versions


async def test_the_same_or_an_older_version_is_ignored_and_that_is_told(house: House) -> None:
    async with house.wanting() as life:
        await life.hears({"version": 5, "profile": "night"})
        told = await life.hears({"version": 5, "profile": "night"})
        assert told["ignored"] is None
        told = await life.hears({"version": 5, "profile": "day"})
        assert told["ignored"] == {
            "version": 5,
            "reason": "this version was applied with another content: a changed one needs a higher",
        }
        told = await life.hears({"version": 4, "profile": "day"})
        assert told["ignored"] == {"version": 4, "reason": "version 5 was applied already"}
        assert (told["version"], told["state"]) == (5, "applied")
        assert life.profiles.active == "night"
        told = await life.hears({"version": 6, "profile": "day"})
        assert (told["version"], told["ignored"], life.profiles.active) == (6, None, "day")


async def test_a_restart_does_not_do_it_again(house: House) -> None:
    async with house.wanting() as life:
        await life.hears({"version": 5, "profile": "night"})
        await life.profiles.ask("profile", name="indoor")
    async with house.wanting() as life:
        told = await life.hears({"version": 5, "profile": "night"})
        assert (told["version"], told["state"]) == (5, "applied")
        assert life.profiles.active == "indoor"
        assert told["drift"] == {"image.saturation": {"wanted": 0.3, "now": 0.8}}


async def test_nothing_as_payload_forgets_it_and_changes_nothing(house: House) -> None:
    async with house.wanting() as life:
        await life.hears({"version": 5, "profile": "night"})
        told = await life.hears(b"")
        assert (told["version"], told["state"], told["drift"]) == (None, "none", {})
        assert life.profiles.active == "night"
        told = await life.hears({"version": 1, "profile": "day"})
        assert (told["state"], life.profiles.active) == ("applied", "day")


# ---- what is wrong


@pytest.mark.parametrize(
    ("document", "field", "says"),
    [
        (b"{", None, "not JSON"),
        (b"[1]", None, "a JSON object"),
        (b"\xff", None, "not UTF-8"),
        (b'{"version": NaN}', None, "NaN is not a number"),
        (b'{"version": 1, "version": 2}', "version", "there twice"),
        (b"[" * 200_000, None, "deep"),
        (b" " * (256 * 1024) + b"{}", None, "at most 262144 bytes"),
        ({"profile": "night"}, "version", "'version' is missing"),
        ({"version": "one"}, "version", "whole number"),
        ({"version": -1}, "version", "version"),
        ({"version": 1, "profle": "night"}, "profle", "did you mean 'profile'"),
        ({"version": 1, "stream": {"enable": True}}, "stream.enabled", "did you mean 'enabled'"),
        ({"version": 1, "profile": "nigth"}, "profile", "did you mean 'night'"),
        ({"version": 1, "profile": "turned"}, "profile.view.rotation", "on its side"),
        (
            {"version": 1, "settings": {"image": {"contrats": 1}}},
            "settings.image.contrats",
            "did you mean 'contrast'",
        ),
        (
            {"version": 1, "profile": "night", "settings": {"image": {"contrats": 1}}},
            "settings.image.contrats",
            "did you mean 'contrast'",
        ),
        ({"version": 1, "profiles": {"x": {"setings": {}}}}, "profiles.x.setings", "did you mean 'settings'"),
        ({"version": 1, "profiles": {"x": {"extends": "y"}}}, "extends", "there is no profile 'y'"),
        ({"version": 1, "profiles": {"X y": {}}}, "profiles.X y", "X y"),
        ({"version": 1, "schedules": {"x": {"cron": "never"}}}, "schedules.x.cron", "cron 'never' is none"),
        ({"version": 1, "schedules": {"x": {"corn": "0"}}}, "schedules.x.corn", "did you mean 'cron'"),
        (
            {"version": 1, "schedules": {"x": {"action": "list"}}},
            "schedules.x.action",
            "no part of a schedule",
        ),
        ({"version": 1, "day_night": {"mode": "atuo"}}, "day_night.mode", "did you mean 'auto'"),
    ],
)
async def test_a_document_with_a_fault_changes_nothing_and_names_the_field(
    house: House, document: object, field: str | None, says: str
) -> None:
    async with house.wanting() as life:
        before = (house.camera.settings, life.profiles.status(), dict(house.schedules.saved))
        whole = {**WHOLE, **document} if isinstance(document, dict) and "version" in document else document
        told = await life.hears(whole)
        assert told["state"] == "failed"
        assert told["error"]["field"] == field
        assert says in told["error"]["message"]
        after = (house.camera.settings, life.profiles.status(), dict(house.schedules.saved))
        assert after == before
        assert house.stream.actions == []
        assert house.problem_codes() == {"desired_failed"}
        told = await life.hears({"version": 1, "profile": "night"})
        assert told["state"] == "applied"
        assert house.problem_codes() == set()


async def test_a_failed_version_may_come_again_with_another_content(house: House) -> None:
    async with house.wanting() as life:
        assert (await life.hears({"version": 5, "profile": "nigth"}))["state"] == "failed"
        told = await life.hears({"version": 5, "profile": "night"})
        assert (told["state"], life.profiles.active) == ("applied", "night")


async def test_after_a_failed_version_the_one_that_is_applied_is_told_again(house: House) -> None:
    async with house.wanting() as life:
        await life.hears({"version": 5, "profile": "night"})
        told = await life.hears({"version": 6, "profile": "nigth"})
        assert (told["version"], told["state"], told["applied_version"]) == (6, "failed", 5)
        told = await life.hears({"version": 5, "profile": "night"})
        assert (told["version"], told["state"], told["error"]) == (5, "applied", None)


async def test_what_fails_midway_leaves_what_was_there(house: House) -> None:
    async with house.wanting() as life:
        await life.hears(
            {
                "version": 1,
                "profiles": {"garden": {"description": "before"}},
                "schedules": {"dawn": {"cron": "1 1 * * *"}, "noon": {"cron": "0 12 * * *"}},
                "day_night": {"dwell_s": 15},
                "profile": "day",
            }
        )
        before = (house.camera.settings, life.profiles.status(), dict(house.schedules.saved))
        house.stream.fault = StreamError("the server is on fire")
        told = await life.hears(WHOLE)
        assert (told["version"], told["state"], told["applied_version"]) == (12, "failed", 1)
        assert told["error"] == {
            "code": "stream_failed",
            "message": "the server is on fire",
            "field": None,
        }
        after = (house.camera.settings, life.profiles.status(), dict(house.schedules.saved))
        assert after == before
        assert life.profiles.status("day_night")["rules"]["dwell_s"] == 15
        listed = (await life.profiles.ask("profile", action="list")).result["profiles"]
        (garden,) = [entry for entry in listed if entry["name"] == "garden"]
        assert garden["description"] == "before"


async def test_what_cannot_be_put_back_is_said(house: House) -> None:
    async with house.wanting() as life:
        house.stream.fault = StreamError("the server is on fire")
        house.schedules.saved["dawn"] = {"cron": "1 1 * * *"}
        original = house.schedules.saved

        class Broken(dict[str, Any]):
            def __setitem__(self, key: str, value: Any) -> None:
                super().__setitem__(key, value)
                house.schedules.fault = RefusedError("the disk is full")

        house.schedules.saved = Broken(original)
        told = await life.hears(WHOLE)
        message = "the server is on fire; and what was before could not be put back: the disk is full"
        assert told["error"]["message"] == message


# ---- the camera is away


async def test_a_camera_that_is_away_is_waited_for(house: House) -> None:
    house.camera.running = False
    async with house.wanting() as life:
        told = await life.hears(WHOLE)
        assert (told["state"], told["error"]["code"]) == ("pending", "camera_unavailable")
        assert house.schedules.saved == {}
        told = await life.hears({"version": 11})
        assert told["ignored"] == {"version": 11, "reason": "version 12 is waiting to be applied"}
        house.camera.running = True
        await house.pass_by(5)
        assert (life.status()["state"], life.profiles.active) == ("applied", "garden")


async def test_what_waits_outlives_a_restart_also_without_a_broker(house: House) -> None:
    house.camera.running = False
    async with house.wanting() as life:
        await life.hears({"version": 7, "profile": "night"})
    house.camera.running = True
    async with house.wanting() as life:
        await house.moment(1)
        assert (life.status()["state"], life.profiles.active) == ("applied", "night")


async def test_what_fails_by_chance_is_tried_again_but_not_for_ever(house: House) -> None:
    async with house.wanting() as life:
        house.schedules.fault = ProcessError("the process ended")
        told = await life.hears({"version": 8, "schedules": {"dawn": {"cron": "0 7 * * *"}}})
        assert (told["state"], told["error"]["message"]) == ("pending", "the process ended")
        await house.pass_by(40)
        assert (life.status()["version"], life.status()["state"]) == (8, "failed")


# ---- what documents own, and what has become of it


async def test_what_an_earlier_document_brought_goes_when_a_later_one_does_not_mention_it(
    house: House,
) -> None:
    async with house.wanting() as life:
        house.schedules.saved["mine"] = {"cron": "5 5 * * *"}
        await life.profiles.ask("profile", action="save", name="own", settings={})
        schedules = {"dawn": {"cron": "0 7 * * *"}, "dusk": {"cron": "0 20 * * *"}}
        await life.hears({"version": 1, "profiles": {"a": {}, "b": {}}, "schedules": schedules})
        await life.hears({"version": 2, "profile": "night"})
        assert set(house.schedules.saved) == {"mine", "dawn", "dusk"}
    async with house.wanting() as life:
        told = await life.hears(
            {"version": 3, "profiles": {"a": {}}, "schedules": {"dusk": {"cron": "0 21 * * *"}}}
        )
        assert told["state"] == "applied"
        assert house.schedules.saved == {"mine": {"cron": "5 5 * * *"}, "dusk": {"cron": "0 21 * * *"}}
        assert {"a", "own"} <= set(life.profiles.status()["available"])
        assert "b" not in life.profiles.status()["available"]


async def test_what_something_else_changed_is_shown_and_not_fought(house: House) -> None:
    async with house.wanting() as life:
        await life.hears({"version": 1, "profile": "night", "stream": {"enabled": True}})
        life.feature.host.events.emit("stream", "publishing")
        assert life.status()["drift"] == {}
        await house.camera.change({"image": {"saturation": 0.9}}, cause="command b1")
        life.feature.host.events.emit("stream", "stopped")
        await life.hears({"version": 1, "profile": "night", "stream": {"enabled": True}})
        assert life.status()["drift"] == {
            "image.saturation": {"wanted": 0.3, "now": 0.9},
            "stream.enabled": {"wanted": True, "now": False},
        }


# ---- the disk


@pytest.mark.parametrize("content", [b"{", b'{"configured": null, "value": {"state": "odd"}}', b"[]"])
async def test_a_damaged_memory_hinders_nobody(house: House, content: bytes) -> None:
    (house.path / "state").mkdir()
    (house.path / "state/desired.json").write_bytes(content)
    async with house.wanting() as life:
        assert (await life.hears({"version": 1, "profile": "night"}))["state"] == "applied"


async def test_what_happened_is_told_by_events(house: House) -> None:
    async with house.wanting() as life:
        await life.hears({"version": 1, "profile": "night"})
        await life.hears({"version": 2, "profile": "nigth"})
        topic = life.feature.host.topics.event("desired")
        told = [json.loads(message.payload) for message in house.sent if message.topic == topic]
        assert [(event["event_type"], event["version"]) for event in told] == [
            ("pending", 1),
            ("applied", 1),
            ("pending", 2),
            ("failed", 2),
        ]
