"""What is shipped for systemd and dpkg agrees with the agent; tests/packages runs it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from edge_agent.config import load
from edge_agent.feature import discover
from edge_agent.updates.helper import Helper

CHECKOUT = Path(__file__).parent.parent
SYSTEMD = CHECKOUT / "systemd"
UNITS = ("edge-agent.service", "edge-agent@.service")
# Where Debian's name is not python3-<name>.
ARCHIVE = {"pyyaml": "python3-yaml", "pillow": "python3-pil", "av": "python3-av"}


def _values(unit: str, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", (SYSTEMD / unit).read_text(), re.MULTILINE)


def _credentials(unit: str) -> list[str]:
    return [value.partition(":")[0] for value in _values(unit, "LoadCredential")]


def test_both_units_take_the_same_credentials_each_by_its_own_name() -> None:
    one, several = (_values(unit, "LoadCredential") for unit in UNITS)
    assert [value.replace(":edge-agent.", ":edge-agent-%i.") for value in one] == several


@pytest.mark.parametrize("name", _credentials(UNITS[0]))
def test_every_credential_of_a_unit_is_a_key_of_the_configuration(name: str, tmp_path: Path) -> None:
    directory = tmp_path / "credentials"
    directory.mkdir()
    (directory / name).write_text("rtsp://localhost/secret")
    companions = {
        "mqtt.password": {"EDGE_AGENT_MQTT__USERNAME": "agent"},
        "mqtt.tls.key": {"EDGE_AGENT_MQTT__TLS__CERT": "cert.pem"},
        "stream.server.password": {"EDGE_AGENT_STREAM__SERVER__USERNAME": "agent"},
    }
    features = discover().values()
    configuration = load(
        None,
        environ=companions.get(name, {}),
        sections={key: model for feature in features for key, model in feature.sections().items()},
        credentials_directory=directory,
        default_path=tmp_path / "none.yaml",
    )
    assert list(configuration.warnings) == []
    assert name in {line.path for line in configuration.explain() if line.origin == f"credential {name}"}


def test_the_two_units_differ_by_their_instance_only() -> None:
    one, several = ((SYSTEMD / unit).read_text().partition("# ---- the sandbox")[2] for unit in UNITS)
    assert one
    assert one == several


def test_what_is_left_of_an_update_is_done_in_the_same_sandbox() -> None:
    units = ("edge-agent-update@.service", "edge-agent-update-resume.service")
    one, other = (
        (SYSTEMD / unit).read_text().partition("# ---- the sandbox")[2].partition("\n[Install]")[0].strip()
        for unit in units
    )
    assert one
    assert one == other


def test_who_may_ask_for_an_update_is_the_agents_own_user() -> None:
    [group], [socket] = (_values("edge-agent-update.socket", key) for key in ("SocketGroup", "ListenStream"))
    assert _values("edge-agent-update.socket", "SocketMode") == ["0660"]
    assert [group] == _values("edge-agent.service", "Group") == _values("edge-agent@.service", "Group")
    assert Path(socket) == Helper().socket


def test_the_package_depends_on_what_the_agent_does() -> None:
    with (CHECKOUT / "pyproject.toml").open("rb") as file:
        dependencies = tomllib.load(file)["project"]["dependencies"]
    wanted = {}
    for dependency in dependencies:
        match = re.fullmatch(r"([A-Za-z0-9-]+)>=([0-9.]+).*", dependency)
        assert match is not None
        wanted[ARCHIVE.get(match[1].lower(), f"python3-{match[1].lower()}")] = match[2]
    control = (SYSTEMD / "debian/control").read_text()
    depends = re.findall(r"(python3-[a-z0-9-]+) \(>= (?:\d+:)?([0-9.]+)\)", control)
    assert dict(depends) == wanted
