"""An update as it is seen on the wire, over the restarts that it causes."""

from __future__ import annotations

import json
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.agent_process import FINAL, AgentProcess
from tests.brokers import Mosquitto, mosquitto_executable
from tests.listener import Listener
from tests.updates.machine import FakeHelper, Machine

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(mosquitto_executable() is None, reason="needs mosquitto: apt-get install mosquitto"),
]


class House:
    """A broker, and an agent that came as a package and may be updated."""

    def __init__(self, agent: AgentProcess, listener: Listener, helper: FakeHelper, machine: Machine) -> None:
        self.agent, self.listener, self.helper, self.machine = agent, listener, helper, machine

    def replies(self) -> list[Any]:
        topic = f"{self.agent.base}/reply/update"
        return [seen.json for seen in self.listener.seen if seen.topic == topic]

    def finals(self) -> list[Any]:
        return [reply for reply in self.replies() if reply["state"] in FINAL]

    def events(self) -> list[str]:
        topic = f"{self.agent.base}/event/update"
        return [seen.json["event_type"] for seen in self.listener.seen if seen.topic == topic]

    def updates(self, **wanted: Any) -> Any:
        """Wait for a status in which `updates` has these."""
        return self.agent.status(lambda status: wanted.items() <= (status["updates"] or {}).items(), since=0)[
            "updates"
        ]

    def home_assistant(self) -> Any:
        """Return the entity as it was last discovered."""
        topic = "homeassistant/device/porch/config"
        return [seen.json["components"]["agent"] for seen in self.listener.seen if seen.topic == topic][-1]

    def installing(self, document: dict[str, Any]) -> str:
        """Begin an installation of 2.0; returns the helper's id of it."""
        self.machine.candidate("2.0")
        assert self.agent.command("update", {"action": "check"})["result"]["newer"] is True
        self.listener.publish(f"{self.agent.base}/cmd/update", document)
        request = self.helper.asked()
        assert (request["action"], request["version"]) == ("install", "2.0")
        self.helper.say({"state": "accepted"}, {"state": "running", "step": "install", "progress": 0.4})
        self.updates(state="installing", step="install", progress=0.4, target="2.0")
        self.helper.write(id=request["id"], state="running", step="install", progress=0.4)
        return str(request["id"])


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    machine = Machine(tmp_path / "machine")
    # A socket's path is short.
    with (
        tempfile.TemporaryDirectory() as short,
        Mosquitto(tmp_path) as broker,
        Listener(broker.port, "#") as listener,
        FakeHelper(Path(short)) as helper,
    ):
        (tmp_path / "run").mkdir()
        environ = {
            "PATH": machine.path,
            "RUNTIME_DIRECTORY": str(tmp_path / "run"),
            "UPDATE_SOCKET": str(helper.socket),
            "UPDATE_RESULT": str(helper.result),
        }
        with AgentProcess(
            tmp_path,
            port=broker.port,
            listener=listener,
            module="tests.updates.agent",
            environ=environ,
            updates={"install": True},
        ) as agent:
            agent.online()
            agent.running()
            house = House(agent, listener, helper, machine)
            house.updates(installed="1.0", source="apt", installable=True)
            yield house


def test_an_update_is_found_and_offered(house: House, tmp_path: Path) -> None:
    house.machine.candidate("1.1")
    reply = house.agent.command("update", {"action": "check"})
    assert house.helper.refreshes == 1
    assert (reply["state"], reply["result"]["latest"], reply["result"]["newer"]) == ("done", "1.1", True)
    status = house.updates(latest="1.1")
    assert (status["installed"], status["state"], status["error"]) == ("1.0", "idle", None)
    event = house.listener.wait(f"{house.agent.base}/event/update").json
    assert (event["event_type"], event["latest"]) == ("available", "1.1")
    house.listener.wait(
        "homeassistant/device/porch/config", lambda seen: "command_topic" in seen.json["components"]["agent"]
    )
    assert json.loads(house.home_assistant()["payload_install"]) == {"action": "install"}
    # The helper waits for this word of the process that runs.
    assert json.loads((tmp_path / "run/online.json").read_text())["pid"] == house.agent.pid


@pytest.mark.parametrize(
    ("document", "end"),
    [
        ({"id": "a1", "action": "install"}, signal.SIGKILL),
        # As Home Assistant's button does it.
        ({"action": "install"}, signal.SIGTERM),
    ],
)
def test_the_command_outlives_the_restart_and_is_answered_once(
    house: House, document: dict[str, Any], end: signal.Signals
) -> None:
    helper_id = house.installing(document)
    checks = len(house.finals())
    house.helper.cut()
    house.agent.signal(end)
    house.agent.stop()
    house.machine.package("2.0")
    since = house.listener.mark()
    house.agent.start()
    house.agent.status(lambda status: status["updates"]["installed"] == "2.0", since=since)
    assert len(house.finals()) == checks
    house.helper.write(id=helper_id, state="running", step="online", progress=0.7)
    house.agent.status(lambda status: status["updates"]["step"] == "online", since=since)
    house.helper.write(id=helper_id, state="done", message="2.0 is installed and online")
    house.agent.status(lambda status: status["updates"]["state"] == "idle", since=house.listener.mark())
    house.listener.wait(f"{house.agent.base}/event/update", lambda seen: seen.json["event_type"] == "done")
    # Another restart has nothing left to answer.
    house.agent.stop()
    house.agent.start()
    house.agent.running(since=house.listener.mark())
    [final] = house.finals()[checks:]
    assert (final["id"], final["state"]) == (document.get("id"), "done")
    assert final["applied"] == {"version": "2.0"}


def test_what_was_rolled_back_is_a_failed_command_and_a_problem_until_there_is_a_newer_one(
    house: House,
) -> None:
    helper_id = house.installing({"id": "a1", "action": "install"})
    house.helper.cut()
    house.agent.signal(signal.SIGKILL)
    house.agent.start()
    message = "edge-agent.service did not come online, and stay so, within 120 s; 1.0 is back"
    house.helper.write(id=helper_id, state="rolled_back", message=message)
    final = house.listener.wait(
        f"{house.agent.base}/reply/update", lambda seen: seen.json["id"] == "a1" and bool(seen.json["error"])
    ).json
    assert (final["state"], final["error"]["code"]) == ("failed", "update_rolled_back")
    since = house.listener.mark()
    # The agent that has just begun has to look what there is first.
    status = house.agent.status(
        lambda status: (
            (status["updates"]["state"], status["updates"]["installed"], status["updates"]["latest"])
            == ("rolled_back", "1.0", "2.0")
        ),
        since=since,
    )
    assert status["updates"]["error"] == message
    [problem] = [entry for entry in status["problems"] if entry["code"] == "update_rolled_back"]
    assert problem["message"] == f"2.0: {message}"
    # It is known after a restart, too.
    house.agent.stop()
    since = house.listener.mark()
    house.agent.start()
    house.agent.status(lambda status: status["updates"]["state"] == "rolled_back", since=since)
    house.machine.candidate("2.1")
    house.agent.command("update", {"action": "check"})
    since = house.listener.mark()
    status = house.agent.status(
        lambda status: (status["updates"]["latest"], status["updates"]["state"]) == ("2.1", "idle"),
        since=since,
    )
    assert "update_rolled_back" not in {entry["code"] for entry in status["problems"]}
    assert house.events() == ["available", "installing", "rolled_back", "available"]
