"""The agent's event loop is never held up: a watcher looks at every callback of a whole agent's life."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.agent_process import AgentProcess
from tests.brokers import Mosquitto, free_port
from tests.integration.watched_agent import LIMIT_S
from tests.listener import Listener
from tests.rtsp_servers import ReceiverProcess

pytestmark = pytest.mark.timeout(120)


class _WatchedAgent(AgentProcess):
    """An agent that says at its end what its event loop did."""

    def start(self) -> None:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("EDGE_AGENT_")}
        program = [
            "-m",
            "tests.integration.watched_agent",
            str(self._report),
            "run",
            "--config",
            str(self.path),
        ]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, *program], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environ
            )

    def report(self) -> Any:
        """Stop it and return what was seen."""
        assert self.stop() == 0
        return json.loads(self._report.read_text())

    @property
    def _report(self) -> Path:
        return self.path.with_name("report.json")


@pytest.fixture
def agent(tmp_path: Path, mosquitto: Mosquitto, listener: Listener) -> Iterator[_WatchedAgent]:
    with ReceiverProcess(port=free_port(), picture=tmp_path / "stream.jpg") as receiver:
        profiles = {"directories": [str(_SCHEDULES)]}
        stream = {"enabled": True, "url": receiver.url}
        with _WatchedAgent(
            tmp_path, port=mosquitto.port, listener=listener, stream=stream, profiles=profiles
        ) as process:
            process.online()
            process.running()
            yield process


_BEFORE_IT_CONNECTS = ("agent.run > listener.packet_listener", "agent.run > dispatcher.end_open_commands")
_SCHEDULES = Path(__file__).parents[2] / "schedules"


def _publishing(status: Any) -> bool:
    return bool(status["stream"]["state"] == "publishing")


def test_nothing_holds_the_event_loop_up(
    agent: _WatchedAgent, mosquitto: Mosquitto, listener: Listener
) -> None:
    agent.status(_publishing, since=0)
    for step in range(20):
        assert agent.command("image", {"contrast": 1 + step / 64})["state"] == "done"
    listener.publish(f"{agent.base}/cmd/exposure", b"\x00" * 60_000)
    listener.publish(f"{agent.base}/cmd/exposure", b"[" * 10_000)
    for command, arguments in (
        ("settings", {"image": {"sharpness": 2.0}, "exposure": {"ev": 1}}),
        ("resolution", {"width": 640, "height": 480}),
        ("profile", {"name": "night"}),
        ("day_night", {"mode": "day"}),
        ("snapshot", {"width": 1920, "height": 1080, "quality": 95}),
        ("images", {"action": "get"}),
        ("images", {"action": "get", "size": "thumbnail"}),
        ("images", {"action": "delete", "before": "2999-01-01T00:00:00Z"}),
        ("refresh", {}),
        ("stream", {"action": "stop"}),
        ("stream", {"action": "start"}),
    ):
        assert agent.command(command, arguments)["state"] == "done"

    since = listener.mark()
    mosquitto.kill()
    mosquitto.start()
    agent.online(since=since, timeout_s=30)
    assert agent.command("snapshot")["state"] == "done"

    camera = agent.child("camera")
    since = listener.mark()
    os.kill(camera, signal.SIGKILL)
    agent.status(lambda status: status["camera"]["restarts"] == 1, since=since, timeout_s=30)
    agent.running(since=listener.mark())

    report = agent.report()
    assert report["callbacks"] > 500, "the watcher saw the loop"
    assert report["slow"] == [], f"more than {LIMIT_S * 1000:g} ms of CPU time in one callback"
    assert _after_the_start(report["blocking"]) == []


def test_a_journal_that_is_full_is_made_shorter_without_waiting_for_the_disk(
    tmp_path: Path, mosquitto: Mosquitto, listener: Listener
) -> None:
    commands = {"dedup_entries": 10}
    with _WatchedAgent(tmp_path, port=mosquitto.port, listener=listener, commands=commands) as agent:
        agent.running()
        # Two lines a command; the file is written anew after 2 * 10 + 100.
        for _ in range(80):
            assert agent.command("image", {"contrast": 1.0})["state"] == "done"
        report = agent.report()
    assert len((tmp_path / "state" / "journal.jsonl").read_text().splitlines()) < 160, "it was written anew"
    blocking = _after_the_start(report["blocking"])
    # Like its appends it goes as far as the kernel's cache: what would wait for the disk is not there.
    assert blocking
    assert [call for call in blocking if not (call.startswith("open ") and "journal._compact" in call)] == []


def test_the_watcher_sees_what_it_is_to_see() -> None:
    program = """
import asyncio, json, os, sys, tempfile, time
from tests.integration.watched_agent import Watcher
watcher = Watcher()
watcher.install()
async def main():
    time.sleep(0)
    with tempfile.TemporaryFile() as file:
        os.fsync(file.fileno())
    await asyncio.to_thread(time.sleep, 0.01)
    started_s = time.thread_time()
    while time.thread_time() - started_s < 0.03: pass
asyncio.run(main())
time.sleep(0)
print(json.dumps(watcher.report()))
"""
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30
    )
    report = json.loads(ran.stdout)
    assert len(report["slow"]) == 1
    kinds = [what.split()[0] for what in report["blocking"]]
    assert sorted(set(kinds)) == ["open", "os.fsync", "time.sleep"]
    assert kinds.count("time.sleep") == 1


def _after_the_start(blocking: list[str]) -> list[str]:
    """Leave out what is done once, before the agent connects: nobody waits for it then."""
    return [what for what in blocking if not any(name in what for name in _BEFORE_IT_CONNECTS)]
