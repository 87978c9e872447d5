"""The shipped Node-RED flows, as far as they can be checked without Node-RED."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

DIRECTORY = Path(__file__).parents[2] / "topics" / "node-red"
PAGE = DIRECTORY / "flows.json"
EXAMPLES = sorted((DIRECTORY / "examples").glob("*.json"))
FILES = [PAGE, *EXAMPLES]

# What Node-RED 5 and Dashboard 2.0 bring; anything else would need a palette.
KNOWN_TYPES = {
    *("tab", "subflow", "subflow:edge-agent-command", "comment", "catch", "status", "debug"),
    *(
        "mqtt-broker",
        "mqtt in",
        "mqtt out",
        "link in",
        "link out",
        "http in",
        "http response",
        "http request",
    ),
    *("function", "change", "switch", "delay", "trigger"),
    *("ui-base", "ui-theme", "ui-page", "ui-group", "ui-template"),
}


def nodes(*files: Path) -> list[dict[str, Any]]:
    return [node for file in files for node in json.loads(file.read_text(encoding="utf-8"))]


@pytest.fixture(params=FILES, ids=lambda file: file.stem)
def file(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def test_the_three_examples_are_there() -> None:
    assert [example.stem for example in EXAMPLES] == ["alert", "doorbell", "night-switch"]


def test_it_is_written_so_that_a_change_can_be_reviewed(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert text == json.dumps(json.loads(text), indent=2, ensure_ascii=False) + "\n"


def test_ids_are_unique_over_all_files_and_can_be_read() -> None:
    ids = [node["id"] for node in nodes(*FILES)]
    assert len(ids) == len(set(ids))
    assert [name for name in ids if not re.fullmatch(r"[a-z]+(-[a-z]+)+", name)] == []


def test_only_types_that_need_no_other_palette(file: Path) -> None:
    assert {node["type"] for node in nodes(file)} - KNOWN_TYPES == set()


def test_every_reference_leads_to_a_node(file: Path) -> None:
    """An example stands on the page's broker and subflow."""
    there = {node["id"]: node for node in nodes(*{PAGE, file})}
    for node in nodes(file):
        wired = [target for output in node.get("wires", []) for target in output]
        missing = [target for target in wired if there.get(target, {}).get("z") != node.get("z")]
        assert missing == [], f"{node['id']} is wired to what is not on its tab"
        config = [node[key] for key in ("z", "broker", "group", "page", "ui", "theme") if node.get(key)]
        config += node.get("links", [])
        if node["type"] != "mqtt-broker":
            assert [name for name in config if name not in there] == [], node["id"]
    types = {node["type"] for node in nodes(file)}
    assert "subflow:edge-agent-command" not in types or "edge-agent-command" in there


def test_links_know_of_each_other() -> None:
    there = {node["id"]: node for node in nodes(PAGE)}
    links = [node for node in there.values() if node["type"] in {"link in", "link out"}]
    assert links
    for node in links:
        assert all(node["id"] in there[other]["links"] for other in node["links"])


def test_every_tab_says_what_it_does_and_shows_its_faults(file: Path) -> None:
    for tab in (node for node in nodes(file) if node["type"] == "tab"):
        assert tab["info"].startswith("# "), tab["id"]
        catching = [node for node in nodes(file) if node["type"] == "catch" and node["z"] == tab["id"]]
        assert [bool(node["wires"][0]) for node in catching] == [True], tab["id"]


def test_one_broker_from_the_environment_and_no_credentials() -> None:
    brokers = [node for node in nodes(*FILES) if node["type"] == "mqtt-broker"]
    assert [(node["broker"], node["port"]) for node in brokers] == [("${MQTT_HOST}", "${MQTT_PORT}")]
    assert [node["id"] for node in nodes(*FILES) if "credentials" in node] == []


def test_commands_are_never_retained() -> None:
    sending = [node for node in nodes(*FILES) if node["type"] == "mqtt out"]
    assert sending
    assert {node["retain"] for node in sending} == {"false"}


def test_pictures_are_read_as_bytes_and_documents_as_json() -> None:
    reading = [node for node in nodes(*FILES) if node["type"] == "mqtt in"]
    assert reading
    for node in reading:
        expected = "buffer" if node["topic"].endswith("image/latest") else "auto-detect"
        assert node["datatype"] == expected, node["id"]


def test_templates_are_what_the_dashboard_can_read() -> None:
    """It reads them as HTML, where no tag closes itself, and takes one export and nothing beside it."""
    templates = [node for node in nodes(PAGE) if node["type"] == "ui-template"]
    assert len(templates) == 3
    for node in templates:
        markup, script = node["format"].split("<script>")
        assert re.findall(r"<[^<]*/>", markup) == [], node["id"]
        assert script.strip().startswith("export default {"), node["id"]
