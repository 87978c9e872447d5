from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from edge_agent.contract.command import Outcome
from edge_agent.errors import EdgeAgentError, RefusedError
from tests.clocks import settled
from tests.contract.desk import BASE, Desk


@pytest.fixture
async def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


async def test_a_repeated_id_is_answered_with_the_first_outcome(desk: Desk) -> None:
    first = await desk.ask("light", {"id": "a1", "level": 5})
    second = await desk.ask("light", {"id": "a1", "level": 80})
    assert second == first
    assert len(desk.handler.calls) == 1


async def test_a_number_and_a_text_are_two_ids(desk: Desk) -> None:
    await desk.ask("light", {"id": 1})
    await desk.ask("light", {"id": "1"})
    assert len(desk.handler.calls) == 2


async def test_a_repeated_id_of_another_command_is_answered_where_it_was_asked(desk: Desk) -> None:
    await desk.ask("light", {"id": "a1"})
    desk.sent.clear()
    reply = await desk.ask("scan", {"id": "a1"})
    assert reply["command"] == "light"
    assert desk.sent[0].topic == f"{BASE}/reply/scan"
    assert len(desk.handler.calls) == 1


async def test_a_repeated_id_is_known_to_the_next_process(tmp_path: Path) -> None:
    first = await Desk(tmp_path).ask("light", {"id": "a1"})
    later = Desk(tmp_path)
    assert await later.ask("light", {"id": "a1"}) == first
    assert later.handler.calls == []


async def test_a_repeated_id_while_the_first_is_under_way_is_told_so(desk: Desk) -> None:
    desk.handler.held = asyncio.Event()
    await_first = desk.ask("scan", {"id": "a1"})
    assert (await await_first)["state"] == "accepted"
    assert (await desk.ask("scan", {"id": "a1"}))["state"] == "running"
    desk.handler.held.set()
    await settled()
    assert desk.states() == ["accepted", "running", "done"]
    assert len(desk.handler.calls) == 1


async def test_what_is_under_way_is_known_however_small_the_journal(tmp_path: Path) -> None:
    desk = Desk(tmp_path, window_s=1, max_entries=1)
    desk.handler.held = asyncio.Event()
    for number in range(5):
        desk.send("scan", {"id": number})
    await settled()
    desk.clock.advance(1000)
    assert (await desk.ask("scan", {"id": 0}))["state"] == "running"
    assert len(desk.handler.calls) == 5


async def test_what_a_kill_cut_short_is_answered_as_failed_at_the_start(tmp_path: Path) -> None:
    killed = Desk(tmp_path)
    killed.handler.held = asyncio.Event()
    await killed.ask("scan", {"id": "a1"})
    later = Desk(tmp_path)
    [reply] = later.replies()
    assert (reply["id"], reply["command"], reply["state"]) == ("a1", "scan", "failed")
    assert reply["error"]["code"] == "interrupted"
    assert "send it anew" in reply["error"]["message"]
    assert (await later.ask("scan", {"id": "a1"}))["state"] == "failed"
    assert later.handler.calls == []
    assert Desk(tmp_path).replies() == []
    await killed.dispatcher.stop()


@pytest.mark.parametrize("document", [{"id": "a1"}, {}])
async def test_what_ends_with_a_restart_is_done_when_the_agent_is_back(
    tmp_path: Path, document: dict[str, Any]
) -> None:
    ending = Desk(tmp_path)
    ending.handler.held = asyncio.Event()
    await ending.ask("restart", document)
    await ending.dispatcher.stop()
    assert ending.states() == ["accepted"]
    [reply] = Desk(tmp_path).replies()
    assert (reply["id"], reply["command"], reply["state"]) == (document.get("id"), "restart", "done")
    assert reply["error"] is None
    assert Desk(tmp_path).replies() == []


