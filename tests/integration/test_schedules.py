"""Schedules of a whole agent: edited over MQTT, switching a real camera process, killed in between."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.agent_process import AgentProcess
from tests.brokers import Mosquitto
from tests.listener import Listener

# A switch each second, so that a kill is always near one.
RESTLESS = """
even: {cron: "*/2 * * * * *", profile: day}
odd: {cron: "1-59/2 * * * * *", profile: night}
broken: {cron: "0 25 * * *", profile: day}
unknown:
  cron: "0 7 * * *"
  profile: nigth
pictures: {cron: "0 0 1 1 *", command: snapshot}
"""


@pytest.fixture
def agent(tmp_path: Path, mosquitto: Mosquitto, listener: Listener) -> Iterator[AgentProcess]:
    directory = tmp_path / "schedules"
    directory.mkdir()
    (directory / "restless.yaml").write_text(RESTLESS)
    profiles = {"directories": [str(directory)], "timezone": "UTC", "latitude": 48.9, "longitude": 2.4}
    with AgentProcess(tmp_path, port=mosquitto.port, listener=listener, profiles=profiles) as process:
        process.running()
        yield process


def _holds(status: Any) -> bool:
    schedule = status["schedule"]
    return bool(
        status["camera"]["state"] == "running"
        and schedule["holds"]
        and schedule["pending"] is None
        and status["profile"]["active"] == schedule["holds"]["profile"]
        and status["profile"]["cause"] == f"schedule {schedule['holds']['schedule']}"
    )


def test_killed_again_and_again_it_comes_back_to_what_should_hold(
    agent: AgentProcess, listener: Listener
) -> None:
    agent.status(_holds)
    for _ in range(3):
        agent.signal(signal.SIGKILL)
        since = listener.mark()
        agent.start()
        agent.online(since=since)
        status = agent.status(_holds, since=since)
        assert {last["outcome"] for last in status["schedule"]["last"]} <= {"done"}


def test_what_is_wrong_is_told_with_its_line_and_the_rest_runs(agent: AgentProcess) -> None:
    status = agent.status(_holds)
    [problem] = [problem for problem in status["problems"] if problem["code"] == "schedules_invalid"]
    assert "restless.yaml, line 4: schedule 'broken': cron '0 25 * * *': hour '25'" in problem["message"]
    assert (
        "restless.yaml, line 7: schedule 'unknown': profile: there is no profile 'nigth'; did you mean"
        in (problem["message"])
    )
    # The command of a feature that starts later is known all the same.
    assert "pictures" not in problem["message"]


def test_a_schedule_is_set_over_mqtt_and_outlives_a_kill(agent: AgentProcess, listener: Listener) -> None:
    for name in ("even", "odd"):
        assert agent.command("schedule", {"action": "disable", "name": name})["state"] == "done"
    refused = agent.command(
        "schedule", {"action": "set", "name": "x", "cron": "0 7 * * *", "profile": "nigth"}
    )
    assert (refused["state"], refused["error"]["code"]) == ("rejected", "unknown_profile")
    assert "did you mean 'night'?" in refused["error"]["message"]
    refused = agent.command(
        "schedule", {"action": "set", "name": "x", "cron": "0 25 * * *", "profile": "day"}
    )
    assert (refused["state"], refused["error"]["field"]) == ("rejected", "cron")
    evening = {"sun": {"event": "sunset", "offset": "-30m"}, "profile": "night"}
    reply = agent.command("schedule", {"action": "set", "name": "evening", **evening, "if_version": 2})
    assert (reply["state"], reply["result"]["version"]) == ("done", 3)
    agent.signal(signal.SIGKILL)
    since = listener.mark()
    agent.start()
    status = agent.status(
        lambda status: status["schedule"]["version"] == 3 and status["schedule"]["next"], since=since
    )
    assert status["schedule"]["next"][0]["schedule"] == "evening"
    assert status["schedule"]["sun"]["sunset"] is not None
    saved = agent.command("schedule", {"action": "list", "name": "evening"})["result"]["schedules"][0]
    assert saved["definition"] == evening
