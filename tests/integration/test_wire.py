"""The contract as a stranger sees it: topics in, topics out, of a whole agent on a real broker."""

from __future__ import annotations

import io
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.agent_process import AgentProcess
from tests.brokers import Mosquitto
from tests.listener import Listener


@pytest.fixture
def agent(tmp_path: Path, mosquitto: Mosquitto, listener: Listener) -> Iterator[AgentProcess]:
    with AgentProcess(tmp_path, port=mosquitto.port, listener=listener) as process:
        process.online()
        process.running()
        yield process


def test_a_birth_says_everything_and_online_last(agent: AgentProcess, listener: Listener) -> None:
    topics = [seen.topic for seen in listener.seen]
    own = [topic.removeprefix(f"{agent.base}/") for topic in topics if topic.startswith(agent.base)]
    first_online = own.index("availability")
    assert {"capabilities", "status", "heartbeat"} <= set(own[:first_online])


def test_status_always_carries_all_its_keys(agent: AgentProcess) -> None:
    status = agent.status(since=0)
    documented = "time node link camera stream snapshot profile schedule day_night desired features problems"
    assert set(documented.split()) <= status.keys()
    assert {"driver", "state", "reason", "settings", "sensor", "effective_limits"} <= status["camera"].keys()
    stream_keys = {"state", "reason", "since", "url", "fps", "bitrate_bps", "frames", "dropped", "reconnects"}
    assert stream_keys <= status["stream"].keys()


def test_capabilities_hold_the_schema_of_every_command(agent: AgentProcess, listener: Listener) -> None:
    seen = listener.wait(f"{agent.base}/capabilities", lambda message: message.json["camera"] is not None)
    commands = seen.json["commands"]
    assert {
        "exposure",
        "focus",
        "framerate",
        "settings",
        "snapshot",
        "stream",
        "day_night",
    } <= commands.keys()
    assert commands["framerate"]["main"] == "fps"
    assert commands["framerate"]["arguments"]["properties"]["fps"]["unit"] == "fps"
    assert seen.json["camera"]["controls"]["exposure.gain"]["max"] == 16.0


def test_a_setting_is_clamped_told_and_read_back(agent: AgentProcess) -> None:
    since = agent._listener.mark()
    reply = agent.command("framerate", {"fps": 500})
    assert (reply["state"], reply["requested"], reply["clamped"]) == ("done", {"fps": 500}, ["fps"])
    applied = reply["applied"]["fps"]
    assert applied < 500
    agent.status(lambda status: status["camera"]["settings"]["video"]["fps"] == applied, since=since)


def test_manual_exposure_is_seen_by_the_sensor(agent: AgentProcess) -> None:
    since = agent._listener.mark()
    reply = agent.command("exposure", {"time_us": 5000, "gain": 2.0})
    assert reply["applied"] == {"time_us": 5000, "gain": 2.0, "mode": "manual"}
    status = agent.status(lambda status: status["camera"]["sensor"]["exposure_us"] == 5000, since=since)
    assert status["camera"]["sensor"]["analogue_gain"] == 2.0


@pytest.mark.parametrize(
    ("command", "payload", "key", "value"),
    [
        ("framerate", "10", "fps", 10.0),
        ("white_balance", "daylight", "mode", "daylight"),
        ("resolution", "640x480", "width", 640),
        ("focus", '"manual"', "mode", "manual"),
    ],
)
def test_a_main_argument_may_come_bare(
    agent: AgentProcess, listener: Listener, command: str, payload: str, key: str, value: Any
) -> None:
    since = listener.mark()
    listener.publish(f"{agent.base}/cmd/{command}", payload)
    reply = listener.wait(
        f"{agent.base}/reply/{command}",
        lambda seen: seen.json["state"] not in {"accepted", "running"},
        since=since,
    ).json
    assert (reply["state"], reply["applied"][key]) == ("done", value)


