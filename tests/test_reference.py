"""The reference says everything there is."""

from __future__ import annotations

import json

import pytest

from edge_agent.catalogue import contract_files
from edge_agent.contract.codes import ERROR_CODES
from edge_agent.feature import discover
from edge_agent.reference import rows

FILES = contract_files(discover())
PAGE = FILES["reference.md"]
COMMANDS = json.loads(FILES["commands.json"])["commands"]
# Parts whose models say what they are as a whole.
SAID_AS_A_WHOLE = ("snapshot.", "upload.", "camera.stills.")


@pytest.mark.parametrize("name", ["availability", "capabilities", "status", "heartbeat", "reply", "desired"])
def test_every_field_has_a_meaning(name: str) -> None:
    found = list(rows(json.loads(FILES[f"schemas/{name}.json"])))
    assert found
    silent = [path for path, _, meaning in found if not meaning and not path.startswith(SAID_AS_A_WHOLE)]
    assert silent == [], "give it a Field(description=...)"
    assert all(f"| `{path}` |" in PAGE for path, _, _ in found)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_argument_has_a_meaning(name: str) -> None:
    assert f"### `{name}`\n\n{COMMANDS[name]['description']}" in PAGE
    silent = [path for path, _, meaning in rows(COMMANDS[name]["arguments"]) if not meaning]
    assert silent == [], "give it a Field(description=...)"


def test_ranges_units_and_codes_are_told() -> None:
    assert "| `x` | number ≥ 0, ≤ 1 |  | Left edge" in PAGE
    assert "(µs)" in PAGE
    assert "`camera.effective_limits.*.because`" in PAGE
    assert "`problems[].code`" in PAGE
    assert all(f"| `{code}` |" in PAGE for code in ERROR_CODES)
