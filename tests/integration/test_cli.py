"""The command line as a person or a script uses it: real processes, their output and their exit codes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.agent_process import AgentProcess
from tests.brokers import Mosquitto, free_port, mosquitto_executable
from tests.listener import Listener

pytestmark = pytest.mark.timeout(120)

_REPOSITORY = Path(__file__).parents[2]


def _edge_agent(*words: str | Path) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("EDGE_AGENT_")}
    return subprocess.run(
        [sys.executable, "-m", "edge_agent", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=_REPOSITORY,
        env={**environ, "COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"},
    )


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AgentProcess]:
    if mosquitto_executable() is None:
        pytest.skip("needs mosquitto: apt-get install mosquitto")
    directory = tmp_path_factory.mktemp("cli")
    with (
        Mosquitto(directory) as broker,
        Listener(broker.port, "#") as listener,
        AgentProcess(directory, port=broker.port, listener=listener) as agent,
    ):
        agent.online()
        agent.running()
        yield agent


def _config(directory: Path, **sections: object) -> Path:
    path = directory / "config.yaml"
    path.write_text(yaml.safe_dump({"node": {"id": "porch"}, **sections}))
    path.chmod(0o600)
    return path


# ---- check


def test_check_refuses_a_target_that_what_is_installed_cannot_reach(tmp_path: Path) -> None:
    done = _edge_agent("check", "--config", _config(tmp_path, stream={"url": "whips://u:hush@host/cam/whip"}))
    assert done.returncode == 2
    assert done.stderr.startswith("stream.url: 'whips' cannot be published to: ")
    assert "hush" not in done.stdout + done.stderr


def test_check_explains_the_configuration(tmp_path: Path) -> None:
    config = _config(tmp_path, mqtt={"host": "broker.example", "username": "porch", "password": "hunter2"})
    ran = _edge_agent("check", "-c", config)
    assert ran.returncode == 0, ran.stderr
    assert re.search(r"mqtt\.host +broker\.example +\S*config\.yaml", ran.stdout)
    assert re.search(r"mqtt\.root +edge/v1 +default", ran.stdout)
    assert "The configuration can be used." in ran.stdout
    assert "hunter2" not in ran.stdout + ran.stderr


def test_check_as_json_is_one_document(tmp_path: Path) -> None:
    ran = _edge_agent(
        "check", "-c", _config(tmp_path, mqtt={"username": "porch", "password": "hunter2"}), "--json"
    )
    lines = {line["key"]: line for line in json.loads(ran.stdout)}
    assert lines["node.id"]["value"] == "porch"
    assert "hunter2" not in ran.stdout


def test_check_names_the_key_that_was_meant(tmp_path: Path) -> None:
    ran = _edge_agent("check", "-c", _config(tmp_path, mqtt={"hots": "broker.example"}))
    assert ran.returncode == 2
    assert ran.stdout == ""
    assert "hots" in ran.stderr
    assert "'host'" in ran.stderr
    assert "config.yaml" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_check_of_a_file_that_is_not_there(tmp_path: Path) -> None:
    ran = _edge_agent("check", "-c", tmp_path / "none.yaml")
    assert ran.returncode == 2
    assert "none.yaml" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_check_tells_the_faults_of_profiles_with_line_and_key(tmp_path: Path) -> None:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles/p.yaml").write_text("a: {extends: b}\nb: {extends: a}\nc: {extend: a}\n")
    ran = _edge_agent("check", "-c", _config(tmp_path, profiles={"directories": [str(tmp_path)]}))
    assert ran.returncode == 1
    assert "p.yaml, line 1" in ran.stderr
    assert "in a loop: a -> b -> a" in ran.stderr
    assert "p.yaml, line 3: profile 'c': unknown key 'c.extend'; did you mean 'extends'?" in ran.stderr
    assert "can be used" not in ran.stdout


# ---- send


def test_send_prints_what_was_applied(live: AgentProcess) -> None:
    ran = _edge_agent("send", "-c", live.path, "exposure", "time_us=2000", "gain=1.5")
    assert ran.returncode == 0, ran.stderr
    assert re.search(r"^done in [\d.]+ ms$", ran.stdout, re.MULTILINE)
    assert "  time_us = 2000" in ran.stdout
    assert "  gain = 1.5" in ran.stdout


def test_send_says_what_was_clamped_and_why(live: AgentProcess) -> None:
    ran = _edge_agent("send", "-c", live.path, "framerate", "500")
    assert ran.returncode == 0, ran.stderr
    assert re.search(r"  fps = [\d.]+  \(clamped: .+\)", ran.stdout)
    kept = _edge_agent("send", "-c", live.path, "framerate", "20")
    assert "clamped" not in kept.stdout


def test_send_as_json_prints_each_reply_on_a_line(live: AgentProcess) -> None:
    ran = _edge_agent("send", "-c", live.path, "snapshot", "--json")
    assert ran.returncode == 0, ran.stderr
    replies = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [reply["state"] for reply in replies] == ["accepted", "done"]
    assert replies[-1]["result"]["sha256"]


def test_send_with_strict_is_refused_with_2(live: AgentProcess) -> None:
    ran = _edge_agent("send", "-c", live.path, "image", "contrast=99", "--strict")
    assert ran.returncode == 2
    assert "rejected" in ran.stderr
    assert "contrast" in ran.stderr


def test_send_as_json_ends_with_2_too(live: AgentProcess) -> None:
    ran = _edge_agent("send", "-c", live.path, "image", "contrats=1", "--json")
    assert ran.returncode == 2
    assert json.loads(ran.stdout)["error"]["code"] == "invalid_arguments"


def test_send_with_dry_run_changes_nothing(live: AgentProcess) -> None:
    before = live.status()["camera"]["settings"]
    ran = _edge_agent("send", "-c", live.path, "image", '{"contrast": 3}', "--dry-run")
    assert ran.returncode == 0
    assert "contrast = 3.0" in ran.stdout
    assert live.status()["camera"]["settings"] == before


def test_send_to_a_node_that_is_not_there_ends_with_4(live: AgentProcess) -> None:
    ran = _edge_agent("send", "-c", live.path, "--node", "nobody", "refresh", "--timeout", "1")
    assert ran.returncode == 4
    assert "no answer from 'nobody' within 1 s" in ran.stderr


def test_send_without_a_broker_ends_with_5(tmp_path: Path) -> None:
    port = free_port()
    ran = _edge_agent("send", "-c", _config(tmp_path), "-b", f"127.0.0.1:{port}", "refresh", "--timeout", "2")
    assert ran.returncode == 5
    assert str(port) in ran.stderr
    assert "Traceback" not in ran.stderr


def test_send_refuses_words_that_do_not_fit_together(live: AgentProcess) -> None:
    ran = _edge_agent("send", "-c", live.path, "exposure", "time_us=2000", "auto")
    assert ran.returncode == 2
    assert "key=value" in ran.stderr
    pixels = _edge_agent("send", "-c", live.path, "resolution", "big")
    assert pixels.returncode == 2
    assert "1280x720" in pixels.stderr


# ---- watch, cameras, contract, help


def test_watch_once_shows_the_node(live: AgentProcess) -> None:
    ran = _edge_agent("watch", "-c", live.path, "--once")
    assert ran.returncode == 0, ran.stderr
    assert re.search(r"porch\W+online\W+running", ran.stdout)


def test_watch_once_as_json_is_one_line_a_node(live: AgentProcess) -> None:
    ran = _edge_agent("watch", "-c", live.path, "--once", "--json")
    (line,) = map(json.loads, ran.stdout.splitlines())
    assert (line["node"], line["state"], line["camera"]) == ("porch", "online", "running")


def test_watch_without_a_broker_ends_with_5(tmp_path: Path) -> None:
    ran = _edge_agent("watch", "-c", _config(tmp_path), "-b", f"127.0.0.1:{free_port()}", "--once")
    assert ran.returncode == 5
    assert "no connection to the broker" in ran.stderr


def test_cameras_shows_what_auto_takes() -> None:
    ran = _edge_agent("cameras", "--json")
    assert ran.returncode == 0, ran.stderr
    entries = json.loads(ran.stdout)
    assert {"simulated", "file"} <= {entry["driver"] for entry in entries}
    assert sum(entry["chosen"] for entry in entries) == 1
    table = _edge_agent("cameras")
    assert all(entry["driver"] in table.stdout for entry in entries)


def test_the_published_contract_is_up_to_date() -> None:
    ran = _edge_agent("contract", "--check")
    assert (ran.returncode, ran.stdout) == (0, "")


def test_contract_is_written_and_then_up_to_date(tmp_path: Path) -> None:
    stale = _edge_agent("contract", tmp_path, "--check")
    assert stale.returncode == 1
    assert "stale" in stale.stdout
    assert list(tmp_path.iterdir()) == []
    assert _edge_agent("contract", tmp_path).returncode == 0
    assert _edge_agent("contract", tmp_path, "--check").returncode == 0


@pytest.mark.parametrize("command", ["run", "check", "send", "watch", "cameras", "contract", "demo"])
def test_every_command_has_help(command: str) -> None:
    ran = _edge_agent(command, "--help")
    assert ran.returncode == 0
    assert f"{command} [OPTIONS]" in ran.stdout
    assert command in _edge_agent("--help").stdout


def test_the_version() -> None:
    assert re.fullmatch(r"edge-agent \d+\.\d+\.\d+\n", _edge_agent("--version").stdout)


def test_an_unknown_command_ends_with_2() -> None:
    assert _edge_agent("sned").returncode == 2
