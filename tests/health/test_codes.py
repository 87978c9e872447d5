"""Every code that the sources set is declared: with how grave it is, and what to do."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import edge_agent
from edge_agent.camera.stall import STALLS
from edge_agent.health.codes import PROBLEM_CODES, kind_of
from edge_agent.stream.judgement import OWN_PROBLEMS

# Where a code is no word of the source: each with what it can be.
COMPUTED: dict[str, set[str]] = {
    "agent.py": {"feature_x"},
    "camera/service.py": set(STALLS),
    "snapshots/feature.py": {"store_full", "disk_full", "store_failed"},
    "snapshots/upload/report.py": {
        "upload_parked",
        "upload_spool_full",
        "upload_damaged",
        "upload_spool_unusable",
    },
    "stream/service.py": set(OWN_PROBLEMS),
    "stream/substream.py": {"substream_stream_down", "substream_settings_not_saved"},
}
ROOT = Path(edge_agent.__file__).parent


def _first_arguments(tree: ast.Module) -> Iterator[ast.expr]:
    """Yield the codes in `problems.set(code, …)`, `problem(code, …)` and `partial(problems.set, code)`."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        called = ast.unparse(node.func)
        if called.endswith(("problems.set", "self._problem", "_main.set")) and len(node.args) == 2:
            yield node.args[0]
        elif called == "partial" and ast.unparse(node.args[0]).endswith("problems.set"):
            yield node.args[1]


def _set_in_the_sources() -> tuple[set[str], set[str]]:
    codes: set[str] = set()
    computed: set[str] = set()
    for path in ROOT.rglob("*.py"):
        place = str(path.relative_to(ROOT))
        if place.startswith("configuration/"):  # its problems are others: what is wrong in a file
            continue
        for argument in _first_arguments(ast.parse(path.read_text())):
            if isinstance(argument, ast.Constant):
                codes.add(str(argument.value))
            else:
                computed.add(place)
    return codes, computed


def test_every_code_that_is_set_is_declared() -> None:
    codes, computed = _set_in_the_sources()
    assert {"camera_down", "clock_not_set", "duplicate_node", "journal_not_written"} <= codes
    assert codes - set(PROBLEM_CODES) == set()
    assert computed == set(COMPUTED)


def test_every_declared_code_is_set_somewhere() -> None:
    codes, _ = _set_in_the_sources()
    assert set(PROBLEM_CODES) - codes - {code for codes in COMPUTED.values() for code in codes} == set()


@pytest.mark.parametrize("code", sorted(PROBLEM_CODES))
def test_advice_is_a_short_sentence(code: str) -> None:
    assert 5 < len(PROBLEM_CODES[code].advice) < 110
    assert not PROBLEM_CODES[code].advice.endswith(".")


def test_what_is_not_declared_is_degraded() -> None:
    assert kind_of("third_party_thing").grade == "degraded"
    assert "status.features" in kind_of("feature_odd").advice


def test_the_small_stream_is_never_the_node_s_failure() -> None:
    assert kind_of("stream_down").grade == "failed"
    assert kind_of("substream_down").grade == "degraded"
    assert kind_of("substream_down").advice == kind_of("stream_down").advice
    assert kind_of("substream_settings_not_saved").advice == kind_of("settings_not_saved").advice
    assert kind_of("substream_odd").grade == "degraded"
