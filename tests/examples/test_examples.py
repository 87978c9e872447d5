"""The examples that are checked in are what the contract says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from edge_agent.catalogue import contract_files
from edge_agent.feature import discover

FILES = contract_files(discover())
EXAMPLES = Path(__file__).resolve().parents[2] / "topics" / "examples"
AGAIN = "run `make examples`"


def faults(name: str, document: Any) -> list[str]:
    check = Draft202012Validator(json.loads(FILES[f"schemas/{name}.json"]))
    return [f"{error.json_path}: {error.message[:200]}" for error in check.iter_errors(document)]


@pytest.mark.parametrize("name", ["availability", "capabilities", "status", "heartbeat", "desired"])
def test_a_document_is_as_published(name: str) -> None:
    assert faults(name, json.loads((EXAMPLES / f"{name}.json").read_bytes())) == [], AGAIN


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("event/*.json")), ids=lambda path: path.stem)
def test_an_event_is_as_published(path: Path) -> None:
    assert faults("event", json.loads(path.read_bytes())) == [], AGAIN


@pytest.mark.parametrize("name", json.loads(FILES["commands.json"])["commands"])
def test_a_command_and_its_reply_are_as_published(name: str) -> None:
    example = json.loads((EXAMPLES / "commands" / f"{name}.json").read_bytes())
    assert faults(f"commands/{name}", example["payload"]) == [], AGAIN
    assert faults("reply", example["reply"]) == [], AGAIN
    assert example["reply"]["id"] == example["payload"]["id"]
