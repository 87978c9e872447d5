from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge_agent import errors
from edge_agent.errors import CameraUnavailableError, EdgeAgentError, ProcessError
from edge_agent.processes.errors import error_body, error_from_body

CLASSES = [
    found
    for found in (getattr(errors, name) for name in errors.__all__)
    if isinstance(found, type) and issubclass(found, EdgeAgentError)
]


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_error_comes_back_as_itself(kind: type[EdgeAgentError]) -> None:
    sent = kind("a message", code="a_code", field="a.field", value=[1, "x"], allowed={"min": 1})
    came = error_from_body(json.loads(json.dumps(error_body(sent))))
    assert type(came) is kind
    assert vars(came) == vars(sent)


def test_a_value_that_json_does_not_know_is_told_in_words() -> None:
    body = error_body(CameraUnavailableError("gone", value=Path("clip.mp4")))
    assert "clip.mp4" in json.dumps(body)


def test_what_is_long_is_cut() -> None:
    body = error_body(CameraUnavailableError("x" * 100_000, value="y" * 100_000, allowed=["z" * 100_000]))
    assert len(json.dumps(body)) < 20_000


@pytest.mark.parametrize("body", [{}, {"type": "Strange", "message": "odd"}, {"type": 7}])
def test_an_unknown_error_is_a_process_error(body: dict[str, object]) -> None:
    assert type(error_from_body(body)) is ProcessError
