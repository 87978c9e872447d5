"""The released contract is kept to."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edge_agent.catalogue import contract_files
from edge_agent.cli import app
from edge_agent.errors import RefusedError
from edge_agent.feature import discover
from edge_agent.released import differences

FILES = contract_files(discover())
RELEASED = Path(__file__).resolve().parents[1] / "topics" / "released"


def breaking(released: Path) -> list[str]:
    return [str(found) for found in differences(released, FILES) if found.breaks]


def test_the_last_release_is_not_broken() -> None:
    assert breaking(RELEASED) == []


def test_what_is_gone_since_a_release_is_told_with_its_place(tmp_path: Path) -> None:
    released = tmp_path / "released"
    shutil.copytree(RELEASED, released)
    path = released / "schemas" / "status.json"
    status = json.loads(path.read_bytes())
    status["properties"]["weather"] = {"type": "string"}
    path.write_text(json.dumps(status))
    (released / "schemas" / "horoscope.json").write_text("{}")
    path = released / "commands.json"
    commands = json.loads(path.read_bytes())
    commands["commands"]["explode"] = commands["commands"]["refresh"]
    path.write_text(json.dumps(commands))
    assert breaking(released) == [
        "BREAKS  cmd/explode: is gone",
        "BREAKS  horoscope: is gone",
        "BREAKS  status.weather: is gone",
    ]
    ran = CliRunner().invoke(app, ["contract", "--compatible-with", str(released)])
    assert (ran.exit_code, "BREAKS  cmd/explode: is gone" in ran.output) == (1, True)
    assert breaking(path) == ["BREAKS  cmd/explode: is gone"]


def test_an_asyncapi_document_can_be_compared_with(tmp_path: Path) -> None:
    path = tmp_path / "asyncapi.yaml"
    path.write_text(FILES["asyncapi.yaml"])
    assert differences(path, FILES) == []
    path.write_text(FILES["asyncapi.yaml"].replace("cmd_refresh", "cmd_reload"))
    assert breaking(path) == ["BREAKS  cmd_reload: is gone"]
    assert CliRunner().invoke(app, ["contract", "--compatible-with", str(RELEASED)]).exit_code == 0


@pytest.mark.parametrize("content", ["", "[]", "{}", "components: [", "nonsense"])
@pytest.mark.parametrize("name", ["commands.json", "asyncapi.yaml"])
def test_what_is_no_contract_is_refused(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(RefusedError, match="is no released contract"):
        differences(path, FILES)
    with pytest.raises(RefusedError, match="is no released contract"):
        differences(tmp_path / "nowhere", FILES)
