from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import pytest

from edge_agent.contract.command import Arguments, Call, Command, CommandSpec, Outcome
from edge_agent.errors import CameraError, EdgeAgentError, LinkError, RefusedError
from tests.snapshots.gallery import jpeg
from tests.snapshots.studio import FakeUploader, Studio


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path)


async def refused(studio: Studio, name: str = "snapshot", /, **arguments: Any) -> EdgeAgentError:
    with pytest.raises(EdgeAgentError) as caught:
        await studio.ask(name, arguments)
    return caught.value


async def test_a_picture_goes_to_the_broker_and_into_the_store(studio: Studio) -> None:
    async with studio.open():
        told = await studio.take(reason="why not")
        assert told == {
            "id": "20260615T120001000Z-0001",
            "time": "2026-06-15T12:00:01.000Z",
            "format": "jpeg",
            "width": 64,
            "height": 48,
            "size_bytes": len(studio.camera.content),
            "sha256": hashlib.sha256(studio.camera.content).hexdigest(),
            "cause": "command a1",
            "reason": "why not",
            "exposure_us": 12_000,
            "analogue_gain": 1.5,
            "lux": 45.2,
            "locked": False,
            "sent_to": ["store", "mqtt"],
            "not_sent": {},
            "upload_ticket": None,
            "settings_shown": True,
            "interrupted_frames": 0,
            "skipped_frames": 0,
            "focus": None,
            "interrupts_stream": None,
        }
        (latest,) = studio.messages("image/latest")
        assert (latest.payload, latest.qos, latest.retain, latest.kind) == (
            studio.camera.content,
            0,
            False,
            "bulk",
        )
        (event,) = studio.desk.events("snapshot")
        assert (event["event_type"], event["id"], event["cause"], event["reason"]) == (
            "taken",
            told["id"],
            "command a1",
            "why not",
        )
        status = studio.status
        assert {key: status[key] for key in ("id", "sha256", "reason", "sent_to", "count")} == {
            "id": told["id"],
            "sha256": told["sha256"],
            "reason": "why not",
            "sent_to": ["store", "mqtt"],
            "count": 1,
        }
        assert (status["store"]["count"], status["store"]["newest"]) == (1, told["id"])
        assert studio.camera.requests[0].exif.description == "why not"
        assert studio.camera.requests[0].exif.node == studio.desk.host.configuration.node.id


@pytest.mark.parametrize(
    ("config", "uploads", "arguments", "places"),
    [
        ({}, None, {}, ["store", "mqtt"]),
        ({"store": False}, None, {}, ["mqtt"]),
        ({"store": False}, None, {"lock": True}, ["store", "mqtt"]),
        ({}, True, {}, ["store", "upload", "mqtt"]),
        ({}, False, {}, ["store", "mqtt"]),
        ({"store": False}, False, {"url": "http://x/"}, ["upload", "mqtt"]),
        ({}, True, {"to": ["mqtt"]}, ["mqtt"]),
        ({"store": False}, True, {"to": ["store", "store"]}, ["store"]),
    ],
)
async def test_where_a_picture_goes_follows_the_command_then_the_configuration(
    studio: Studio, config: dict[str, Any], uploads: bool | None, arguments: dict[str, Any], places: list[str]
) -> None:
    uploader = None if uploads is None else FakeUploader(configured=uploads)
    async with studio.open(uploader=uploader, **config):
        told = await studio.take(**arguments)
        assert told["sent_to"] == places
        assert (studio.status["store"]["count"] == 1) == ("store" in places)
        assert bool(studio.messages("image/latest")) == ("mqtt" in places)
        if uploader is not None:
            expected = (
                [(told["id"], studio.camera.content, arguments.get("url"))] if "upload" in places else []
            )
            assert [(each[0].id, each[1], each[2]) for each in uploader.added] == expected
            # What is stored is handed on as its file, which need not be written twice.
            assert bool(uploader.paths) == ({"store", "upload"} <= set(places))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"to": ["mqtt"], "format": "png"}, "image/latest carries JPEG alone"),
        ({"to": ["mqtt"], "lock": True}, "'lock' is for the store"),
        ({"to": ["store"], "url": "http://x/"}, "'url' is for an upload"),
        ({"full": True, "width": 640}, "'full' or a size"),
        ({"to": []}, "at least 1"),
        ({"to": ["email"]}, "'to.0' cannot be 'email'"),
        ({"count": 31}, "less than or equal to 30"),
        ({"count": 0}, "greater than or equal to 1"),
        ({"quailty": 3}, "did you mean 'quality'"),
        ({"reason": "x" * 201}, "at most 200 characters"),
    ],
)
async def test_what_does_not_fit_is_refused_before_a_picture_is_taken(
    studio: Studio, arguments: dict[str, Any], message: str
) -> None:
    async with studio.open():
        error = await refused(studio, **arguments)
        assert isinstance(error, RefusedError)
        assert message in error.message
        assert studio.camera.requests == []


async def test_without_a_place_for_it_another_format_is_refused(studio: Studio) -> None:
    async with studio.open(store=False):
        error = await refused(studio, format="dng")
        assert (error.code, error.field) == ("invalid_arguments", "to")
        assert studio.camera.requests == []


