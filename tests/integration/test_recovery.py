"""What breaks comes back by itself, and status tells the truth all along. Processes are really killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.agent_process import AgentProcess
from tests.brokers import Mosquitto, free_port
from tests.listener import Listener
from tests.rtsp_servers import ReceiverProcess, wait_until

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[ReceiverProcess]:
    with ReceiverProcess(port=free_port(), picture=tmp_path / "stream.jpg") as process:
        yield process


@pytest.fixture
def agent(
    tmp_path: Path, mosquitto: Mosquitto, listener: Listener, receiver: ReceiverProcess
) -> Iterator[AgentProcess]:
    stream = {"enabled": True, "url": receiver.url}
    with AgentProcess(tmp_path, port=mosquitto.port, listener=listener, stream=stream) as process:
        process.status(_publishing, since=0)
        yield process


def _publishing(status: Any) -> bool:
    return bool(status["stream"]["state"] == "publishing")


def _events(agent: AgentProcess, listener: Listener, kind: str, since: int) -> list[str]:
    topic = f"{agent.base}/event/{kind}"
    return [seen.json["event_type"] for seen in listener.seen[since:] if seen.topic == topic]


def _more_frames(receiver: ReceiverProcess) -> None:
    frames = receiver.last.get("frames", 0)
    wait_until(lambda: receiver.last.get("frames", 0) > frames + 10, what="more frames at the receiver")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
def test_the_camera_process_comes_back(
    agent: AgentProcess, listener: Listener, receiver: ReceiverProcess, number: signal.Signals
) -> None:
    old = agent.child("camera")
    agent.command("image", {"contrast": 1.25})
    since = listener.mark()
    os.kill(old, number)
    # It may be back before the next status, which comes twice a second at most: the events tell it all.
    down = listener.wait(
        f"{agent.base}/event/camera", lambda seen: seen.json["event_type"] != "running", since=since
    )
    assert down.json["reason"]
    raised = listener.wait(f"{agent.base}/event/problem", since=since)
    assert (raised.json["event_type"], raised.json["code"]) == ("raised", "camera_down")
    back = agent.status(
        lambda status: status["camera"]["state"] == "running" and status["camera"]["restarts"] == 1,
        since=since,
        timeout_s=40,
    )
    assert back["camera"]["settings"]["image"]["contrast"] == 1.25
    _more_frames(receiver)
    agent.status(lambda status: _publishing(status) and not status["problems"], since=since, timeout_s=40)
    assert agent.child("camera") != old


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
def test_the_publisher_process_comes_back_and_the_camera_does_not_notice(
    agent: AgentProcess, listener: Listener, receiver: ReceiverProcess, number: signal.Signals
) -> None:
    camera, old = agent.child("camera"), agent.child("publisher")
    since = listener.mark()
    os.kill(old, number)
    listener.wait(
        f"{agent.base}/event/stream", lambda seen: seen.json["event_type"] != "publishing", since=since
    )
    listener.wait(
        f"{agent.base}/event/stream",
        lambda seen: seen.json["event_type"] == "publishing",
        since=since,
        timeout_s=40,
    )
    _more_frames(receiver)
    assert agent.child("publisher") != old
    assert agent.child("camera") == camera
    assert agent.status()["camera"]["restarts"] == 0


def test_commands_are_answered_while_both_children_are_stopped(agent: AgentProcess) -> None:
    os.kill(agent.child("publisher"), signal.SIGSTOP)
    os.kill(agent.child("camera"), signal.SIGSTOP)
    assert agent.command("refresh")["state"] == "done"
    reply = agent.command("image", {"contrast": 1.1}, timeout_s=40)
    assert reply["state"] in {"done", "failed"}
    assert reply["state"] == "done" or reply["error"]["message"]
    agent.running(since=agent._listener.mark(), timeout_s=40)


def test_a_killed_agent_leaves_no_child_behind_and_starts_again(
    agent: AgentProcess, listener: Listener, receiver: ReceiverProcess
) -> None:
    children = [agent.child("camera"), agent.child("publisher")]
    since = listener.mark()
    agent.signal(signal.SIGKILL)
    listener.wait(f"{agent.base}/availability", lambda seen: seen.json["state"] == "offline", since=since)
    since = listener.mark()
    agent.start()
    agent.status(_publishing, since=since, timeout_s=40)
    assert not any(_alive(pid) for pid in children)


def test_a_stopped_agent_is_offline_and_catches_up(
    tmp_path: Path, mosquitto: Mosquitto, listener: Listener
) -> None:
    with AgentProcess(tmp_path, port=mosquitto.port, listener=listener, mqtt={"keepalive_s": 5}) as agent:
        born = agent.online()
        since = listener.mark()
        agent.signal(signal.SIGSTOP)
        listener.wait(
            f"{agent.base}/availability",
            lambda seen: seen.json["state"] == "offline",
            since=since,
            timeout_s=30,
        )
        since = listener.mark()
        agent.signal(signal.SIGCONT)
        again = agent.online(since=since, timeout_s=30)
        assert again.json["epoch"] > born.json["epoch"]
        assert agent.command("refresh", timeout_s=20)["state"] == "done"


def test_a_broker_that_lost_everything_gets_everything_again(
    agent: AgentProcess, mosquitto: Mosquitto, listener: Listener
) -> None:
    mosquitto.kill()
    mosquitto.start()
    with Listener(mosquitto.port, "#") as fresh:
        for document in ("capabilities", "status", "heartbeat", "availability"):
            fresh.wait(f"{agent.base}/{document}", timeout_s=30)
        online = fresh.wait(f"{agent.base}/availability", lambda seen: seen.json["state"] == "online")
        assert online.json["epoch"] > 0


def test_a_server_that_goes_away_is_found_again(
    agent: AgentProcess, listener: Listener, receiver: ReceiverProcess
) -> None:
    since = listener.mark()
    receiver.kill()
    lost = agent.status(lambda status: status["stream"]["state"] == "failed", since=since)
    assert lost["stream"]["code"] == "stream_unreachable"
    assert lost["stream"]["reason"]
    assert any(problem["code"] == "stream_down" for problem in lost["problems"])
    assert agent.command("image", {"contrast": 1.1})["state"] == "done"
    agent.status(lambda status: status["stream"]["attempts"] >= 4, since=since, timeout_s=30)
    receiver.start()
    back = agent.status(_publishing, since=listener.mark(), timeout_s=30)
    assert back["stream"]["reconnects"] >= 1
    receiver.wait_for_frames(10)
    # However often it was tried in between: told once when it went, once when it was back.
    assert _events(agent, listener, "stream", since) == ["failed", "publishing"]
    assert _events(agent, listener, "problem", since) == ["raised", "solved"]


def test_a_stream_without_a_server_says_so_from_the_start(
    tmp_path: Path, mosquitto: Mosquitto, listener: Listener
) -> None:
    stream = {"enabled": True, "url": f"rtsp://user:secret@127.0.0.1:{free_port()}/x"}
    with AgentProcess(tmp_path, port=mosquitto.port, listener=listener, stream=stream) as agent:
        status = agent.status(lambda status: status["stream"]["state"] == "failed", since=0)
        assert status["stream"]["code"] == "stream_unreachable"
        assert all(b"secret" not in seen.payload for seen in listener.seen)
        assert "secret" not in agent.log()


def test_a_camera_that_is_not_there_is_told_and_the_agent_lives(
    tmp_path: Path, mosquitto: Mosquitto, listener: Listener
) -> None:
    camera = {"driver": "file", "path": str(tmp_path / "none.mp4"), "options": {}}
    with AgentProcess(tmp_path, port=mosquitto.port, listener=listener, camera=camera) as agent:
        status = agent.status(lambda status: status["camera"]["state"] == "failed", since=0)
        assert "none.mp4" in status["camera"]["reason"]
        reply = agent.command("exposure", {"ev": 1})
        assert (reply["state"], reply["error"]["code"]) == ("failed", "camera_unavailable")


def test_stopping_the_stream_stops_it_and_it_stays_stopped(
    agent: AgentProcess, listener: Listener, receiver: ReceiverProcess
) -> None:
    assert agent.command("stream", {"action": "stop"})["state"] == "done"
    stopped = agent.status(lambda status: status["stream"]["state"] == "stopped", since=0)
    assert stopped["stream"]["enabled"] is False
    since = listener.mark()
    agent.stop()
    agent.start()
    after = agent.running(since=since)
    assert after["stream"]["state"] == "stopped"
    since = listener.mark()
    listener.publish(f"{agent.base}/cmd/stream", "ON")
    agent.status(_publishing, since=since, timeout_s=30)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123 - one line
        return file.read().rpartition(")")[2].split()[0] != "Z"


def test_a_rate_is_told_when_it_says_something(agent: AgentProcess, listener: Listener) -> None:
    first = listener.wait(f"{agent.base}/status", lambda seen: _publishing(seen.json)).json
    assert first["stream"]["fps"] is None
    told = agent.status(lambda status: status["stream"]["fps"] is not None, since=0)
    assert 15 < told["stream"]["fps"] < 25


def test_the_stream_s_quality_is_in_status_and_heartbeat(agent: AgentProcess, listener: Listener) -> None:
    # The first one may be shorter: whoever connects asks for a keyframe.
    status = agent.status(lambda status: (status["stream"]["keyframe_interval_s"] or 0) > 0.5, since=0)
    stream = status["stream"]
    assert stream["keyframe_interval_s"] < 1.5
    assert stream["encoder"] == "libx264"
    assert stream["dropped"] == 0
    assert set(stream["dropped_because"]) == {
        "queue_full",
        "too_large",
        "no_consumer",
        "beginning",
        "format_change",
    }
    beat = listener.wait(
        f"{agent.base}/heartbeat", lambda seen: seen.json["stream"]["fps"] is not None, timeout_s=30
    ).json["stream"]
    assert beat["state"] == "publishing"
    assert 15 < beat["fps"] < 25
    assert beat["bitrate_bps"] > 0
    assert beat["last_packet_age_s"] < 3
    assert beat["frames"] > 0
