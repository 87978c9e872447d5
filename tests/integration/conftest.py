"""A real broker, a listener on it, and what an agent on it needs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent_process import AgentProcess
from tests.brokers import Mosquitto, mosquitto_executable
from tests.listener import Listener


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    if mosquitto_executable() is None:
        pytest.skip("needs mosquitto: apt-get install mosquitto")
    with Mosquitto(tmp_path) as broker:
        yield broker


@pytest.fixture
def listener(mosquitto: Mosquitto) -> Iterator[Listener]:
    with Listener(mosquitto.port, "#") as client:
        yield client


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[AgentProcess, Listener]]:
    """One agent for all examples of a property, streaming to nobody."""
    if mosquitto_executable() is None:
        pytest.skip("needs mosquitto: apt-get install mosquitto")
    directory: Path = tmp_path_factory.mktemp("live")
    with (
        Mosquitto(directory) as broker,
        Listener(broker.port, "#") as listener,
        AgentProcess(directory, port=broker.port, listener=listener) as agent,
    ):
        agent.online()
        agent.running()
        yield agent, listener