def test_a_settings_patch_is_all_or_nothing(agent: AgentProcess) -> None:
    before = agent.running()["camera"]["settings"]
    reply = agent.command(
        "settings", {"image": {"contrast": 2.0}, "exposure": {"mode": "auto", "time_us": 100}}
    )
    assert (reply["state"], reply["error"]["code"]) == ("rejected", "contradiction")
    assert agent.status()["camera"]["settings"] == before


def test_a_dry_run_changes_nothing(agent: AgentProcess) -> None:
    reply = agent.command("image", {"contrast": 99}, dry_run=True)
    assert (reply["state"], reply["applied"], reply["clamped"]) == ("done", {"contrast": 32.0}, ["contrast"])
    assert agent.status()["camera"]["settings"]["image"]["contrast"] == 1.0


def test_strict_refuses_what_would_be_clamped(agent: AgentProcess) -> None:
    reply = agent.command("image", {"contrast": 99}, strict=True)
    assert reply["state"] == "rejected"
    assert (reply["error"]["code"], reply["error"]["field"]) == ("out_of_range", "image.contrast")


def test_all_nodes_and_groups_answer_on_their_own_topic(agent: AgentProcess, listener: Listener) -> None:
    for base in ("edge/v1/@all", "edge/v1/@group/outdoor"):
        listener.publish(f"{base}/cmd/refresh", {"id": base})
        listener.wait(f"{agent.base}/reply/refresh", lambda seen, base=base: seen.json["id"] == base)  # type: ignore[misc] # a lambda's default


def test_a_retained_command_is_never_executed(agent: AgentProcess, listener: Listener) -> None:
    since = listener.mark()
    listener.publish(f"{agent.base}/cmd/framerate", "7", retain=True)
    # The broker delivers it live first, without the flag; a restart of the agent gets the stored one.
    agent.command("framerate", {"fps": 15})
    agent.stop()
    since = listener.mark()
    agent.start()
    refused = listener.wait(f"{agent.base}/event/command", since=since)
    assert (refused.json["event_type"], refused.json["code"]) == ("refused", "retained")
    assert agent.running(since=since)["camera"]["settings"]["video"]["fps"] == 15.0
    listener.publish(f"{agent.base}/cmd/framerate", b"", retain=True)


def test_a_repeated_id_is_not_executed_twice_also_after_a_kill(
    agent: AgentProcess, listener: Listener
) -> None:
    first = agent.command("snapshot", id="once")
    assert first["state"] == "done"
    again = agent.command("snapshot", id="once")
    assert again["result"]["id"] == first["result"]["id"]
    agent.signal(signal.SIGKILL)
    since = listener.mark()
    agent.start()
    agent.running(since=since)
    after_the_kill = agent.command("snapshot", id="once")
    assert after_the_kill["result"]["id"] == first["result"]["id"]
    assert agent.status()["snapshot"]["count"] == 0


def test_a_snapshot_is_a_picture_of_the_stream_size(agent: AgentProcess, listener: Listener) -> None:
    since = listener.mark()
    reply = agent.command("snapshot")
    picture = listener.wait(f"{agent.base}/image/latest", since=since)
    image = Image.open(io.BytesIO(picture.payload))
    assert (image.format, image.size) == ("JPEG", (320, 240))
    assert reply["result"]["size_bytes"] == len(picture.payload)
    assert not picture.retain


def test_an_autofocus_scan_says_how_it_ended(agent: AgentProcess) -> None:
    reply = agent.command("focus_trigger", {"timeout_s": 10})
    assert (reply["state"], reply["result"]["state"]) == ("done", "focused")


def test_day_and_night_apply_their_profiles(agent: AgentProcess, listener: Listener) -> None:
    since = listener.mark()
    reply = agent.command("day_night", {"mode": "night"})
    assert (reply["state"], reply["result"]["profile"]) == ("done", "night")
    status = agent.status(lambda status: status["profile"]["active"] == "night", since=since)
    assert status["camera"]["settings"]["exposure"]["exposure_mode"] == "long"
    assert status["profile"]["cause"].startswith("command t")


