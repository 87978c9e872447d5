"""Every code that is raised and every event that is told is declared; read from the sources."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import get_args

import edge_agent
from edge_agent.camera.status import CameraState
from edge_agent.contract.codes import ERROR_CODES, EVENTS
from edge_agent.desired.memory import State
from edge_agent.stream.messages import PublisherState, StreamCode

ROOT = Path(edge_agent.__file__).parent


@cache
def _trees() -> list[tuple[Path, ast.Module]]:
    return [(path, ast.parse(path.read_text())) for path in sorted(ROOT.rglob("*.py"))]


def _nodes() -> Iterator[tuple[Path, ast.AST]]:
    for path, tree in _trees():
        for node in ast.walk(tree):
            yield path, node


def _texts(node: ast.AST | None) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from _texts(node.body)
        yield from _texts(node.orelse)


def _raised() -> dict[str, str]:
    """Return each code that is written out as an error's, and a place where it is."""
    found: dict[str, str] = {}
    for path, node in _nodes():
        codes: list[str] = []
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func).rpartition(".")[2]
            # `Problem(code=...)` and the like are no errors.
            if name.endswith(("Error", "Fault")):
                codes = [code for key in node.keywords if key.arg == "code" for code in _texts(key.value)]
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if isinstance(target, ast.Name) and target.id == "default_code":
                codes = list(_texts(node.value))
        found.update({code: f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}" for code in codes})
    return found


def test_every_error_code_is_declared() -> None:
    raised = _raised()
    assert len(raised) > 30
    assert {code: place for code, place in raised.items() if code not in ERROR_CODES} == {}
    assert set(get_args(StreamCode)) <= ERROR_CODES.keys()


def test_no_code_is_declared_that_nobody_knows() -> None:
    words = {text for _, node in _nodes() for text in _texts(node)}
    assert ERROR_CODES.keys() - words == set()
    counts = dict.fromkeys(ERROR_CODES, 0)
    for path, node in _nodes():
        if path.name != "codes.py" and isinstance(node, ast.Constant) and node.value in counts:
            counts[node.value] += 1
    assert [code for code, count in counts.items() if count == 0] == []


def test_every_event_is_declared() -> None:
    told = set()
    for _, node in _nodes():
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("events.emit"):
            kind, what = node.args[:2]
            assert isinstance(kind, ast.Constant), "the kind is the topic's last level: write it out"
            told.add(kind.value)
            if isinstance(what, ast.Constant):
                assert what.value in EVENTS.get(str(kind.value), {}), ast.unparse(node)
    assert told <= EVENTS.keys()
    assert set(get_args(CameraState)) == EVENTS["camera"].keys()
    assert set(get_args(PublisherState)) <= EVENTS["stream"].keys()
    assert set(get_args(State)) == EVENTS["desired"].keys()


def test_meanings_are_said() -> None:
    for code, said in ERROR_CODES.items():
        assert said.meaning, code
        assert said.advice, code
        assert not said.meaning.endswith("."), code
