"""What becomes of a publisher's beats: status, events, problems, and who is restarted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from edge_agent.processes.channel import Message
from edge_agent.stream.messages import BEAT
from tests.stream.stream_rig import Rig


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    made = Rig(tmp_path, api=False)
    await made.passes(0.5)
    yield made
    await made.close()


async def test_before_the_first_beat_it_is_starting(rig: Rig) -> None:
    assert rig.state() == ("connecting", None)
    assert rig.service.status().reason == "the publisher is starting"
    assert rig.codes() == set()


async def test_a_failure_is_told_once_however_often_it_is_tried(rig: Rig) -> None:
    for attempt in range(1, 4):
        rig.beats("connecting", attempts=attempt, code="stream_unreachable" if attempt > 1 else None)
        rig.beats("failed", code="stream_unreachable", reason="refused", attempts=attempt)
        await rig.passes(1)
    assert rig.state() == ("failed", "stream_unreachable")
    assert rig.service.status().attempts == 3
    assert rig.told("stream") == ["connecting", "failed"]
    (problem,) = rig.problems.document()
    assert (problem["code"], "refused" in problem["message"]) == ("stream_down", True)


async def test_another_reason_is_told_once_too(rig: Rig) -> None:
    for _ in range(3):
        rig.beats("failed", code="stream_unreachable", reason="refused")
        rig.beats("failed", code="stream_timeout", reason="silent")
    assert rig.told("stream") == ["connecting", "failed", "failed"]


async def test_since_when_is_the_state_s_and_not_its_reason_s(rig: Rig) -> None:
    rig.beats("failed", code="stream_unreachable")
    since = rig.service.status().since
    await rig.passes(5)
    rig.beats("failed", code="stream_timeout")
    assert rig.service.status().since == since
    rig.beats("publishing", begins=True)
    assert rig.service.status().since > since


async def test_rates_are_shown_when_they_say_something(rig: Rig) -> None:
    rates: dict[str, Any] = {"fps": 29.97, "bitrate_bps": 4_000_000, "keyframe_interval_s": 1.0}
    rig.beats("publishing", begins=True, since_age_s=0.2, **rates)
    young = rig.service.status()
    assert (young.state, young.fps, young.bitrate_bps, young.keyframe_interval_s) == (
        "publishing",
        None,
        None,
        None,
    )
    rig.beats("publishing", since_age_s=2.0, **rates)
    known = rig.service.status()
    assert (known.fps, known.bitrate_bps, known.keyframe_interval_s) == (29.97, 4_000_000, 1.0)
    rig.beats("failed", code="stream_unreachable", since_age_s=5.0, **rates)
    assert rig.service.status().fps is None, "what was measured before the failure is not so now"


async def test_totals_go_on_over_the_publisher_s_restarts(rig: Rig) -> None:
    rig.beats("publishing", begins=True, wrote=1000, packets=30, keyframes=1)
    rig.child.callbacks["on_down"]("was killed")
    assert rig.service.status().last_packet_age_s is None
    rig.restarted()
    rig.beats("publishing", begins=True, wrote=500, packets=15, keyframes=1)
    status = rig.service.status()
    assert (status.frames, status.bytes, status.keyframes, status.reconnects) == (45, 1500, 2, 1)


async def test_the_age_of_the_last_packet_grows_between_the_beats(rig: Rig) -> None:
    rig.beats("publishing", begins=True, last_packet_age_s=0.1)
    await rig.passes(2)
    assert rig.service.status().last_packet_age_s == 2.1


async def test_a_publisher_that_says_nothing_more_is_not_called_publishing(rig: Rig) -> None:
    rig.beats("publishing", begins=True)
    await rig.passes(2.5)
    assert rig.state() == ("publishing", None)
    await rig.passes(1)
    assert rig.state() == ("failed", "publisher_silent")
    assert rig.codes() == {"stream_down"}
    rig.beats("publishing")
    assert rig.state() == ("publishing", None)


@pytest.mark.parametrize(
    ("phase", "state", "within_s", "beyond_s"),
    [("write", "publishing", 6.4, 6.6), ("handshake", "connecting", 9.9, 10.1)],
)
async def test_a_call_that_blocks_for_too_long_ends_its_publisher(
    rig: Rig, phase: Any, state: Any, within_s: float, beyond_s: float
) -> None:
    rig.beats(state, phase=phase, phase_age_s=within_s)
    assert rig.child.restarts == []
    rig.beats(state, phase=phase, phase_age_s=beyond_s)
    (reason,) = rig.child.restarts
    assert "has been blocked for" in reason


async def test_a_publisher_that_waits_for_the_camera_is_left_alone(rig: Rig) -> None:
    rig.beats("waiting", reason="no packets from the camera for 600 s", phase="idle", phase_age_s=600.0)
    await rig.passes(2)
    assert rig.state() == ("waiting", None)
    assert rig.child.restarts == []
    assert rig.codes() == set()


async def test_nonsense_changes_nothing_and_is_logged(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    rig.beats("publishing", begins=True)
    for body in ({}, {"state": "publishing"}, {"nonsense": 1}):
        rig.child.callbacks["on_message"](Message(BEAT, body))
    rig.child.callbacks["on_message"](Message("song", {}))
    assert rig.state() == ("publishing", None)
    assert len([record for record in caplog.records if "a beat of the publisher" in record.getMessage()]) == 3


async def test_without_an_api_another_publisher_is_guessed_from_its_evictions(rig: Rig) -> None:
    await rig.is_evicted(3)
    assert rig.state() == ("failed", "stream_contested")
    assert "most likely" in str(rig.service.status().reason)
    assert rig.child.status.pid is None


async def test_sessions_of_a_server_that_restarts_are_no_contest(rig: Rig) -> None:
    for _ in range(6):
        rig.beats("connecting", attempts=3, code="stream_unreachable")
        rig.beats("publishing", begins=True)
        await rig.passes(2)
        rig.beats("failed", code="stream_unreachable")
        await rig.passes(0.5)
    assert rig.state() == ("failed", "stream_unreachable")
    assert rig.child.status.pid is not None
