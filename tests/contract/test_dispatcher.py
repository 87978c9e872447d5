from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from edge_agent.clock import rfc3339
from edge_agent.contract.command import Outcome
from edge_agent.errors import CameraError, CameraUnavailableError, ExpiredError, RefusedError
from tests.clocks import settled
from tests.contract.desk import BASE, Desk


@pytest.fixture
async def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


async def test_a_command_is_carried_out_and_answered(desk: Desk) -> None:
    reply = await desk.ask("light", {"id": "a1", "mode": "night", "level": 5})
    assert reply["state"] == "done"
    assert (reply["id"], reply["command"]) == ("a1", "light")
    assert reply["requested"] == {"mode": "night", "level": 5}
    assert reply["applied"] == {"mode": "night", "level": 5}
    assert reply["error"] is None
    assert desk.states() == ["done"]
    call = desk.handler.calls[0]
    assert call.arguments.mode == "night"
    assert (call.cause, call.strict, call.dry_run) == ("command a1", False, False)


async def test_what_was_applied_clamped_and_found_is_told(desk: Desk) -> None:
    desk.handler.outcome = Outcome(applied={"level": 50}, clamped=("level",), result={"found": 1})
    reply = await desk.ask("light", {"level": 60})
    assert (reply["applied"], reply["clamped"], reply["result"]) == ({"level": 50}, ["level"], {"found": 1})


async def test_a_reply_is_not_retained_and_of_quality_one(desk: Desk) -> None:
    await desk.ask("light", b"night")
    [message] = desk.sent
    assert (message.topic, message.qos, message.retain) == (f"{BASE}/reply/light", 1, False)
    assert message.kind == "reply"


@pytest.mark.parametrize("payload", [b"night", b'"night"'])
async def test_a_bare_value_is_the_main_argument(desk: Desk, payload: bytes) -> None:
    reply = await desk.ask("light", payload)
    assert reply["requested"] == {"mode": "night"}
    assert reply["id"] is None
    assert desk.handler.calls[0].cause == "command"


async def test_a_bare_value_for_a_command_without_main_argument_is_refused(desk: Desk) -> None:
    reply = await desk.ask("nothing", b"ON")
    assert reply["state"] == "rejected"
    assert reply["error"]["value"] == "ON"
    assert "send a JSON object" in reply["error"]["message"]


async def test_an_empty_payload_takes_the_defaults(desk: Desk) -> None:
    reply = await desk.ask("light")
    assert reply["state"] == "done"
    assert desk.handler.calls[0].given == {}


@pytest.mark.parametrize("caller_id", ["a1", 7, 0, -3, "ü", "1"])
async def test_the_id_is_echoed_as_it_came(desk: Desk, caller_id: str | int) -> None:
    reply = await desk.ask("light", {"id": caller_id})
    assert reply["id"] == caller_id
    assert type(reply["id"]) is type(caller_id)


# ---- dry runs, strictness, expiry


async def test_a_dry_run_is_passed_on_and_not_journaled(desk: Desk) -> None:
    reply = await desk.ask("light", {"id": "a1", "dry_run": True})
    assert reply["dry_run"] is True
    assert desk.handler.calls[0].dry_run
    await desk.ask("light", {"id": "a1"})
    assert [call.dry_run for call in desk.handler.calls] == [True, False]


async def test_strict_is_passed_on(desk: Desk) -> None:
    await desk.ask("light", {"strict": True})
    assert desk.handler.calls[0].strict


async def test_a_command_that_comes_too_late_is_expired(desk: Desk) -> None:
    late = rfc3339(desk.clock.now() - timedelta(seconds=90))
    reply = await desk.ask("light", {"id": "a1", "expires_at": late})
    assert reply["state"] == "expired"
    assert reply["error"]["code"] == "expired"
    assert reply["error"]["field"] == "expires_at"
    assert "90.0 s ago" in reply["error"]["message"]
    assert "ttl_s" in reply["error"]["message"]
    assert desk.handler.calls == []
    assert (await desk.ask("light", {"id": "a1"}))["state"] == "expired"


