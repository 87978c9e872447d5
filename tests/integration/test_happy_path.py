"""A day in the life of an agent on a second broker, which shares no code with the first: amqtt."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.agent_process import AgentProcess
from tests.brokers import Amqtt
from tests.listener import Listener


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    with Amqtt(tmp_path) as broker, Listener(broker.port, "#") as client:
        yield client


def test_online_status_command_snapshot_stop(tmp_path: Path, listener: Listener) -> None:
    mqtt = {"protocol": "3.1.1"}
    with AgentProcess(tmp_path, port=listener._port, listener=listener, mqtt=mqtt) as agent:
        birth = agent.online()
        assert birth.json["epoch"] > 0
        status = agent.running()
        assert status["link"]["protocol"] == "3.1.1"
        assert status["camera"]["driver"] == "simulated"
        assert status["problems"] == []

        since = listener.mark()
        reply = agent.command("exposure", {"time_us": 4000, "gain": 2})
        assert (reply["state"], reply["applied"]["time_us"]) == ("done", 4000)
        seen = agent.status(lambda new: new["camera"]["sensor"]["exposure_us"] == 4000, since=since)
        assert seen["camera"]["settings"]["exposure"]["mode"] == "manual"
        refused = agent.command("exposure", {"tiem_us": 4000})
        assert (refused["state"], refused["error"]["code"]) == ("rejected", "invalid_arguments")

        since = listener.mark()
        taken = agent.command("snapshot", {"width": 160, "height": 120})
        assert taken["state"] == "done"
        picture = listener.wait(f"{agent.base}/image/latest", since=since).payload
        assert Image.open(io.BytesIO(picture)).size == (160, 120)
        assert hashlib.sha256(picture).hexdigest() == taken["result"]["sha256"]

        since = listener.mark()
        assert agent.stop() == 0
        last = listener.wait(f"{agent.base}/availability", since=since)
        assert last.json == {"state": "stopped", "epoch": birth.json["epoch"]}
    with Listener(listener._port, f"{agent.base}/#") as late:
        kept = late.wait(f"{agent.base}/availability")
        assert (kept.retain, kept.json["state"]) == (True, "stopped")
        assert late.wait(f"{agent.base}/status").retain