async def test_a_restart_that_only_restarts_a_part_is_answered_by_this_agent(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    await desk.ask("restart")
    await desk.ask("restart")
    assert desk.states() == ["accepted", "done", "accepted", "done"]
    assert Desk(tmp_path).replies() == []


@pytest.mark.parametrize("document", [{"id": "a1", "mode": "night"}, {"mode": "night"}])
@pytest.mark.parametrize("ends_well", [True, False])
async def test_what_outlives_the_agent_goes_on_in_the_next_one_and_is_answered_once(
    tmp_path: Path, document: dict[str, Any], *, ends_well: bool
) -> None:
    first = Desk(tmp_path)
    first.handler.held = asyncio.Event()
    await first.ask("update", document)
    await first.dispatcher.stop()
    assert first.states() == ["accepted"]
    # It may be ended several times; the last one is killed.
    second = Desk(tmp_path)
    second.handler.held = asyncio.Event()
    await settled()
    await second.dispatcher.stop()
    killed_before_its_first_step = Desk(tmp_path)
    await killed_before_its_first_step.dispatcher.stop()
    assert second.replies() == killed_before_its_first_step.replies() == []
    third = Desk(tmp_path)
    third.handler.progress = (0.5,)
    if ends_well:
        third.handler.outcome = Outcome(applied={"level": 2})
    else:
        third.handler.error = EdgeAgentError("nobody knows of it any more", code="interrupted")
    await settled()
    [call] = third.handler.calls
    assert (call.resumed, call.arguments) == (True, None)
    running, final = third.replies()
    assert (running["state"], running["progress"]) == ("running", 0.5)
    assert (final["id"], final["command"]) == (document.get("id"), "update")
    assert final["state"] == ("done" if ends_well else "failed")
    assert final["applied"] == ({"level": 2} if ends_well else {})
    later = Desk(tmp_path)
    await settled()
    assert (later.replies(), later.handler.calls) == ([], [])


async def test_two_without_an_id_are_two(tmp_path: Path) -> None:
    first = Desk(tmp_path)
    first.handler.held = asyncio.Event()
    await first.ask("update")
    first.handler.held = None
    first.handler.error = RefusedError("one is under way", code="busy")
    assert (await first.ask("update"))["state"] == "rejected"
    first.handler.held, first.handler.error = asyncio.Event(), None
    await first.ask("restart")
    await first.dispatcher.stop()
    second = Desk(tmp_path)
    await settled()
    ended = {reply["command"]: reply["state"] for reply in second.replies()}
    assert (ended, len(second.replies())) == ({"update": "done", "restart": "done"}, 2)


async def test_a_damaged_journal_does_not_hinder_the_start(tmp_path: Path) -> None:
    time = "2026-06-15T11:59:00Z"
    lines = [
        {"key": "no json", "command": "light", "time": time, "outcome": None},
        {"key": '"a"', "command": "../x/#", "time": time, "outcome": None},
        {"key": "{}", "command": "gone_feature", "time": time, "outcome": None},
    ]
    (tmp_path / "journal.jsonl").write_text("\n".join(map(json.dumps, lines)))
    desk = Desk(tmp_path)
    assert [(reply["command"], reply["state"]) for reply in desk.replies()] == [
        ("light", "failed"),
        ("gone_feature", "failed"),
    ]
    assert (await desk.ask("light", {"id": "b"}))["state"] == "done"


async def test_a_refusal_is_found_again_too(desk: Desk) -> None:
    first = await desk.ask("light", {"id": "a1", "mode": "nigth"})
    assert await desk.ask("light", {"id": "a1", "mode": "night"}) == first
    assert desk.handler.calls == []


async def test_an_unwritable_journal_stops_no_command(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    desk = Desk(tmp_path / "file")
    assert (await desk.ask("light", {"id": "a1"}))["state"] == "done"
    assert (await desk.ask("light", {"id": "a1"}))["state"] == "done"
    assert len(desk.handler.calls) == 1
    assert desk.journal.trouble is not None
    assert "forgotten at a restart" in desk.journal.trouble


async def test_stopping_answers_what_is_under_way(desk: Desk) -> None:
    desk.handler.held = asyncio.Event()
    await desk.ask("scan", {"id": "a1"})
    desk.send("light", {"id": "a2"})
    await settled()
    desk.send("light", {"id": "a3"})  # its task has not begun yet
    await desk.dispatcher.stop()
    final = {reply["id"]: reply for reply in desk.replies() if reply["state"] == "failed"}
    assert set(final) == {"a1", "a2", "a3"}
    assert {reply["error"]["code"] for reply in final.values()} == {"interrupted"}
    assert len(desk.handler.calls) == 2


async def test_stopping_twice_answers_once(desk: Desk) -> None:
    desk.handler.held = asyncio.Event()
    await desk.ask("scan", {"id": "a1"})
    await desk.dispatcher.stop()
    await desk.dispatcher.stop()
    assert desk.states() == ["accepted", "failed"]


async def test_what_comes_while_stopping_is_busy(desk: Desk) -> None:
    await desk.dispatcher.stop()
    reply = await desk.ask("light", {"id": "a1"})
    assert (reply["state"], reply["error"]["code"]) == ("rejected", "busy")
    assert desk.handler.calls == []


async def test_after_a_stop_nothing_is_left_open(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.handler.held = asyncio.Event()
    await desk.ask("scan", {"id": "a1"})
    await desk.dispatcher.stop()
    later = Desk(tmp_path)
    assert later.replies() == []
    assert (await later.ask("scan", {"id": "a1"}))["state"] == "failed"