async def test_another_format_is_stored_and_it_is_said_that_latest_has_none(studio: Studio) -> None:
    async with studio.open(retain_latest=True):
        await studio.take()
        told = await studio.take(format="dng")
        assert told["sent_to"] == ["store"]
        assert told["not_sent"]["mqtt"]["code"] == "not_jpeg"
        assert [m.payload for m in studio.feature.retained()] == [studio.camera.content]
        assert len(studio.messages("image/latest")) == 1


async def test_what_is_asked_for_reaches_the_camera(studio: Studio) -> None:
    async with studio.open(quality=77):
        await studio.take(width=640, format="png", focus_first=True, time_us=5000, gain=2.0)
        await studio.take(full=True, quality=50, gain=4)
    first, second = studio.camera.requests
    assert (first.width, first.height, first.format, first.focus_first) == (640, None, "png", True)
    assert first.settings == {"exposure": {"mode": "manual", "time_us": 5000, "gain": 2.0}}
    assert (first.quality, second.quality, second.full) == (77, 50, True)
    assert second.settings == {"exposure": {"mode": "manual", "gain": 4.0}}


class _Named(Arguments):
    action: str
    name: str


def _profile(**result: Any) -> Command:
    async def carry_out(call: Call) -> Outcome:
        assert call.arguments.action == "diff"
        if call.arguments.name != "night":
            raise RefusedError(f"there is no profile '{call.arguments.name}'", code="unknown_profile")
        return Outcome(result=result)

    return Command(CommandSpec(name="profile", description="", arguments=_Named, main="name"), carry_out)


async def test_a_profile_holds_for_the_moment_below_what_is_said_besides(tmp_path: Path) -> None:
    changes = {
        "image.saturation": {"now": 1.0, "then": 0.3},
        "exposure.gain": {"now": 1.0, "then": 8.0},
        "hdr": {"now": "off", "then": "auto"},
    }
    studio = Studio(tmp_path, commands=[_profile(changes=changes, impossible={})])
    async with studio.open():
        await studio.take(profile="night", gain=4)
        assert studio.camera.requests[0].settings == {
            "image": {"saturation": 0.3},
            "exposure": {"mode": "manual", "gain": 4.0},
            "hdr": "auto",
        }
        assert (await refused(studio, profile="nihgt")).code == "unknown_profile"


async def test_a_profile_that_this_camera_cannot_have_is_refused(tmp_path: Path) -> None:
    studio = Studio(tmp_path, commands=[_profile(changes={}, impossible={"focus.position": "no lens drive"})])
    async with studio.open():
        error = await refused(studio, profile="night")
        assert (error.code, error.field) == ("not_offered", "profile")
        assert "focus.position" in error.message
        assert studio.camera.requests == []


async def test_a_burst_is_many_pictures_with_one_reply(studio: Studio) -> None:
    async with studio.open():
        told = await studio.take(count=3)
        ids = [each["id"] for each in told["pictures"]]
        assert ids == [
            "20260615T120001000Z-0001",
            "20260615T120001033Z-0002",
            "20260615T120001066Z-0003",
        ]
        assert [event["id"] for event in studio.desk.events("snapshot")] == ids
        assert len(studio.messages("image/latest")) == 3
        assert (studio.status["count"], studio.status["store"]["count"]) == (3, 3)
        assert studio.camera.ended == 1


async def test_a_burst_that_breaks_off_says_how_far_it_came(studio: Studio) -> None:
    async with studio.open():
        studio.camera.fails_after = 2
        error = await refused(studio, count=5)
        assert isinstance(error, CameraError)
        assert error.message == (
            "2 of 5 pictures were taken, 20260615T120000000Z-0001 to 20260615T120000033Z-0002; "
            "then: the sensor gave no frame"
        )
        assert (studio.status["store"]["count"], studio.camera.ended) == (2, 1)


async def test_what_one_place_refuses_the_others_still_get_and_the_reply_says_so(studio: Studio) -> None:
    uploader = FakeUploader()
    uploader.refusal = RefusedError("not there", code="not_allowed")
    async with studio.open(uploader=uploader):
        studio.desk.broker_limit_bytes = 100
        told = await studio.take()
        assert told["sent_to"] == ["store"]
        assert {place: why["code"] for place, why in told["not_sent"].items()} == {
            "upload": "not_allowed",
            "mqtt": "message_too_large",
        }
        (event,) = studio.desk.events("snapshot")
        assert event["not_sent"] == told["not_sent"]
        assert list(studio.feature.retained()) == []


async def test_a_picture_that_went_nowhere_is_a_failure(studio: Studio) -> None:
    async with studio.open():
        studio.desk.broker_away = LinkError("no connection")
        error = await refused(studio, to=["mqtt"])
        assert error.code == "broker_unreachable"
        assert (await refused(studio, to=["upload"])).code == "upload_not_configured"


