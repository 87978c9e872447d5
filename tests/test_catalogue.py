from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge_agent import CONTRACT_VERSION
from edge_agent.catalogue import command_specs, write_contract
from edge_agent.contract.command import CommandSpec
from edge_agent.contract.envelope import ENVELOPE_KEYS
from edge_agent.contract.topics import COMMAND_NAME
from edge_agent.feature import discover

FEATURES = discover()
SPECS = list(command_specs(FEATURES))


def test_every_command_is_there_once() -> None:
    names = [spec.name for spec in SPECS]
    assert len(names) == len(set(names))
    assert {
        "exposure",
        "white_balance",
        "focus",
        "focus_trigger",
        "image",
        "hdr",
        "roi",
        "transform",
        "lens_correction",
        "framerate",
        "resolution",
        "bitrate",
        "encoder",
        "overlay",
        "day_night",
        "settings",
        "profile",
        "stream",
        "snapshot",
        "images",
        "refresh",
        "restart",
    } <= set(names)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_a_declaration_is_whole(spec: CommandSpec) -> None:
    assert COMMAND_NAME.fullmatch(spec.name)
    assert spec.description.endswith(".")
    fields = set(spec.arguments.model_fields)
    assert spec.main is None or spec.main in fields
    # The common keys are taken out first: an argument of their name would never arrive.
    assert not fields & set(ENVELOPE_KEYS)
    schema = spec.document()["arguments"]
    assert schema["additionalProperties"] is False
    json.dumps(schema, allow_nan=False)


def test_the_contract_is_written_once(tmp_path: Path) -> None:
    path = tmp_path / "commands.json"
    assert path in write_contract(tmp_path, FEATURES, dry_run=True)
    assert not path.exists()
    assert path in write_contract(tmp_path, FEATURES)
    assert write_contract(tmp_path, FEATURES) == []
    document = json.loads(path.read_bytes())
    assert document["contract_version"] == CONTRACT_VERSION
    assert list(document["commands"]) == sorted(spec.name for spec in SPECS)
    for damaged in ("{}", "not json", ""):
        path.write_text(damaged)
        assert write_contract(tmp_path, FEATURES, dry_run=True) == [path]


def test_the_published_contract_is_up_to_date() -> None:
    topics = Path(__file__).resolve().parents[1] / "topics"
    assert write_contract(topics, FEATURES, dry_run=True) == []


def test_a_feature_brings_its_commands() -> None:
    without = {spec.name for spec in command_specs({})}
    assert {"profile", "snapshot"} <= {spec.name for spec in SPECS} - without
    assert "focus_trigger" in without