async def test_a_command_in_time_is_carried_out(desk: Desk) -> None:
    soon = rfc3339(desk.clock.now() + timedelta(seconds=1))
    assert (await desk.ask("light", {"expires_at": soon, "ttl_s": 1}))["state"] == "done"


async def test_a_time_to_live_counts_by_the_monotonic_clock(desk: Desk) -> None:
    desk.send("light", {"ttl_s": 5})
    desk.send("light", {"ttl_s": 20})
    desk.clock.advance(10)
    await settled()
    assert desk.states() == ["expired", "done"]
    assert desk.replies()[0]["error"]["field"] == "ttl_s"
    desk.send("light", {"ttl_s": 5})
    desk.clock.set_now(desk.clock.now() + timedelta(days=1))
    await settled()
    assert desk.states()[-1] == "done"


# ---- what is wrong with a command


async def test_an_unknown_command_is_refused_with_the_nearest(desk: Desk) -> None:
    reply = await desk.ask("ligth", {"id": "a1"})
    assert (reply["state"], reply["command"]) == ("rejected", "ligth")
    assert reply["error"]["code"] == "unknown_command"
    assert reply["error"]["message"] == "there is no command 'ligth'; did you mean 'light'?"
    assert reply["error"]["allowed"] == ["light", "nothing", "restart", "scan", "update"]


@pytest.mark.parametrize(
    ("document", "error"),
    [
        (
            {"lvel": 5},
            {
                "message": "there is no 'lvel'; did you mean 'level'?",
                "field": "lvel",
                "value": 5,
                "allowed": ["count", "level", "mode", "on"],
            },
        ),
        (
            {"mode": "nigth"},
            {
                "message": "'mode' cannot be 'nigth': it should be 'night', 'day' or 'dusk'; "
                "did you mean 'night'?",
                "field": "mode",
                "value": "nigth",
                "allowed": ["night", "day", "dusk"],
            },
        ),
        (
            {"level": 200},
            {
                "message": "'level' cannot be 200: it should be less than or equal to 100",
                "field": "level",
                "value": 200,
                "allowed": {"min": 0, "max": 100},
            },
        ),
        (
            {"count": "many"},
            {
                "message": "'count' cannot be 'many': it should be a whole number",
                "field": "count",
                "value": "many",
                "allowed": None,
            },
        ),
        (
            {"on": "perhaps"},
            {
                "message": "'on' cannot be 'perhaps': it should be true or false",
                "field": "on",
                "value": "perhaps",
                "allowed": [True, False],
            },
        ),
    ],
)
async def test_wrong_arguments_are_refused_by_field_value_and_what_is_allowed(
    desk: Desk, document: dict[str, Any], error: dict[str, Any]
) -> None:
    reply = await desk.ask("light", document)
    assert reply["state"] == "rejected"
    assert reply["error"] == {"code": "invalid_arguments", **error}
    assert desk.handler.calls == []


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b'{"level": NaN}', "not_json"),
        (b'{"level": Infinity}', "not_json"),
        (b'{"level": 1e999}', "not_json"),
        (b'{"level": 1, "level": 2}', "not_json"),
        (b'{"level": ' + b"9" * 5000 + b"}", "not_json"),
        (b"[" * 60_000, "not_json"),
        (b"\xff\xfe\x00", "not_utf8"),
        (b"x" * 1024 * 1024, "too_large"),
        (b'{"level": "nan"}', "invalid_arguments"),
        (b'{"id": []}', "invalid_envelope"),
        (b"[1]", "invalid_arguments"),
        (b'{"count": "' + b"9" * 4301 + b'"}', "invalid_arguments"),
    ],
)
async def test_noise_is_refused_with_a_short_answer(desk: Desk, payload: bytes, code: str) -> None:
    reply = await desk.ask("light", payload)
    assert (reply["state"], reply["error"]["code"]) == ("rejected", code)
    assert len(desk.sent[-1].payload) < 2000
    assert desk.handler.calls == []


