"""The configuration: its defaults, its layers, and its errors' texts."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from edge_agent.config import CORE_SECTIONS, Section, load
from edge_agent.configuration.document import MAX_BYTES
from edge_agent.configuration.sections import clean_node_id
from edge_agent.errors import ConfigError
from tests.configuration.loader import Beat, Loader, explained


def test_nothing_set_gives_the_defaults(read: Loader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "Front-Porch.lan")
    configuration = read()
    assert (configuration.node.id, configuration.node.name) == ("front-porch", "Front Porch")
    assert configuration.mqtt.host == "localhost"
    assert configuration.camera.driver == "auto"
    assert configuration.stream_url == "rtsp://localhost:8554/front-porch"
    assert configuration.stream.url == configuration.stream_url
    assert configuration.stream.bitrate_bps == "auto"
    assert configuration.state_dir == Path("/var/lib/edge-agent")
    assert configuration.path is None
    assert configuration.section("beat", Beat).interval_s == 30
    assert {origin for _, origin in explained(configuration).values()} == {"default"}


@pytest.mark.parametrize(
    ("host", "node"),
    [
        ("raspberrypi", "raspberrypi"),
        ("Küche 2.fritz.box", "k-che-2"),
        ("x" * 80, "x" * 64),
        ("", "edge-agent"),
        ("日本", "edge-agent"),
    ],
)
def test_a_host_name_becomes_a_node_id(host: str, node: str) -> None:
    assert clean_node_id(host) == node


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "\ufeffnode:\n", "mqtt:\n  #host: x\n"])
def test_an_empty_file_or_section_gives_the_defaults(read: Loader, text: str) -> None:
    assert read(text).mqtt.host == "localhost"


def test_credentials_win_over_the_environment_over_the_file(read: Loader) -> None:
    configuration = read(
        "mqtt: {host: file, username: file, password: file, port: 1}\n",
        environ={"EDGE_AGENT_MQTT__USERNAME": "environment", "EDGE_AGENT_MQTT__PASSWORD": "environment"},
        credentials={"mqtt.password": " credential\n"},
    )
    assert configuration.mqtt.host == "file"
    assert configuration.mqtt.username == "environment"
    assert configuration.mqtt.password == SecretStr("credential")
    lines = explained(configuration)
    assert lines["mqtt.host"] == ("file", f"{read.file}:1")
    assert lines["mqtt.username"] == ("environment", "environment variable EDGE_AGENT_MQTT__USERNAME")
    assert lines["mqtt.password"] == ("********", "credential mqtt.password")
    assert lines["mqtt.root"] == ("edge/v1", "default")


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("MQTT__PASSWORD", "12345", SecretStr("12345")),
        ("MQTT__PASSWORD", "null", SecretStr("null")),
        ("MQTT__PASSWORD", "", None),
        ("MQTT__USERNAME", "0123", "0123"),
        ("MQTT__PORT", "8883", 8883),
        ("MQTT__PORT", "null", None),
        ("MQTT__BACKOFF__MAX_S", "5", 5.0),
        ("STREAM__BITRATE_BPS", "auto", "auto"),
        ("STREAM__BITRATE_BPS", "4000000", 4_000_000),
        ("STREAM__ENABLED", "off", False),
        ("CAMERA__INDEX", "1", 1),
        ("CAMERA__OPTIONS", '{"a": [1, "x"]}', {"a": [1, "x"]}),
        ("CAMERA__OPTIONS__NORM", "1.5", 1.5),
        ("NODE__GROUPS", "outdoor, 12", ("outdoor", "12")),
        ("NODE__GROUPS", '["a","b"]', ("a", "b")),
        ("NODE__GROUPS", "", ()),
        ("BEAT__SIZES", "12,13", [12, 13]),
        ("STATE_DIR", "/data", Path("/data")),
    ],
)
def test_variables_are_read_by_what_their_key_takes(
    read: Loader, variable: str, text: str, value: object
) -> None:
    configuration = read("mqtt: {username: u}\n", environ={f"EDGE_AGENT_{variable}": text})
    found: Any = configuration.section("beat", Beat) if variable.startswith("BEAT") else configuration
    for key in variable.removeprefix("BEAT__").lower().split("__"):
        found = found[key] if isinstance(found, dict) else getattr(found, key)
    assert found == value


def test_a_variable_changes_one_key_and_leaves_its_neighbours(read: Loader) -> None:
    configuration = read(
        "camera: {options: {a: 1, b: 2}}\nmqtt: {tls: {ca: /ca.pem}}\n",
        environ={
            "EDGE_AGENT_CAMERA__OPTIONS__B": "3",
            "EDGE_AGENT_MQTT": "{root: fleet, host: whole}",
            "EDGE_AGENT_MQTT__HOST": "single",
        },
    )
    assert configuration.camera.options == {"a": 1, "b": 3}
    assert configuration.mqtt.tls is not None
    assert configuration.mqtt.tls.ca == Path("/ca.pem")
    assert (configuration.mqtt.root, configuration.mqtt.host) == ("fleet", "single")


def test_text_in_the_file_stays_as_written(read: Loader) -> None:
    configuration = read("mqtt: {username: 1e5, password: 0123, protocol: 5}\nnode: {groups: [no, 12]}\n")
    assert configuration.mqtt.username == "1e5"
    assert configuration.mqtt.password == SecretStr("0123")
    assert configuration.mqtt.protocol == "5"
    assert configuration.node.groups == ("no", "12")


def test_every_mistake_is_one_line_with_its_place(read: Loader) -> None:
    lines = read.error(
        "mqtt:\n  port: 99999\n  port: 1\n  xyz: 1\nstream:\n  bitrate_bps: fast\n  bitrat_bps: 1\n"
        "strem: {}\nlog: {level: warn}\nbeat: {interval_s: 0, size: 1}\n",
        environ={"EDGE_AGENT_STREAM__FPS": "0", "EDGE_AGENT_MQTT__HSOT": "x", "EDGE_AGENT_CAMERA": "[1"},
    )
    variable = "environment variable EDGE_AGENT_"
    bitrate = "a whole number from 10000 to 1000000000 or 'auto'"
    levels = "'debug', 'info', 'warning' or 'error'"
    known = ", ".join(CORE_SECTIONS["mqtt"].model_fields)
    assert lines == [
        f"{variable}CAMERA: this is not valid YAML: expected ',' or ']', but got '<stream end>'",
        f"{variable}MQTT__HSOT: no key has this variable; did you mean EDGE_AGENT_MQTT__HOST?",
        f"{variable}STREAM__FPS: 'stream.fps' must be a number above 0 and at most 1000 or null, not '0'",
        "edge-agent.yaml, line 2: 'mqtt.port' must be a whole number from 1 to 65535 or null, not 99999",
        "edge-agent.yaml, line 3: 'mqtt.port' is given twice; it was given in line 2",
        f"edge-agent.yaml, line 4: unknown key 'mqtt.xyz'; known here: {known}",
        f"edge-agent.yaml, line 6: 'stream.bitrate_bps' must be {bitrate}, not 'fast'",
        "edge-agent.yaml, line 7: unknown key 'stream.bitrat_bps'; did you mean 'bitrate_bps'?",
        "edge-agent.yaml, line 8: unknown key 'strem'; did you mean 'stream'?",
        f"edge-agent.yaml, line 9: 'log.level' must be {levels}, not 'warn'; did you mean 'warning'?",
        "edge-agent.yaml, line 10: unknown key 'beat.size'; did you mean 'sizes'?",
        "edge-agent.yaml, line 10: 'beat.interval_s' must be a number from 1 to 3600, not 0",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mqtt: [\n", "line 2: this is not valid YAML: expected the node content, but found '<stream end>'"),
        (
            "a: b: c\n",
            "line 1: this is not valid YAML: a key and ':' where none can be; check the indentation, and",
        ),
        ("\nmqtt: 5\n", "line 2: 'mqtt' must be a section of keys and values, not 5"),
        ("- a\n", "edge-agent.yaml: it must hold keys and values, like 'mqtt:'"),
        (
            "node: {id: Front Porch}\n",
            "line 1: 'node.id' must be text that matches ^[a-z0-9_-]{1,64}$, not 'Front Po",
        ),
        ("node: {groups: [ok, Not OK]}\n", "line 1: 'node.groups[1]' must be text that matches"),
        ("node: {groups: ok}\n", "line 1: 'node.groups' must be a list of at most 32 entries, not 'ok'"),
        ("node: {name: {a: b}}\n", "line 1: 'node.name' must be text of 1 to 128 characters, not a mapping"),
        (
            "camera: {index: 0, id: a}\n",
            "line 1: 'camera': 'index' and 'id' both choose the camera: keep one of",
        ),
        ("camera: {path: /x.mp4}\n", "line 1: 'camera': 'path' is for the driver 'file', not for 'auto'"),
        (
            "stream: {url: 'http://u:pw@h/'}\n",
            "'stream.url' must be a URL like rtsp://host:8554/name (the scheme 'http' is not known",
        ),
        ("state_dir: null\n", "line 1: 'state_dir' must be a path, not null"),
        ("a: &a [*a]\n", "line 1: unknown key 'a'; known here: node, mqtt"),
        ("camera: {options: &a {b: *a}}\n", "nested too deep, at most 32 levels are allowed"),
        (f"camera: {{options: {'[' * 5000}", "nested too deep, at most 32 levels are allowed"),
        ("? [a]\n: b\n", "line 1: a key at the top is not text"),
        ("a: \x00\n", "edge-agent.yaml: this is not valid YAML: it holds characters that are not text"),
        (
            "--- a\n--- b\n",
            "line 2: this is not valid YAML: expected a single document in the stream but found",
        ),
    ],
)
def test_messages_say_where_what_and_what_is_allowed(read: Loader, text: str, message: str) -> None:
    assert any(message in line for line in read.error(text)), read.error(text)


def test_aliases_cannot_blow_up(read: Loader) -> None:
    steps = "".join(f"  a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10))
    lines = read.error(f"camera:\n options:\n  a0: &a0 [1, 2]\n{steps}")
    assert lines == ["edge-agent.yaml: too much; at most 100000 values are allowed"]


def test_a_variable_names_the_file_and_an_argument_wins(read: Loader, tmp_path: Path) -> None:
    named = tmp_path / "named.yaml"
    named.write_text("node: {id: named}")
    assert read(environ={"EDGE_AGENT_CONFIG": str(named)}).path == named
    assert read("node: {id: given}", environ={"EDGE_AGENT_CONFIG": str(named)}).node.id == "given"


def test_the_default_file_is_read_where_it_exists(tmp_path: Path) -> None:
    default = tmp_path / "config.yaml"
    default.write_text("node: {id: found}")
    assert load(None, environ={}, sections={}, default_path=default).node.id == "found"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda _: None, "there is no such file. An empty one will do: 'touch "),
        (lambda file: file.mkdir(), "it cannot be read: Is a directory"),
        (lambda file: file.write_bytes(b"\n\xff"), "line 2: this is not UTF-8 text"),
        (lambda file: file.write_bytes(b"#" * (MAX_BYTES + 1)), f"larger than {MAX_BYTES} bytes"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(
    tmp_path: Path, make: Callable[[Path], object], message: str
) -> None:
    file = tmp_path / "config.yaml"
    make(file)
    with pytest.raises(ConfigError, match=re.escape(message)) as caught:
        load(file, environ={}, sections={})
    assert str(file) in caught.value.message


def test_sections_are_asked_for_by_name_and_model(read: Loader) -> None:
    configuration = read()
    with pytest.raises(ConfigError, match="no section 'baet' was declared as Beat; did you mean 'beat'"):
        configuration.section("baet", Beat)
    with pytest.raises(ConfigError, match="no section 'beat' was declared as Section"):
        configuration.section("beat", Section)
    with pytest.raises(ConfigError, match="declares the section 'mqtt', which is the core's own"):
        read(sections={"mqtt": Beat})


def test_a_feature_may_need_a_key(read: Loader) -> None:
    class Upload(Section):
        url: str

    assert read.error(sections={"upload": Upload}) == [
        "configuration: 'upload.url' is missing; it must be text",
    ]


def test_driver_options_hold_the_files_path(read: Loader) -> None:
    configuration = read("camera: {driver: file, path: /v.mp4, options: {loop: true}}")
    assert configuration.camera.driver_options() == {"path": "/v.mp4", "loop": True}