async def test_a_full_store_refuses_the_new_says_so_and_keeps_the_old(studio: Studio) -> None:
    async with studio.open(limit_count=2):
        first = await studio.take(lock=True)
        await studio.take(lock=True)
        error = await refused(studio, to=["store"])
        assert error.code == "store_full"
        assert studio.desk.problem_codes() == {"store_full"}
        assert studio.status["store"]["state"] == "full"
        assert studio.status["store"]["reason"] == error.message
        told = await studio.take()
        assert told["sent_to"] == ["mqtt"]
        assert told["not_sent"]["store"]["code"] == "store_full"
        await studio.ask("images", {"action": "unlock", "picture": first["id"]})
        assert (await studio.take())["sent_to"] == ["store", "mqtt"]
        assert studio.desk.problem_codes() == set()


async def test_a_store_that_cannot_be_used_takes_nothing_away_from_the_rest(studio: Studio) -> None:
    (studio.path / "state").mkdir()
    (studio.path / "state/pictures").touch()
    async with studio.open():
        assert studio.desk.problem_codes() == {"store_failed"}
        assert (await studio.take())["sent_to"] == ["mqtt"]
        assert (await refused(studio, to=["store"])).code == "store_failed"
        assert (await refused(studio, "images")).code == "store_failed"


async def test_an_id_that_the_store_has_is_not_used_again(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    async with studio.open():
        first = await studio.take()
    # Another life, whose clock stands where it stood then: the machine has no battery for it.
    again = Studio(tmp_path)
    async with again.open():
        second = await again.take()
        assert (first["id"], second["id"]) == ("20260615T120001000Z-0001", "20260615T120001000Z-0002")
        assert again.desk.events("snapshot")[0]["id"] == second["id"]
        assert again.status["store"]["count"] == 2


async def test_a_dry_run_says_where_to_and_takes_nothing(studio: Studio) -> None:
    async with studio.open():
        studio.camera.interruption = "the size needs a new configuration"
        assert await studio.ask("snapshot", {"full": True}, dry_run=True) == {
            "to": ["mqtt", "store"],
            "interrupts_stream": "the size needs a new configuration",
        }
        told = await studio.take(full=True)
        assert told["interrupts_stream"] == "the size needs a new configuration"
        studio.camera.requests.clear()
        studio.camera.refusal = RefusedError("no such size")
        with pytest.raises(RefusedError, match="no such size"):
            await studio.ask("snapshot", {"full": True}, dry_run=True)
        assert studio.camera.requests == []


@pytest.mark.parametrize("retain", [False, True])
async def test_the_last_picture_is_published_again_for_who_comes_later(studio: Studio, retain: bool) -> None:
    async with studio.open(retain_latest=retain):
        assert list(studio.feature.retained()) == []
        await studio.take()
        (message,) = studio.feature.retained()
        assert (message.payload, message.retain, message.qos) == (studio.camera.content, retain, 0)
        assert message.topic == "edge/v1/porch/image/latest"
    async with studio.open(retain_latest=retain):
        (again,) = studio.feature.retained()
        assert again == message


async def test_after_a_restart_it_is_the_newest_jpeg_of_the_store_where_that_is_small(studio: Studio) -> None:
    async with studio.open():
        await studio.take()
        small = studio.camera.content
        studio.camera.content = jpeg(80, 60)
        await studio.take(format="png")
    async with studio.open():
        assert [message.payload for message in studio.feature.retained()] == [small]
        studio.camera.content = small + bytes(1024 * 1024)
        await studio.take(to=["store"])
    async with studio.open():
        assert list(studio.feature.retained()) == []


async def test_a_picture_that_is_gone_from_the_disk_costs_nothing_but_itself(studio: Studio) -> None:
    async with studio.open():
        await studio.take()
    (file,) = (studio.path / "state/pictures").rglob("*.jpg")
    file.write_bytes(b"")
    async with studio.open():
        assert list(studio.feature.retained()) == []


async def test_what_the_broker_missed_while_it_was_away_it_gets_when_it_is_back(studio: Studio) -> None:
    async with studio.open():
        await studio.take()
        studio.camera.content = jpeg(80, 60)
        studio.desk.broker_away = LinkError("no connection")
        assert (await studio.take())["sent_to"] == ["store"]
        assert [message.payload for message in studio.feature.retained()] == [studio.camera.content]


async def test_many_at_once_are_taken_in_turn_and_too_many_are_told(studio: Studio) -> None:
    async with studio.open():
        results = await asyncio.gather(
            *(studio.ask("snapshot", {"to": ["mqtt"]}) for _ in range(50)), return_exceptions=True
        )
        refusals = [each for each in results if isinstance(each, RefusedError)]
        assert {each.code for each in refusals} == {"busy"}
        assert len(refusals) == 50 - 32
        ids = [each["id"] for each in results if isinstance(each, dict)]
        assert len(set(ids)) == 32


async def test_the_picture_is_what_the_camera_gave(studio: Studio) -> None:
    async with studio.open():
        studio.camera.content = jpeg(800, 600)
        told = await studio.take(to=["store"])
        (file,) = (studio.path / "state/pictures").rglob("*.jpg")
        assert file.read_bytes() == studio.camera.content
        assert file.name == f"{told['id']}.jpg"