async def test_a_fault_in_the_common_keys_is_answered_with_the_id(desk: Desk) -> None:
    reply = await desk.ask("light", {"id": "a1", "ttl_s": "soon"})
    assert (reply["id"], reply["state"], reply["error"]["field"]) == ("a1", "rejected", "ttl_s")


async def test_a_huge_number_is_echoed_bounded(desk: Desk) -> None:
    reply = await desk.ask("light", b'{"count": ' + b"9" * 300 + b"}")
    assert reply["state"] == "done"
    assert len(reply["requested"]["count"]) <= 201


async def test_a_retained_command_is_an_event_and_nothing_else(desk: Desk) -> None:
    desk.send("light", {"id": "a1"}, retain=True)
    await settled()
    assert desk.replies() == []
    assert desk.handler.calls == []
    [event] = desk.events()
    assert (event["event_type"], event["code"], event["command"]) == ("refused", "retained", "light")
    assert desk.dispatcher.refused_count == 1
    assert (await desk.ask("light", {"id": "a1"}))["state"] == "done"


@pytest.mark.parametrize("name", ["", "Light", "li ght", "ün", "x" * 65, "9x", "$SYS", "a" * 5000])
async def test_a_name_with_odd_characters_is_an_event(desk: Desk, name: str) -> None:
    desk.send(name, {"id": "a1"})
    await settled()
    assert desk.replies() == []
    [event] = desk.events()
    assert (event["event_type"], event["code"]) == ("refused", "unknown_command")
    assert len(event["command"]) <= 201


async def test_a_denied_command_is_refused(tmp_path: Path) -> None:
    desk = Desk(tmp_path, deny=frozenset({"light"}))
    reply = await desk.ask("light")
    assert (reply["state"], reply["error"]["code"]) == ("rejected", "denied")
    assert "commands.deny" in reply["error"]["message"]
    assert desk.handler.calls == []


# ---- what a handler does


@pytest.mark.parametrize(
    ("error", "state", "code"),
    [
        (
            RefusedError("no", code="not_offered", field="mode", value=1, allowed=[2]),
            "rejected",
            "not_offered",
        ),
        (ExpiredError("late"), "expired", "expired"),
        (CameraError("it broke"), "failed", "camera_failed"),
        (CameraUnavailableError("gone"), "failed", "camera_unavailable"),
        (KeyError("key"), "failed", "internal"),
        (TimeoutError(), "failed", "internal"),
        (RecursionError("deep"), "failed", "internal"),
    ],
)
async def test_a_handlers_error_is_the_answer(desk: Desk, error: Exception, state: str, code: str) -> None:
    desk.handler.error = error
    reply = await desk.ask("light", {"id": "a1"})
    assert (reply["state"], reply["error"]["code"]) == (state, code)
    assert desk.states() == [state]
    desk.handler.error = None
    assert await desk.ask("light", {"id": "a1"}) == reply


async def test_a_refusals_details_are_told(desk: Desk) -> None:
    desk.handler.error = RefusedError("no", code="c", field="mode", value=float("inf"), allowed=[1])
    reply = await desk.ask("light")
    assert reply["error"] == {"code": "c", "message": "no", "field": "mode", "value": "inf", "allowed": [1]}


async def test_an_outcome_with_not_a_number_is_still_json(desk: Desk) -> None:
    desk.handler.outcome = Outcome(applied={"level": float("nan")}, result={"deep": [float("inf")]})
    reply = await desk.ask("light")
    assert (reply["state"], reply["applied"], reply["result"]) == ("done", {"level": None}, {"deep": [None]})


async def test_an_outcome_that_is_no_json_is_answered_as_failed(desk: Desk) -> None:
    desk.handler.outcome = Outcome(applied={"level": object()})
    reply = await desk.ask("light", {"id": "a1"})
    assert (reply["state"], reply["error"]["code"]) == ("failed", "internal")
    assert await desk.ask("light", {"id": "a1"}) == reply


