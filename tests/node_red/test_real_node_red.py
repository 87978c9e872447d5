"""The shipped flows in a real Node-RED, with three agents, and their page in a real browser."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.agent_process import AgentProcess
from tests.brokers import Mosquitto, free_port
from tests.listener import Listener
from tests.node_red.browser import Browser
from tests.node_red.test_flows import FILES, nodes

APP = os.environ.get("NODE_RED_APP")
pytestmark = [
    pytest.mark.skipif(APP is None, reason="takes a real Node-RED; run tests/node_red/run"),
    pytest.mark.timeout(180),
]
CHECKOUT = Path(__file__).parents[2]
CAMERAS = {"porch": 800, "gate": 4, "workshop": 220}
BUILT_IN = {"tab", "subflow", "subflow:edge-agent-command"}


@dataclass(frozen=True)
class House:
    """Three cameras, a broker and Node-RED with all the flows."""

    url: str
    listener: Listener
    agents: dict[str, AgentProcess]
    log: Path


def _wait_for(log: Path, text: str, times: int = 1) -> None:
    deadline = time.monotonic() + 60
    while log.read_text().count(text) < times:
        if time.monotonic() > deadline:
            raise TimeoutError(f"no {text!r} in Node-RED's log:\n{log.read_text()}")
        time.sleep(0.1)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    directory: Path = tmp_path_factory.mktemp("house")
    assert APP is not None
    shutil.copytree(CHECKOUT / "schedules/profiles", directory / "profiles")
    with contextlib.ExitStack() as stack:
        broker = stack.enter_context(Mosquitto(directory))
        listener = stack.enter_context(Listener(broker.port, "#"))
        agents = {}
        for name, lux in CAMERAS.items():
            (directory / name).mkdir()
            agents[name] = stack.enter_context(
                AgentProcess(
                    directory / name,
                    port=broker.port,
                    listener=listener,
                    node=name,
                    camera={"options": {"lux": lux}},
                    profiles={"directories": [str(directory)]},
                )
            )
        port = free_port()
        settings = {
            "uiHost": "127.0.0.1",
            "uiPort": port,
            "flowFile": "flows.json",
            "telemetry": {"enabled": False, "updateNotification": False},
        }
        (directory / "settings.js").write_text(f"module.exports = {json.dumps(settings)};\n")
        log = directory / "node-red.log"
        modules = Path(APP) / "node_modules"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [str(part) for part in (modules / ".bin/node", modules / "node-red/red.js", "-u", directory)],
                cwd=directory,
                env={**os.environ, "MQTT_HOST": "127.0.0.1", "MQTT_PORT": str(broker.port)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        stack.callback(process.wait, 20)
        stack.callback(process.terminate)
        _wait_for(log, "Started flows")
        url = f"http://127.0.0.1:{port}"
        headers = {"Node-RED-API-Version": "v2", "Node-RED-Deployment-Type": "full"}
        answer = requests.post(f"{url}/flows", json={"flows": nodes(*FILES)}, headers=headers, timeout=30)
        assert answer.ok, answer.text
        _wait_for(log, "Started flows", 2)
        _wait_for(log, "Connected to broker")
        for agent in agents.values():
            agent.online(timeout_s=60)
            agent.running(timeout_s=60)
        yield House(url, listener, agents, log)


def test_every_type_is_there_without_a_fault(house: House) -> None:
    answer = requests.get(f"{house.url}/nodes", headers={"Accept": "application/json"}, timeout=10)
    sets: list[dict[str, Any]] = answer.json()
    assert [one["id"] for one in sets if "err" in one] == []
    assert {node["type"] for node in nodes(*FILES)} - {t for one in sets for t in one["types"]} == BUILT_IN


def test_the_dashboard_answers(house: House) -> None:
    assert requests.get(f"{house.url}/dashboard/cameras", timeout=10).status_code == 200


def test_a_ring_brings_a_picture(house: House) -> None:
    mark = house.listener.mark()
    house.listener.publish("home/doorbell", "ON")
    picture = house.listener.wait("home/doorbell/picture", since=mark, timeout_s=30)
    assert picture.payload[:2] == b"\xff\xd8"
    served = requests.get(f"{house.url}/edge-agent/picture/porch", timeout=10)
    assert (served.status_code, served.headers["content-type"]) == (200, "image/jpeg")
    assert requests.get(f"{house.url}/edge-agent/picture/nobody", timeout=10).status_code == 404


def test_a_switch_on_the_wall_holds_the_night_and_gives_it_back(house: House) -> None:
    porch, mark = house.agents["porch"], house.listener.mark()
    house.listener.publish("home/switch/porch", "ON")
    held = porch.status(lambda said: said["profile"]["active"] == "night", since=mark)
    assert held["profile"]["hold"] is not None
    mark = house.listener.mark()
    house.listener.publish("home/switch/porch", "OFF")
    freed = porch.status(lambda said: said["profile"]["active"] == "day", since=mark)
    assert freed["profile"]["hold"] is None


def test_a_problem_in_a_status_comes_out_as_an_alert(house: House) -> None:
    problem = {"code": "lens_dirty", "since": "2026-01-01T00:00:00Z", "message": "wipe it"}
    mark = house.listener.mark()
    house.listener.publish("edge/v1/shed/status", {"node": {"name": "Shed"}, "problems": [problem]})
    alert = house.listener.wait("home/alerts", since=mark)
    assert alert.payload.decode() == "Shed: wipe it (lens_dirty)"


def test_the_page_shows_and_drives_the_cameras(house: House, tmp_path: Path) -> None:
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("needs chromium: apt-get install chromium")
    with Browser(program, tmp_path) as browser:
        browser.open(f"{house.url}/dashboard/cameras")
        for name in CAMERAS:
            browser.wait(f"document.querySelector('[data-camera={name}] img')?.naturalWidth > 0")
        browser.press("[data-camera=gate]")
        mark = house.listener.mark()
        browser.press("[data-control='image.contrast'] .v-slider-track", 0.6)
        status = house.agents["gate"].status(
            lambda said: said["camera"]["settings"]["image"]["contrast"] > 1, since=mark
        )
        shown = f"{status['camera']['settings']['image']['contrast']:g}"
        browser.wait(
            "document.querySelector('[data-control=\"image.contrast\"] [data-value]')?.innerText"
            f" === {shown!r}"
        )
        before = browser.wait("document.querySelector('[data-picture]')?.src")
        browser.press("[data-do=snapshot]")
        browser.wait(
            f"(i => i.src !== {json.dumps(before)} && i.complete && i.naturalWidth > 0)"
            "(document.querySelector('[data-picture]'))"
        )
    assert "TypeError" not in house.log.read_text()
