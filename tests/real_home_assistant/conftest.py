"""One Home Assistant, one broker, one agent, for all tests here: they come and go in a known order."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.agent_process import AgentProcess
from tests.brokers import Mosquitto, mosquitto_executable
from tests.listener import Listener
from tests.real_home_assistant.home_assistant import HomeAssistant
from tests.rtsp_servers import ReceiverProcess, free_port

_CHECKOUT = Path(__file__).parents[2]
DOCUMENTATION = _CHECKOUT / "docs/home-assistant.md"
_AUTOMATION = re.compile(r"```yaml\n(- alias:.*?)```", re.DOTALL)


def documented_automations() -> list[str]:
    """Return the automations that the documentation shows; there is no telephone here, so it is an event."""
    text = DOCUMENTATION.read_text()
    telephone = "- action: notify.mobile_app_phone\n      data:"
    return _AUTOMATION.findall(text.replace(telephone, "- event: telephone\n      event_data:"))


@dataclass(frozen=True)
class House:
    """What is in it."""

    home: HomeAssistant
    broker: Mosquitto
    agent: AgentProcess
    listener: Listener
    receiver: ReceiverProcess


@pytest.fixture(scope="session")
def venv() -> Path:
    """Where Home Assistant is installed."""
    if "HOME_ASSISTANT_VENV" not in os.environ:
        pytest.skip("needs Home Assistant in an environment of its own: tests/real_home_assistant/run")
    if mosquitto_executable() is None:
        pytest.skip("needs mosquitto: apt-get install mosquitto")
    return Path(os.environ["HOME_ASSISTANT_VENV"])


@pytest.fixture(scope="module")
def house(venv: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    directory: Path = tmp_path_factory.mktemp("house")
    port = free_port()
    shutil.copytree(_CHECKOUT / "schedules/profiles", directory / "schedules/profiles")
    stream = {"url": f"rtsp://127.0.0.1:{port}/porch", "enabled": True, "width": 640, "height": 480}
    with (
        Mosquitto(directory) as broker,
        Listener(broker.port, "#") as listener,
        ReceiverProcess(port=port, picture=directory / "stream.jpg") as receiver,
        AgentProcess(
            directory,
            port=broker.port,
            listener=listener,
            stream=stream,
            profiles={"directories": [str(directory / "schedules")]},
        ) as agent,
        HomeAssistant(
            venv, directory / "home", broker_port=broker.port, automations="\n".join(documented_automations())
        ) as home,
    ):
        yield House(home=home, broker=broker, agent=agent, listener=listener, receiver=receiver)
