"""What a real agent says is what the published contract says, key by key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from edge_agent.catalogue import contract_files
from edge_agent.contract.codes import EVENTS
from edge_agent.feature import discover
from tests.brokers import mosquitto_executable
from tests.examples.recording import Recording, record

FILES = contract_files(discover())
COMMANDS = json.loads(FILES["commands.json"])["commands"]


def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(closed(json.loads(FILES[f"schemas/{name}.json"])))


def closed(schema: Any) -> Any:
    """Return a schema that takes no key that it does not name."""
    if isinstance(schema, Mapping):
        inner = {key: closed(value) for key, value in schema.items()}
        named = isinstance(inner.get("properties"), dict) and inner.get("type") == "object"
        return {"additionalProperties": False, **inner} if named else inner
    return [closed(item) for item in schema] if isinstance(schema, list) else schema


def faults(validator: Draft202012Validator, document: Any) -> list[str]:
    return [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(document)]


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    if mosquitto_executable() is None:
        pytest.skip("needs mosquitto: apt-get install mosquitto")
    return record(tmp_path_factory.mktemp("recording"), COMMANDS)


@pytest.mark.parametrize("name", ["availability", "capabilities", "status", "heartbeat"])
def test_every_document_is_as_published_with_all_its_keys(recording: Recording, name: str) -> None:
    check = validator(name)
    documents = [seen.json for seen in recording.seen if seen.topic == f"{recording.base}/{name}"]
    assert documents
    assert [fault for document in documents for fault in faults(check, document)] == []


def test_every_reply_is_as_published(recording: Recording) -> None:
    check = validator("reply")
    replies = [seen.json for seen in recording.seen if seen.topic.startswith(f"{recording.base}/reply/")]
    assert {reply["command"] for reply in replies} == COMMANDS.keys()
    assert [fault for reply in replies for fault in faults(check, reply)] == []


def test_every_event_is_declared(recording: Recording) -> None:
    check = Draft202012Validator(json.loads(FILES["schemas/event.json"]))
    kinds = {}
    for seen in recording.seen:
        kind = seen.topic.removeprefix(f"{recording.base}/event/")
        if kind != seen.topic:
            assert faults(check, seen.json) == []
            kinds[kind, seen.json["event_type"]] = seen.json
    assert {"camera", "snapshot", "profile", "desired"} <= {kind for kind, _ in kinds}
    assert {(kind, what) for kind, what in kinds if what not in EVENTS.get(kind, {})} == set()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_taken_as_published(recording: Recording, name: str) -> None:
    example = recording.commands[name]
    check = Draft202012Validator(json.loads(FILES[f"schemas/commands/{name}.json"]))
    assert faults(check, example["payload"]) == []
    error = example["reply"]["error"] or {}
    assert error.get("code") not in ("unknown_command", "invalid_arguments", "internal"), error


def test_a_missing_or_a_new_key_is_seen(recording: Recording) -> None:
    check = validator("status")
    status = json.loads(json.dumps(recording.documents["status"]))
    status["camera"]["surprise"] = 1
    del status["stream"]["fps"]
    assert len(faults(check, status)) >= 1
    assert faults(validator("status"), recording.documents["status"]) == []


def test_the_examples_are_taken_anew(recording: Recording) -> None:
    """The names say it: contents are as they came."""
    examples = Path(__file__).resolve().parents[2] / "topics" / "examples"
    commands = {path.stem for path in (examples / "commands").glob("*.json")}
    assert commands == COMMANDS.keys(), "run `make examples`"