async def test_a_slow_command_is_accepted_first(desk: Desk) -> None:
    desk.handler.progress = (0.0, 0.5, 2.0, float("nan"))
    await desk.ask("scan", {"id": "a1"})
    assert desk.states() == ["accepted", "running", "running", "running", "running", "done"]
    assert [reply.get("progress") for reply in desk.replies()] == [None, 0.0, 0.5, 1.0, None, None]
    assert {reply["id"] for reply in desk.replies()} == {"a1"}


async def test_a_quick_command_that_takes_long_is_accepted_after_a_moment(desk: Desk) -> None:
    desk.handler.held = asyncio.Event()
    accepted = asyncio.Event()
    publish = desk.sent.append

    def watch(message: Any) -> None:
        publish(message)
        accepted.set()

    desk.dispatcher._publish = watch
    desk.send("light", {"id": "a1"})
    await settled()
    assert desk.replies() == []
    async with asyncio.timeout(20):
        await accepted.wait()
    assert desk.states() == ["accepted"]
    desk.handler.held.set()
    await settled()
    assert desk.states() == ["accepted", "done"]


async def test_more_than_two_hundred_at_once_are_busy_and_may_be_tried_again(desk: Desk) -> None:
    desk.handler.held = asyncio.Event()
    for number in range(200):
        desk.send("scan", {"id": number})
    await settled()
    reply = await desk.ask("scan", {"id": "more"})
    assert (reply["state"], reply["error"]["code"]) == ("rejected", "busy")
    desk.handler.held.set()
    await settled()
    assert (await desk.ask("scan", {"id": "more"}))["state"] == "done"
    assert len(desk.handler.calls) == 201


async def test_a_refusal_says_what_was_requested_also_where_that_came_bare(desk: Desk) -> None:
    assert (await desk.ask("nothing_like_it", {"fps": 5}))["requested"] == {"fps": 5}
    assert (await desk.ask("scan", b"[1, 2]"))["requested"] == [1, 2]


# ---- where answers go


async def test_a_response_topic_is_honoured_with_its_correlation_data(desk: Desk) -> None:
    await desk.ask("scan", {"id": "a1"}, response_topic="callers/7", correlation_data=b"\x00\x01")
    assert [reply["state"] for reply in desk.replies("callers/7")] == ["accepted", "done"]
    assert desk.states() == ["accepted", "done"]
    assert {message.correlation_data for message in desk.sent} == {b"\x00\x01"}


async def test_a_repeated_id_is_answered_on_its_own_response_topic(desk: Desk) -> None:
    await desk.ask("light", {"id": "a1"}, response_topic="callers/7")
    await desk.ask("light", {"id": "a1"}, response_topic="callers/8")
    assert desk.replies("callers/7") == desk.replies("callers/8")


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "edge/v1/other/cmd/restart",
        "edge/v1/porch/status",
        "edge/v1/@all/cmd/light",
        "$SYS/broker",
        "$share/a/b",
        "a/+/b",
        "#",
        "a\0b",
        "x" * 600,
    ],
)
async def test_a_response_topic_that_could_do_harm_is_ignored(desk: Desk, topic: str) -> None:
    await desk.ask("light", {"id": "a1"}, response_topic=topic)
    assert [message.topic for message in desk.sent] == [f"{BASE}/reply/light"]


@pytest.mark.parametrize("base", ["edge/v1/@all", "edge/v1/@group/outdoor"])
async def test_a_command_to_many_is_answered_on_the_nodes_own_topic(desk: Desk, base: str) -> None:
    reply = await desk.ask("light", {"id": "a1"}, base=base)
    assert (reply["id"], reply["state"]) == ("a1", "done")


@pytest.mark.parametrize("base", ["edge/v1/other", "edge/v1/@group/indoor", "edge/v2/porch", "porch"])
async def test_what_is_for_others_is_left_alone(desk: Desk, base: str) -> None:
    desk.send("light", {"id": "a1"}, base=base)
    await settled()
    assert desk.sent == []
