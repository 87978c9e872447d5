"""What a person sees in a real Home Assistant of an agent that it finds. Run by `run`, see there."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.agent_process import FINAL
from tests.real_home_assistant.conftest import DOCUMENTATION, House, documented_automations
from tests.real_home_assistant.newest_schemas import NewestSchemas

pytestmark = pytest.mark.timeout(240)

# What was not pressed or looked up, has not happened, is off, or is not in this machine, has nothing to say.
_MAY_BE_UNKNOWN = ("button.", "event.", "image.", "update.")
_NOT_SAID_HERE = {
    "agent",
    "colour_temperature",
    "cpu_temperature",
    "day_night_phase",
    "last_snapshot_time",
    "profile",
    "schedule_next",
    "sensor_temperature",
    "stream_viewers",
    "throttled",
    "under_voltage",
    "wifi_signal",
}
_SET_BY_HAND_ONLY = {
    "exposure_gain",
    "exposure_max_time_us",
    "exposure_min_time_us",
    "exposure_time_us",
    "focus_position",
    "video_quality",
    "white_balance_blue_gain",
    "white_balance_red_gain",
    "white_balance_temperature_k",
}


# How an entity is set to what it says, by its platform.
_SET_AGAIN: dict[str, Callable[[dict[str, Any], str | None], tuple[str, dict[str, Any]]]] = {
    "number": lambda config, state: (
        "number.set_value",
        {"value": config["min"] if state == "unknown" else float(state or 0)},
    ),
    "select": lambda config, state: (
        "select.select_option",
        {"option": config["options"][0] if state == "unknown" else state},
    ),
    "switch": lambda _, state: (f"switch.turn_{state}", {}),
    "text": lambda _, state: ("text.set_value", {"value": state}),
}


@pytest.fixture(autouse=True)
def no_complaints(house: House) -> Iterator[None]:
    yield
    assert house.home.complaints() == []


@pytest.fixture
def document(house: House) -> Any:
    return json.loads(house.listener.wait("homeassistant/device/porch/config").payload)


def wait_until_found(house: House) -> None:
    house.home.wait("the device", house.home.devices)
    house.home.wait_state("streaming", "on")
    house.home.wait("the light", lambda: 300 < float(house.home.states()["lux"]) < 700)


def test_one_device_with_what_most_people_want(house: House) -> None:
    wait_until_found(house)
    (device,) = house.home.devices()
    assert device["name"] == "Porch"
    assert device["manufacturer"] == "edge-agent"
    assert device["configuration_url"].endswith(":8889/porch")
    states = house.home.states()
    assert 20 <= len(states) <= 40  # of more than eighty
    assert {"camera", "snapshot", "stream", "profile", "day_night_auto", "problem", "agent"} <= states.keys()
    main = house.home.entities()["camera"]
    assert main["entity_id"] == "camera.porch"


def test_every_entity_is_available_with_a_sensible_state(house: House) -> None:
    house.home.enable_everything()
    entities = house.home.entities()
    silent = _NOT_SAID_HERE | _SET_BY_HAND_ONLY
    silent |= {key for key, entry in entities.items() if entry["entity_id"].startswith(_MAY_BE_UNKNOWN)}

    def unsettled() -> dict[str, str | None]:
        states = house.home.states()
        return {
            key: states.get(key)
            for key in entities
            if states.get(key) in (None, "unavailable") or (states[key] == "unknown" and key not in silent)
        }

    with suppress(TimeoutError):
        house.home.wait("a state of everything", lambda: not unsettled(), timeout_s=90)
    assert unsettled() == {}
    states = house.home.states()
    assert len(states) > 80
    assert states["exposure_mode"] == "on"
    assert states["resolution"] == "640x480"
    assert states["overlay_text"] == "{name} {date} {time}"
    assert states["stream_rtsp_url"].startswith("rtsp://")


def test_every_entity_that_the_documentation_names_is_there(house: House) -> None:
    kinds = {entry["entity_id"].partition(".")[0] for entry in house.home.entities().values()}
    named = re.findall(rf"\b((?:{'|'.join(kinds)})\.porch\w*)", DOCUMENTATION.read_text())
    assert len(set(named)) >= 10
    there = {state["entity_id"] for state in house.home.get("/api/states")}
    assert set(named) - there == set()


def test_what_is_set_there_is_set_here_and_the_other_way_round(house: House) -> None:
    home, agent = house.home, house.agent
    mark = house.listener.mark()
    home.call("number.set_value", "exposure_ev", value=1.5)
    assert agent.status(lambda s: s["camera"]["settings"]["exposure"]["ev"] == 1.5, since=mark)
    home.wait_state("exposure_ev", "1.5")
    agent.command("exposure", {"ev": -0.5})
    home.wait_state("exposure_ev", "-0.5")
    home.call("switch.turn_off", "exposure_mode")
    home.wait_state("exposure_mode", "off")
    home.call("switch.turn_on", "exposure_mode")
    home.wait_state("exposure_mode", "on")
    home.call("select.select_option", "white_balance_mode", option="daylight")
    home.wait_state("white_balance_mode", "daylight")
    home.call("text.set_value", "overlay_text", value='Gate "{name}"')
    home.wait_state("overlay_text", 'Gate "{name}"')
    home.wait_state("overlay_enabled", "on")
    home.call("select.select_option", "resolution", option="1280x720")
    home.wait_state("resolution", "1280x720")
    home.call("select.select_option", "profile", option="night")
    home.wait_state("profile", "night")
    home.call("switch.turn_on", "day_night_auto")
    home.wait_state("day_night", "auto")
    home.call("select.select_option", "day_night", option="day")
    home.wait_state("day_night_phase", "day")
    home.wait_state("day_night_auto", "off")
    home.call("select.select_option", "day_night", option="off")
    home.call("switch.turn_off", "stream")
    home.wait_state("streaming", "off")
    home.call("switch.turn_on", "stream")
    home.wait_state("streaming", "on")


def test_every_setting_that_is_offered_is_taken(house: House, document: Any) -> None:
    """Each is set to what it has, or where it has nothing to the least that is offered."""
    refused, offered = {}, document["components"]
    assert {config["platform"] for config in offered.values()} >= _SET_AGAIN.keys()
    for key, config in offered.items():
        if config["platform"] not in _SET_AGAIN:
            continue
        service, data = _SET_AGAIN[config["platform"]](config, house.home.state(key))
        topic = config["command_topic"].replace("/cmd/", "/reply/")
        mark = house.listener.mark()
        house.home.call(service, key, **data)
        reply = house.listener.wait(topic, lambda seen: seen.json["state"] in FINAL, since=mark).json
        if reply["state"] != "done" or reply["clamped"]:
            refused[key] = reply
    assert refused == {}


def test_a_snapshot_is_seen(house: House) -> None:
    home, mark = house.home, house.listener.mark()
    before = home.state("snapshot_event")
    home.call("button.press", "snapshot")
    home.wait("the event", lambda: home.state("snapshot_event") != before)
    taken = house.agent.status(lambda status: status["snapshot"]["count"] > 0, since=0)["snapshot"]
    assert home.attributes("snapshot_event")["id"] == taken["id"]
    picture = house.listener.wait("edge/v1/porch/image/latest", since=mark).payload
    assert picture.startswith(b"\xff\xd8")
    home.wait("the camera's picture", lambda: home.picture("camera") == picture)
    home.wait("the image's picture", lambda: home.picture("last_snapshot") == picture)


def test_a_saved_profile_can_be_chosen_and_a_deleted_one_not(house: House) -> None:
    def options() -> list[str]:
        found: list[str] = home.attributes("profile")["options"]
        return found

    home = house.home
    house.agent.command("profile", {"action": "save", "name": "party"})
    home.wait("the new one", lambda: "party" in options())
    home.call("select.select_option", "profile", option="party")
    home.wait_state("profile", "party")
    home.call("select.select_option", "profile", option="day")
    home.wait_state("profile", "day")
    house.agent.command("profile", {"action": "delete", "name": "party"})
    home.wait("its end", lambda: "party" not in options())


def test_a_dead_agent_is_unavailable_and_its_return_brings_all_back(house: House) -> None:
    home, agent = house.home, house.agent
    before = home.states()
    agent.signal(signal.SIGKILL)
    home.wait("all unavailable", lambda: set(home.states().values()) == {"unavailable"})
    agent.start()
    home.wait("all available", lambda: "unavailable" not in home.states().values(), timeout_s=60)
    home.wait_state("streaming", "on")
    assert home.states().keys() == before.keys()
    home.wait_state("profile", before["profile"])
    home.wait_state("exposure_ev", before["exposure_ev"])


def test_home_assistant_comes_back_to_all_of_it(house: House) -> None:
    home, mark = house.home, house.listener.mark()
    home.call("button.press", "snapshot")
    picture = house.listener.wait("edge/v1/porch/image/latest", since=mark).payload
    before = home.states()
    home.stop()
    home.start()
    home.wait("all", lambda: home.states().keys() == before.keys())
    home.wait("all available", lambda: "unavailable" not in home.states().values())
    home.wait_state("streaming", "on")
    home.wait("the picture", lambda: _shown(house) == picture)


def _shown(house: House) -> bytes | None:
    try:
        return house.home.picture("camera") or None
    except OSError:  # there is none yet
        return None


def test_a_broker_that_lost_everything_is_told_it_again(house: House) -> None:
    home, before = house.home, house.home.states()
    house.broker.kill()
    home.wait("all unavailable", lambda: set(home.states().values()) == {"unavailable"})
    mark = house.listener.mark()
    house.broker.start()
    home.wait("all available", lambda: "unavailable" not in home.states().values(), timeout_s=60)
    # Only now it hears everything: an event before that is lost, as events are.
    house.listener.wait("homeassistant/status", since=mark, timeout_s=60)
    assert home.states().keys() == before.keys()
    home.wait_state("exposure_ev", before["exposure_ev"])


def test_the_automations_of_the_documentation_work(house: House) -> None:
    home = house.home
    states = {state["entity_id"]: state for state in home.get("/api/states")}
    automations = {name: state for name, state in states.items() if name.startswith("automation.")}
    assert len(automations) == len(documented_automations()) >= 3
    assert {state["state"] for state in automations.values()} == {"on"}
    home.call("select.select_option", "profile", option="day")
    home.wait_state("profile", "day")
    before = home.state("snapshot_event")
    for name in ("automation.porch_night_by_sunset", "automation.porch_snapshot_at_the_doorbell"):
        home.post("/api/services/automation/trigger", {"entity_id": name})
    home.wait_state("profile", "night")
    home.wait("a snapshot", lambda: home.state("snapshot_event") != before)
    since = home.state("snapshot_event") or ""
    notify = "/api/states/automation.porch_notify_with_picture"
    home.wait("the message", lambda: (home.get(notify)["attributes"]["last_triggered"] or "") >= since)


def test_what_is_gone_here_is_gone_there(house: House) -> None:
    home, agent = house.home, house.agent
    assert "snapshot" in home.entities()
    agent.stop()
    configured = agent.path.read_text()
    agent.path.write_text(configured + "commands: {deny: [snapshot]}\n")
    agent.start()
    home.wait("its end", lambda: "snapshot" not in home.entities(), timeout_s=60)
    assert "camera" in home.entities()
    agent.stop()
    agent.path.write_text(configured)
    agent.start()
    home.wait("its return", lambda: "snapshot" in home.entities(), timeout_s=60)


def test_a_stopped_agent_leaves_no_doubt(house: House) -> None:
    assert house.agent.stop() == 0
    house.home.wait("all unavailable", lambda: set(house.home.states().values()) == {"unavailable"})
    house.agent.start()
    house.home.wait("all available", lambda: "unavailable" not in house.home.states().values(), timeout_s=60)


def test_nothing_of_the_document_is_dropped_or_refused(venv: Path, document: Any) -> None:
    ran = subprocess.run(
        [venv / "bin/python", Path(__file__).with_name("schema_check.py")],
        input=json.dumps(document),
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    assert json.loads(ran.stdout) == []


def test_the_check_can_say_no(venv: Path, document: Any) -> None:
    document["components"]["lux"]["unit_of_measure"] = "lx"
    document["components"]["cpu"]["state_class"] = "measured"
    ran = subprocess.run(
        [venv / "bin/python", Path(__file__).with_name("schema_check.py")],
        input=json.dumps(document),
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    found = json.loads(ran.stdout)
    assert any(line.startswith("lux") and "unit_of_measure" in line for line in found)
    assert any(line.startswith("cpu ") for line in found)


def test_the_newest_knows_every_key(document: Any) -> None:
    if "HOME_ASSISTANT_NEWEST" not in os.environ:
        pytest.skip("the newest runs here itself: its own schemas are asked")
    directory = Path(os.environ["HOME_ASSISTANT_NEWEST"])
    if not directory.is_dir():
        pytest.skip("the newest Home Assistant was never fetched")
    newest = NewestSchemas(directory)
    assert newest.unknown(document) == []
    document["components"]["lux"]["object_id"] = "lux"
    assert newest.unknown(document) == ["lux (sensor): object_id"]
