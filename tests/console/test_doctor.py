"""What the doctor finds, at real brokers and on real disks."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from edge_agent.clock import SystemClock
from edge_agent.config import Configuration, load
from edge_agent.console.doctor.broker import broker_findings, look_at_broker
from edge_agent.console.doctor.checks import update_findings
from edge_agent.console.doctor.finding import Finding
from edge_agent.console.doctor.machine import clock_findings, power_findings, state_findings
from edge_agent.console.doctor.video import camera_findings, stream_findings
from edge_agent.health.machine import MachineReading
from edge_agent.updates.config import UpdatesConfig
from edge_agent.updates.helper import Helper
from tests.brokers import Mosquitto, free_port, mosquitto_executable
from tests.listener import Listener

BASE = "edge/v1/porch"


def configured(path: Path, **environ: object) -> Configuration:
    settings = {"node__id": "porch", "state_dir": path / "state", "camera__driver": "simulated", **environ}
    return load(
        None,
        environ={f"EDGE_AGENT_{key.upper()}": str(value) for key, value in settings.items()},
        sections={},
        default_path=path / "none.yaml",
    )


def states(findings: Iterator[Finding]) -> dict[str, str]:
    return {finding.check: finding.state for finding in findings}


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    if mosquitto_executable() is None:
        pytest.skip("needs mosquitto: apt-get install mosquitto")
    acl = tmp_path / "acl"
    acl.write_text(f"topic read {BASE}/#\nuser porch\ntopic readwrite {BASE}/#\n")
    passwords = tmp_path / "passwords"
    passwords.touch()
    subprocess.run(
        ["mosquitto_passwd", "-b", str(passwords), "porch", "right"], check=True, capture_output=True
    )
    rules = f"allow_anonymous true\npassword_file {passwords}\nacl_file {acl}"
    with Mosquitto(tmp_path, rules) as broker:
        yield broker


async def look(path: Path, port: int, **environ: object) -> list[Finding]:
    configuration = configured(path, mqtt__host="127.0.0.1", mqtt__port=port, **environ)
    view = await look_at_broker(configuration, clock=SystemClock(), connect_s=2)
    return list(broker_findings(configuration, view, now=datetime.now(UTC)))


async def test_a_broker_that_lets_it_do_all(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with Listener(mosquitto.port, f"{BASE}/#") as listener:
        found = await look(tmp_path, mosquitto.port, mqtt__username="porch", mqtt__password="right")
        assert {finding.state for finding in found} == {"ok"}
        assert any("came back" in finding.message for finding in found)
        listener.wait(f"{BASE}/event/doctor")
        # Nothing that an agent or its dashboards go by was touched.
        assert {seen.topic for seen in listener.seen} == {f"{BASE}/event/doctor"}


async def test_a_wrong_password(tmp_path: Path, mosquitto: Mosquitto) -> None:
    found = await look(tmp_path, mosquitto.port, mqtt__username="porch", mqtt__password="wrong")
    assert states(iter(found))["credentials"] == "fail"
    assert "wrong" not in str(found)


async def test_an_access_list_that_denies_writing(tmp_path: Path, mosquitto: Mosquitto) -> None:
    found = await look(tmp_path, mosquitto.port)
    [denied] = [finding for finding in found if finding.state == "fail"]
    assert denied.check == "access list"
    assert "may not write" in denied.message
    assert "topics/acl" in denied.advice


async def test_nobody_there(tmp_path: Path) -> None:
    found = await look(tmp_path, free_port())
    assert states(iter(found))["broker"] == "fail"
    assert "cannot be reached" in found[0].message


async def test_an_agent_that_died_is_told(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with Listener(mosquitto.port, f"{BASE}/#", user="porch", password="right") as listener:
        listener.publish(f"{BASE}/availability", {"state": "offline", "epoch": 1}, retain=True)
        listener.wait(f"{BASE}/availability")
    found = await look(tmp_path, mosquitto.port, mqtt__username="porch", mqtt__password="right")
    assert states(iter(found))["agent"] == "warn"


NOTHING = MachineReading(
    cpu_percent=None, load_1m=None, memory_total_bytes=None, memory_available_bytes=None,
    cpu_temperature_c=None, disk_total_bytes=None, disk_free_bytes=10**10, storage_wear=None,
    under_voltage=None, throttled=None, clock_synced=None, network=None, processes={},
)  # fmt: skip


def test_the_state_directory(tmp_path: Path) -> None:
    assert states(state_findings(tmp_path, NOTHING)) == {"state directory": "ok", "disk": "ok"}
    assert states(state_findings(tmp_path / "later", NOTHING))["state directory"] == "ok"
    assert states(state_findings(Path("/proc/none"), NOTHING))["state directory"] == "fail"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("free", "state"), [(10**10, "ok"), (100 * 2**20, "warn"), (5 * 2**20, "fail")])
def test_the_disk(tmp_path: Path, free: int, state: str) -> None:
    machine = NOTHING.model_copy(update={"disk_free_bytes": free})
    assert states(state_findings(tmp_path, machine))["disk"] == state


@pytest.mark.parametrize(
    ("reading", "check", "state"),
    [
        ({"clock_synced": False}, "clock", "warn"),
        ({"clock_synced": True}, "clock", "ok"),
        ({"under_voltage": True, "throttled": False}, "power", "fail"),
        ({"under_voltage": False, "throttled": True}, "power", "warn"),
        ({"under_voltage": False, "throttled": False}, "power", "ok"),
        ({"cpu_temperature_c": 85.0}, "temperature", "warn"),
    ],
)
def test_the_machine(tmp_path: Path, reading: dict[str, Any], check: str, state: str) -> None:
    machine = NOTHING.model_copy(update=reading)
    found = [*clock_findings(configured(tmp_path), machine), *power_findings(machine)]
    assert states(iter(found))[check] == state


@contextmanager
def answering(answer: bytes) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        thread.join(5)


@pytest.mark.parametrize(
    ("answer", "state"), [(b"RTSP/1.0 200 OK\r\n\r\n", "ok"), (b"HTTP/1.1 400\r\n", "fail")]
)
def test_the_stream_s_server(tmp_path: Path, answer: bytes, state: str) -> None:
    with answering(answer) as port:
        url = f"rtsp://agent:hunter22@127.0.0.1:{port}/porch"
        found = list(stream_findings(configured(tmp_path, stream__url=url)))
    assert states(iter(found))["stream"] == state
    assert "hunter22" not in str(found)


def test_the_camera_is_opened_unless_an_agent_has_it(tmp_path: Path) -> None:
    configuration, clock = configured(tmp_path), SystemClock()
    [opened] = camera_findings(configuration, agent_runs=False, status={}, clock=clock)
    assert (opened.state, "imx708" in opened.message) == ("ok", True)
    failing = {"camera": {"state": "failed", "reason": "no cable"}}
    [told] = camera_findings(configuration, agent_runs=True, status=failing, clock=clock)
    assert (told.state, "no cable" in told.message) == ("fail", True)


def test_a_wrong_configuration_is_a_finding(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("mqqt: {}\n")
    ran = subprocess.run(
        [sys.executable, "-m", "edge_agent", "doctor", "--json", "--config", str(file)],
        capture_output=True, text=True, timeout=50, check=False,
    )  # fmt: skip
    [finding] = json.loads(ran.stdout)
    assert (ran.returncode, finding["check"], finding["state"]) == (1, "configuration", "fail")
    assert "mqtt" in finding["message"]


@pytest.mark.parametrize(
    ("install", "there", "state", "says"),
    [
        (False, False, "ok", "updates.install is false"),
        (True, True, "ok", "may be installed"),
        (True, False, "warn", "is not there"),
    ],
)
def test_whether_updates_can_be_installed(
    tmp_path: Path, state: str, says: str, *, install: bool, there: bool
) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        if there:
            listening.bind(str(tmp_path / "u"))
        [finding] = update_findings(UpdatesConfig(install=install), Helper(socket=tmp_path / "u"))
    assert (finding.state, says in finding.message) == (state, True)
    assert bool(finding.advice) == (state == "warn")
