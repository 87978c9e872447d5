"""Two streams of one camera, each to a server of its own: what happens to one is the other's no matter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.agent_process import AgentProcess
from tests.brokers import Mosquitto
from tests.listener import Listener
from tests.rtsp_servers import ReceiverProcess, free_port

pytestmark = pytest.mark.timeout(120)


def _states(status: Any) -> tuple[str, str]:
    return status["stream"]["state"], status["stream"]["sub"]["state"]


def test_a_substream_comes_fails_and_stops_for_itself(
    tmp_path: Path, mosquitto: Mosquitto, listener: Listener
) -> None:
    main = ReceiverProcess(port=free_port(), picture=tmp_path / "main.jpg")
    small = ReceiverProcess(port=free_port(), picture=tmp_path / "sub.jpg")
    stream = {"url": main.url, "enabled": True, "sub": {"enabled": True, "url": small.url, "width": 160}}
    with main, AgentProcess(tmp_path, port=mosquitto.port, listener=listener, stream=stream) as agent:
        status = agent.status(lambda seen: _states(seen) == ("publishing", "failed"), since=0)
        assert status["stream"]["sub"]["code"] == "stream_unreachable"
        assert {problem["code"] for problem in status["problems"]} == {"substream_down"}
        with small:
            status = agent.status(lambda seen: _states(seen) == ("publishing", "publishing"))
            assert status["stream"]["sub"]["url"] == small.url
            small.wait_for_frames(10)
            assert (small.last["width"], small.last["height"]) == (160, 120)
            frames = main.last["frames"]
            main.wait_for_frames(frames + 10)
            assert agent.command("stream", {"action": "stop"})["state"] == "done"
            agent.status(lambda seen: _states(seen) == ("stopped", "stopped"))
            assert agent.command("stream", {"action": "start"})["state"] == "done"
            status = agent.status(lambda seen: _states(seen) == ("publishing", "publishing"))
        assert status["stream"]["reconnects"] == 1
        agent.status(lambda seen: _states(seen) == ("publishing", "failed"))