def test_what_was_set_outlives_a_restart_of_the_agent(agent: AgentProcess, listener: Listener) -> None:
    agent.command("image", {"contrast": 1.5})
    since = listener.mark()
    reply = agent.command("restart", {"target": "agent"}, timeout_s=30)
    assert reply["state"] == "done"
    assert agent.running(since=since)["camera"]["settings"]["image"]["contrast"] == 1.5


def test_a_clean_stop_says_stopped_and_the_will_says_offline(agent: AgentProcess, listener: Listener) -> None:
    since = listener.mark()
    agent.signal(signal.SIGKILL)
    will = listener.wait(f"{agent.base}/availability", since=since)
    assert will.json["state"] == "offline"
    since = listener.mark()
    agent.start()
    born = agent.online(since=since)
    assert born.json["epoch"] > will.json["epoch"]
    since = listener.mark()
    assert agent.stop() == 0
    assert listener.wait(f"{agent.base}/availability", since=since).json["state"] == "stopped"


def test_a_foreign_word_on_its_availability_is_put_right(agent: AgentProcess, listener: Listener) -> None:
    born = agent.online()
    since = listener.mark()
    listener.publish(f"{agent.base}/availability", {"state": "offline", "epoch": 1}, retain=True)
    right = listener.wait(
        f"{agent.base}/availability", lambda seen: seen.json["state"] == "online", since=since
    )
    assert right.json == born.json


def test_a_burst_of_changes_is_a_few_messages(agent: AgentProcess, listener: Listener) -> None:
    since = listener.mark()
    replies = [agent.command("image", {"contrast": 1 + step / 64}) for step in range(40)]
    assert [reply["state"] for reply in replies] == ["done"] * 40
    agent.status(lambda status: status["camera"]["settings"]["image"]["contrast"] == 1 + 39 / 64, since=since)
    published = [seen for seen in listener.seen[since:] if seen.topic == f"{agent.base}/status"]
    seconds = published[-1].at_s - published[0].at_s
    assert len(published) <= 2 * seconds + 2
    assert json.loads(published[-1].payload)["camera"]["settings"]["image"]["contrast"] == 1 + 39 / 64


def test_a_schedule_switches_profiles(tmp_path: Path, mosquitto: Mosquitto, listener: Listener) -> None:
    schedules = tmp_path / "schedules"
    schedules.mkdir()
    (schedules / "soon.yaml").write_text('soon: {cron: "*/2 * * * * *", profile: night}\n')
    with AgentProcess(
        tmp_path, port=mosquitto.port, listener=listener, profiles={"directories": [str(schedules)]}
    ) as agent:
        agent.status(lambda status: status["profile"]["active"] == "night", since=0)
        since = listener.mark()
        agent.command("profile", {"name": "day"})
        back = agent.status(
            lambda status: (
                status["profile"]["active"] == "night" and status["profile"]["cause"] == "schedule soon"
            ),
            since=since,
        )
        assert back["schedule"]["entries"][0]["next"] is not None


def test_what_was_asked_and_what_holds_stand_side_by_side(agent: AgentProcess, listener: Listener) -> None:
    since = listener.mark()
    agent.command("image", {"contrast": 99, "saturation": 2})
    status = agent.status(lambda status: status["camera"]["differs"], since=since)
    assert status["camera"]["differs"] == {"image.contrast": {"asked": 99, "holds": 32.0}}
    since = listener.mark()
    agent.command("image", {"contrast": 2})
    agent.status(lambda status: not status["camera"]["differs"], since=since)


def test_capabilities_say_which_settings_stop_the_stream(agent: AgentProcess, listener: Listener) -> None:
    seen = listener.wait(f"{agent.base}/capabilities", lambda message: message.json["camera"] is not None)
    assert seen.json["settings"].keys() == seen.json["camera"]["controls"].keys()
    assert seen.json["settings"]["video.width"] == {
        "description": "Width of the picture",
        "unit": "px",
        "interrupts_stream": True,
    }
    assert seen.json["settings"]["exposure.time_us"]["interrupts_stream"] is False
