"""Secrets in the configuration: never shown, and where they may come from."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest

from edge_agent.config import load
from edge_agent.errors import ConfigError
from tests.configuration.loader import Beat, Loader, explained


@pytest.mark.parametrize(
    "text",
    [
        "mqtt: {password: [hunter2]}",
        "mqtt: {password: {hunter2: hunter2}}",
        "mqtt: {password: !hunter2 x}",
        "mqtt: {password: *hunter2 }",
        "mqtt: {password: x&hunter2: y}",
        "beat: {tokens: {a: [hunter2]}}",
        "beat: {headers: {Authorization: [hunter2]}}",
        "beat: {word: hunter2}",
        "beat: {short: {X-Api-Key: hunter2}}",
        "beat: {interval_s: 'https://u:hunter2@h/'}",
        "stream: {url: 'rtmp://u:hunter2@h/'}",
        "mqtt: {username: '', password: hunter2}",
        "mqtt: {pasword: hunter2}",
    ],
)
def test_no_error_tells_a_secret(read: Loader, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert "hunter2" not in caught.value.message.replace("password.hunter2", "")
    assert "hunter2" not in "".join(traceback.format_exception(caught.value)).replace("password.hunter2", "")


def test_explaining_masks_every_secret_and_says_each_origin(read: Loader) -> None:
    configuration = read(
        "mqtt: {username: me, password: hunter2}\n"
        "camera: {options: {password: 7777, speed: 3}}\n"
        "stream:\n  url: rtsp://me:hunter2@box:8554/a\n"
        "beat:\n  headers: {Authorization: Bearer hunter2, Accept: text}\n  tokens: {a: hunter2}\n"
    )
    lines = explained(configuration)
    assert lines["mqtt.password"] == ("********", f"{read.file}:1")
    assert lines["camera.options.password"] == ("********", f"{read.file}:2")
    assert lines["camera.options.speed"] == (3, f"{read.file}:2")
    assert lines["stream.url"] == ("rtsp://me:***@box:8554/a", f"{read.file}:4")
    assert lines["stream.keyframe_interval_s"] == (1.0, "default")
    assert lines["beat.headers.Authorization"] == ("********", f"{read.file}:6")
    assert lines["beat.headers.Accept"] == ("text", f"{read.file}:6")
    assert "hunter2" not in str(lines) + repr(configuration.mqtt)
    secrets = {line.path for line in configuration.explain() if line.secret}
    assert secrets == {
        "mqtt.password",
        "camera.options.password",
        "stream.url",
        "beat.headers.Authorization",
        "beat.tokens.a",
    }


def test_a_file_with_secrets_that_everyone_may_read_is_warned_about(read: Loader) -> None:
    assert read("mqtt: {username: u, password: p}\n").warnings == ()
    read.file.chmod(0o644)
    (warning,) = load(read.file, environ={}, sections={}).warnings
    assert warning == f"{read.file}: everyone may read it and it holds mqtt.password; 'chmod o-r {read.file}'"


def test_a_credential_for_a_path_is_the_credentials_own_file(read: Loader) -> None:
    configuration = read(credentials={"mqtt.tls.cert": "PEM", "mqtt.tls.key": "PEM"})
    assert configuration.mqtt.tls is not None
    assert configuration.mqtt.tls.key == read.credentials / "mqtt.tls.key"


def test_a_credential_may_be_a_mapping_and_an_unknown_one_is_a_warning(read: Loader) -> None:
    configuration = read(credentials={"beat.headers": '{"X": "y"}', "mqtt.pasword": "x", "other": "x"})
    assert configuration.section("beat", Beat).headers == {"X": "y"}
    assert configuration.warnings == (
        "credential mqtt.pasword: no key has this name, it is not used; did you mean 'mqtt.password'?",
        "credential other: no key has this name, it is not used",
    )


def test_systemd_names_the_credentials_directory(read: Loader, tmp_path: Path) -> None:
    (tmp_path / "node.id").write_text("gate")
    assert read(environ={"CREDENTIALS_DIRECTORY": str(tmp_path)}).node.id == "gate"
    (line,) = read.error(environ={"CREDENTIALS_DIRECTORY": str(tmp_path / "node.id")})
    assert line == "credentials directory node.id: Not a directory"


def test_a_credentials_directory_that_is_not_there_holds_none(read: Loader, tmp_path: Path) -> None:
    configuration = read(environ={"CREDENTIALS_DIRECTORY": str(tmp_path / "missing")})
    (warning,) = configuration.warnings
    assert warning.endswith("missing is not there, no credentials are used")


def test_the_secrets_in_force_are_known(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(
        "mqtt: {username: u, password: hunter22}\n"
        "stream: {url: 'rtsp://agent:p%40ss@host/x'}\n"
        "camera: {driver: simulated, options: {token: qwertz}}\n"
    )
    found = load(file, environ={}, sections={}).secrets()
    assert found == {"hunter22", "p%40ss", "p@ss", "qwertz"}
