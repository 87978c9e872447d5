"""A real agent with a wanted state and a hold, over kills and restarts."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.agent_process import AgentProcess
from tests.brokers import Mosquitto, mosquitto_executable
from tests.listener import Listener

pytestmark = pytest.mark.timeout(120)


def desired(version: int) -> Any:
    return lambda status: (
        status["desired"]["version"] == version and status["desired"]["state"] in ("applied", "failed")
    )


def written(path: Path, text: str) -> None:
    """Wait until settings are on the disk: they are some seconds later, so that a slider does not wear it."""
    deadline = time.monotonic() + 20
    while not path.exists() or text not in path.read_text():
        assert time.monotonic() < deadline, f"{text} is not in {path}"
        time.sleep(0.05)  # until it is looked at again


def test_a_node_that_was_away_comes_back_to_what_is_wanted_and_to_what_was_held(tmp_path: Path) -> None:
    if mosquitto_executable() is None:
        pytest.skip("needs mosquitto: apt-get install mosquitto")
    with (
        Mosquitto(tmp_path) as broker,
        Listener(broker.port, "#") as listener,
        AgentProcess(tmp_path, port=broker.port, listener=listener) as agent,
    ):

        def want(document: object) -> None:
            listener.publish(f"{agent.base}/desired", document, retain=True)

        agent.online()
        agent.running()
        want({"version": 1, "profile": "night", "settings": {"image": {"contrast": 1.4}}})
        status = agent.status(desired(1))
        assert (status["desired"]["error"], status["profile"]["active"]) == (None, "night")
        assert status["camera"]["settings"]["image"]["contrast"] == 1.4
        assert status["camera"]["last_change"]["cause"] == "desired 1"

        # Held by hand, it is not undone by a reconnect, nor by a kill.
        assert agent.command("profile", {"name": "indoor", "hold": "until_released"})["state"] == "done"
        written(tmp_path / "state/settings.json", '"image.contrast": 1.0')
        agent.signal(signal.SIGKILL)
        mark = listener.mark()
        agent.start()
        status = agent.status(
            lambda status: desired(1)(status) and status["camera"]["state"] == "running", since=mark
        )
        assert (status["profile"]["active"], status["profile"]["hold"]["until"]) == ("indoor", None)
        assert status["desired"]["drift"]["image.contrast"] == {"wanted": 1.4, "now": 1.0}

        # What was published while it was away is brought about when it is back.
        agent.stop()
        want({"version": 2, "settings": {"image": {"saturation": 0.5}}})
        mark = listener.mark()
        agent.start()
        status = agent.status(desired(2), since=mark)
        assert (status["desired"]["state"], status["desired"]["drift"]) == ("applied", {})
        assert status["profile"]["differs"]["image.saturation"] == {"profile": 1.0, "now": 0.5}

        # One with a fault changes nothing.
        want({"version": 3, "profile": "day", "settings": {"image": {"saturation": "much"}}})
        status = agent.status(desired(3))
        assert status["desired"]["error"]["field"] == "settings.image.saturation"
        assert (status["desired"]["applied_version"], status["profile"]["active"]) == (2, "indoor")
        assert json.dumps(status["problems"]).count("desired_failed") == 1
