"""The shipped access list on a real mosquitto: who may do what, and what an agent says that may not."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_agent.contract.access import emqx_rules, mosquitto_rules
from tests.agent_process import AgentProcess
from tests.brokers import Mosquitto
from tests.listener import Listener

SHIPPED = Path(__file__).parents[2] / "topics/acl/mosquitto.acl"
PORCH = {"username": "porch", "password": "secret"}
USERS = ("porch", "gate", "operator", "dashboard", "homeassistant")


def _mosquitto(directory: Path, rules: str) -> Mosquitto:
    (directory / "acl").write_text(rules)
    (directory / "acl").chmod(0o600)
    passwords = directory / "passwords"
    passwords.touch(mode=0o600)
    for user in USERS:
        subprocess.run(["mosquitto_passwd", "-b", str(passwords), user, "secret"], check=True)
    return Mosquitto(
        directory,
        f"allow_anonymous false\npassword_file {passwords}\nacl_file {directory / 'acl'}\n",
    )


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with _mosquitto(tmp_path, SHIPPED.read_text()) as broker:
        yield broker


def _allowed(broker: Mosquitto, user: str, topic: str) -> bool:
    """Whether a message of `user` on `topic` is taken: MQTT 5 says so."""
    command = ["mosquitto_pub", "-V", "5", "-q", "1", "-u", user, "-P", "secret"]
    command += ["-p", str(broker.port), "-t", topic, "-m", "x"]
    said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    return "Not authorized" not in said.stderr + said.stdout and said.returncode == 0


@pytest.mark.parametrize(
    ("user", "topic", "allowed"),
    [
        ("porch", "edge/v1/porch/status", True),
        ("porch", "edge/v1/porch/reply/exposure", True),
        ("porch", "edge/v1/porch/event/stream", True),
        ("porch", "edge/v1/porch/image/latest", True),
        ("porch", "homeassistant/device/porch/config", True),
        ("porch", "edge/v1/gate/status", False),
        ("porch", "edge/v1/gate/cmd/restart", False),
        ("porch", "edge/v1/@all/cmd/restart", False),
        ("porch", "edge/v1/porch/desired", False),
        ("porch", "homeassistant/device/gate/config", False),
        ("porch", "homeassistant/status", False),
        ("operator", "edge/v1/porch/cmd/restart", True),
        ("operator", "edge/v1/@all/cmd/refresh", True),
        ("operator", "edge/v1/@group/outdoor/cmd/refresh", True),
        ("operator", "edge/v1/porch/desired", True),
        ("operator", "edge/v1/porch/status", False),
        ("dashboard", "edge/v1/porch/cmd/restart", False),
        ("dashboard", "edge/v1/porch/status", False),
        ("homeassistant", "edge/v1/porch/cmd/stream", True),
        ("homeassistant", "homeassistant/status", True),
        ("homeassistant", "edge/v1/porch/desired", False),
    ],
)
def test_everyone_may_do_his_part_and_no_more(
    broker: Mosquitto, user: str, topic: str, allowed: bool
) -> None:
    assert _allowed(broker, user, topic) is allowed


def test_an_agent_lives_by_the_shipped_list(broker: Mosquitto, tmp_path: Path) -> None:
    with (
        Listener(broker.port, "edge/v1/#", user="operator", password="secret") as listener,
        AgentProcess(tmp_path, port=broker.port, listener=listener, mqtt=PORCH) as agent,
    ):
        agent.online()
        assert agent.command("refresh")["state"] == "done"
        status = agent.status()
        assert status["link"]["denied_subscriptions"] == []
        assert status["link"]["denied_publishes"] == []
        assert status["problems"] == []


def test_what_is_denied_is_told(tmp_path: Path) -> None:
    rules = mosquitto_rules().replace("pattern write edge/v1/%u/capabilities\n", "")
    with (
        _mosquitto(tmp_path, rules) as broker,
        Listener(broker.port, "edge/v1/#", user="operator", password="secret") as listener,
        AgentProcess(tmp_path, port=broker.port, listener=listener, mqtt=PORCH) as agent,
    ):
        agent.online()
        status = agent.status(lambda status: "publish_denied" in _codes(status), since=0)
        (problem,) = (one for one in status["problems"] if one["code"] == "publish_denied")
        assert "edge/v1/porch/capabilities" in problem["message"]


def test_emqx_could_read_its_list(tmp_path: Path) -> None:
    """EMQX reads it by this very call, and takes rules of these forms (its `emqx_authz_rule`)."""
    erlang = shutil.which("erl")
    if erlang is None:
        pytest.skip("needs Erlang: apt-get install erlang-base")
    program = (
        f"{{ok, Rules}} = file:consult({json.dumps(str(SHIPPED.parent / 'emqx.conf'))}),"
        "Known = fun ({deny, all}) -> true;"
        " ({allow, {user, [_ | _]}, Action, [_ | _]}) -> lists:member(Action, [publish, subscribe]);"
        " ({allow, {username, {re, Name}}, Action, [_ | _]}) ->"
        "  {ok, Compiled} = re:compile(list_to_binary(Name)),"
        '  [nomatch = re:run(Bad, Compiled) || Bad <- ["+", "#", "porch/cmd", ""]],'
        '  {match, _} = re:run("front_porch-2", Compiled),'
        "  lists:member(Action, [publish, subscribe]) end,"
        "true = lists:all(Known, Rules), {deny, all} = lists:last(Rules),"
        'io:format("~p rules", [length(Rules)]), halt().'
    )
    ran = subprocess.run(
        [erlang, "-noshell", "-eval", program],
        cwd=tmp_path,  # where it writes why it failed
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert (ran.returncode, re.sub(r"\d+", "n", ran.stdout)) == (0, "n rules"), ran.stdout + ran.stderr


def _codes(status: Any) -> set[str]:
    return {problem["code"] for problem in status["problems"]}


def test_the_shipped_files_say_what_is_declared() -> None:
    assert SHIPPED.read_text() == mosquitto_rules()
    assert (SHIPPED.parent / "emqx.conf").read_text() == emqx_rules()
