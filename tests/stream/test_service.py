"""The stream as a whole, in driven time: what status says, and what is done about it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from edge_agent.camera.messages import Beat
from edge_agent.errors import RefusedError
from edge_agent.stream.server_view import Answer
from tests.clocks import settled
from tests.stream.stream_rig import RATE, Rig
from tests.stream.test_server_watch import until


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    made = Rig(tmp_path)
    yield made
    await made.close()


async def test_a_stream_that_is_well(rig: Rig) -> None:
    await rig.publishes()
    assert rig.state() == ("publishing", None)
    assert (rig.seen.state, rig.seen.online, rig.seen.readers) == ("ok", True, 0)
    assert rig.seen.inbound_bps is not None
    assert rig.codes() == set()
    assert rig.camera.encoding == [True]


async def test_no_secret_is_shown(rig: Rig) -> None:
    await until(lambda: bool(rig.capabilities))
    shown = json.dumps([rig.service.status().model_dump(mode="json"), rig.service.capabilities()])
    assert "hunter2" not in shown
    assert rig.service.status().urls.webrtc == "http://porch.local:8889/porch"
    assert rig.capabilities[0]["urls"]["hls"] == "http://porch.local:8888/porch/index.m3u8"


async def test_bytes_that_do_not_arrive_restart_the_publisher(rig: Rig) -> None:
    await rig.publishes()
    await rig.passes(12, publishing=True, arriving=False)
    assert rig.state() == ("failed", "server_no_bytes")
    assert rig.codes() == {"server_no_bytes"}
    assert "the publisher is restarted" in rig.problems.document()[0]["message"]
    assert rig.child.restarts
    rig.child.callbacks["on_down"]("is restarted")
    await rig.publishes()
    assert rig.state() == ("publishing", None)
    assert rig.codes() == set()
    assert rig.told("problem") == ["raised", "solved"]


async def test_a_server_that_hangs_is_told_and_not_restarted_for(rig: Rig) -> None:
    await rig.publishes()
    rig.server.answer = Answer(kind="silent", reason="no answer")
    for _ in range(10):
        rig.server.pending += RATE // 2
        await rig.passes(0.5, publishing=True)
    assert rig.state() == ("failed", "server_silent")
    assert rig.codes() == {"server_silent"}
    assert rig.child.restarts == []
    rig.server.pending = 0
    rig.server.path(inbound=1)
    await rig.passes(3, publishing=True)
    assert rig.state() == ("publishing", None)
    assert rig.codes() == set()


async def test_an_api_that_is_away_breaks_nothing_and_is_told_once(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    await rig.publishes()
    rig.server.answer = Answer(kind="unreachable", reason="the API cannot be reached")
    await rig.passes(30, publishing=True)
    assert rig.state() == ("publishing", None)
    assert rig.seen.state == "away"
    assert rig.codes() == {"server_api_away"}
    rig.server.path()
    await rig.passes(3, publishing=True)
    assert rig.codes() == set()
    said = [record.getMessage() for record in caplog.records if "server_side" in record.name]
    assert said == ["the API cannot be reached", "the API answers"]


async def test_another_publisher_is_reported_and_not_fought(rig: Rig) -> None:
    await rig.is_evicted(3)
    await rig.passes(3)
    assert rig.state() == ("failed", "stream_contested")
    assert "192.0.2.7:5" in str(rig.service.status().reason)
    assert rig.codes() == {"stream_contested"}
    assert rig.child.status.pid is None
    assert rig.camera.encoding[-1] is False
    await rig.passes(90)
    assert rig.child.status.pid is None, "as long as the other is there"
    rig.server.path(remote=None)
    await rig.passes(3)
    assert rig.child.status.pid is not None
    await rig.publishes()
    assert rig.state() == ("publishing", None)
    assert rig.codes() == {"stream_contested"}, "until it has lasted"
    await rig.passes(16, publishing=True)
    assert rig.codes() == set()


async def test_a_command_tries_at_once(rig: Rig) -> None:
    await rig.is_evicted(3)
    await rig.passes(3)
    assert rig.state() == ("failed", "stream_contested")
    await rig.command(action="restart")
    await settled()
    assert rig.child.status.pid is not None


async def test_a_server_that_refuses_a_second_publisher_names_the_first(rig: Rig) -> None:
    rig.server.path(remote="192.0.2.7:5")
    rig.beats("failed", code="stream_rejected", reason="400")
    await rig.passes(3)
    assert rig.state() == ("failed", "stream_contested")
    assert "192.0.2.7:5" in str(rig.service.status().reason)


async def test_manual_waits_for_a_command_at_every_start(tmp_path: Path) -> None:
    for _ in range(2):
        rig = Rig(tmp_path, mode="manual")
        await rig.passes(1)
        assert rig.state() == ("stopped", None)
        assert rig.camera.encoding == [False]
        assert rig.child.status.pid is None
        outcome = await rig.command(action="start")
        assert outcome.result["enabled"] is True
        await settled()
        assert rig.child.status.pid is not None
        await rig.close()


async def test_the_mode_is_set_live_and_remembered(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    await rig.passes(1)
    outcome = await rig.command(mode="on_demand")
    assert (outcome.applied, outcome.result["mode"]) == ({"mode": "on_demand"}, "on_demand")
    assert rig.camera.encoding == [True, False]
    await rig.close()
    again = Rig(tmp_path)
    assert again.service.status().mode == "on_demand"
    await again.close()


async def test_a_stop_is_remembered(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    await rig.command(action="OFF")
    await rig.close()
    again = Rig(tmp_path)
    assert again.service.status().enabled is False
    await again.close()


async def test_a_dry_run_changes_nothing(rig: Rig) -> None:
    outcome = await rig._commands.execute("stream", {"action": "stop"}, cause="a test", dry_run=True)
    assert outcome.applied == {"action": "stop"}
    assert rig.service.status().enabled is True


async def test_a_command_that_says_nothing_is_refused(rig: Rig) -> None:
    with pytest.raises(RefusedError, match="give an 'action' or a 'mode'"):
        await rig.command()


async def test_encoding_is_mended_where_the_camera_does_otherwise(rig: Rig) -> None:
    rig.camera.away = True
    await rig.passes(1)
    assert rig.camera.encoding == [True]
    rig.camera.away = False
    rig.camera.beat = Beat(frames=1, encoding=False)
    await rig.passes(10)
    assert 3 <= len(rig.camera.encoding) <= 4
    rig.camera.beat = Beat(frames=2, encoding=True)
    count = len(rig.camera.encoding)
    await rig.passes(10)
    assert len(rig.camera.encoding) == count


async def test_without_an_api_a_hanging_server_is_noticed(tmp_path: Path) -> None:
    rig = Rig(tmp_path, api=False)
    await rig.publishes()
    assert rig.state() == ("publishing", None)
    assert (rig.seen.state, rig.seen.readers) == ("unknown", None)
    for _ in range(20):
        rig.server.pending += RATE // 2
        await rig.passes(0.5, publishing=True)
    assert rig.state() == ("failed", "server_silent")
    await rig.close()
