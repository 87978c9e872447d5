"""What a person sees of an update in a real Home Assistant. Run by `run`, see there."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent_process import AgentProcess
from tests.brokers import Mosquitto
from tests.listener import Listener
from tests.real_home_assistant.home_assistant import HomeAssistant
from tests.updates.machine import FakeHelper, Machine

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "machine")


@pytest.fixture
def helper() -> Iterator[FakeHelper]:
    with tempfile.TemporaryDirectory() as short, FakeHelper(Path(short)) as helper:
        yield helper


def test_it_is_shown_installed_and_followed(
    venv: Path, tmp_path: Path, machine: Machine, helper: FakeHelper
) -> None:
    machine.candidate("1.1")
    environ = {
        "PATH": machine.path,
        "UPDATE_SOCKET": str(helper.socket),
        "UPDATE_RESULT": str(helper.result),
    }
    with (
        Mosquitto(tmp_path) as broker,
        Listener(broker.port, "#") as listener,
        AgentProcess(
            tmp_path,
            port=broker.port,
            listener=listener,
            module="tests.updates.agent",
            environ=environ,
            updates={"install": True},
        ) as agent,
        HomeAssistant(venv, tmp_path / "home", broker_port=broker.port) as home,
    ):
        home.wait("the device", home.devices)
        # Nobody has looked yet.
        home.wait_state("agent", "unknown")
        agent.command("update", {"action": "check"})
        home.wait_state("agent", "on")
        shown = home.attributes("agent")
        assert (shown["installed_version"], shown["latest_version"]) == ("1.0", "1.1")
        assert (shown["in_progress"], shown["update_percentage"]) == (False, None)
        home.call("update.install", "agent")
        assert helper.asked()["version"] == "1.1"
        helper.say({"state": "accepted"}, {"state": "running", "step": "install", "progress": 0.4})
        home.wait("the progress", lambda: home.attributes("agent")["update_percentage"] == 40)
        assert home.attributes("agent")["in_progress"] is True
        machine.package("1.1")
        helper.say({"state": "done", "message": "1.1 is installed and online"})
        helper.cut()
        # Done without the restart that it mostly causes: the version is read at the next look.
        home.wait("its end", lambda: home.attributes("agent")["in_progress"] is False)
        agent.command("update", {"action": "check"})
        home.wait_state("agent", "off")
        assert home.attributes("agent")["installed_version"] == "1.1"
        assert home.complaints() == []
