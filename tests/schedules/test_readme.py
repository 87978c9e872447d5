"""Every example of the guide is one that works."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edge_agent.config import Configuration, load
from edge_agent.feature import discover
from edge_agent.schedules.reading import read_book
from edge_agent.schedules.schedule import Definition, Interval, Sun

README = Path(__file__).parents[2] / "schedules/README.md"
BLOCK = re.compile(r"^```yaml schedule\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXAMPLES = BLOCK.findall(README.read_text())


def configuration(path: Path) -> Configuration:
    features = discover().values()
    return load(
        None,
        environ={
            "EDGE_AGENT_STATE_DIR": str(path / "state"),
            "EDGE_AGENT_PROFILES__DIRECTORIES": f"[{path}]",
            "EDGE_AGENT_PROFILES__TIMEZONE": "Europe/Paris",
            "EDGE_AGENT_PROFILES__LATITUDE": "48.86",
            "EDGE_AGENT_PROFILES__LONGITUDE": "2.35",
        },
        sections={name: model for feature in features for name, model in feature.sections().items()},
        default_path=path / "none.yaml",
    )


@pytest.mark.parametrize("text", EXAMPLES, ids=lambda text: str(text).split(":")[0])
def test_an_example_is_understood_and_comes_some_day(text: str, tmp_path: Path) -> None:
    made = configuration(tmp_path)
    (tmp_path / "example.yaml").write_text(text)
    book, plans, wrong = read_book(made)
    assert wrong == []
    assert {plan.name for plan in plans} == set(book.entries)
    assert plans


def test_there_is_an_example_of_every_key() -> None:

    written = " ".join(EXAMPLES)
    keys = {
        field.alias or name
        for model in (Definition, Interval, Sun)
        for name, field in model.model_fields.items()
        if name not in ("description", "enabled")
    }
    assert {key for key in keys if f"{key}:" not in written} == set()
