"""The sample in systemd/config.yaml shows every key with its default: it cannot go stale."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_origin

from pydantic import BaseModel

from edge_agent.config import CORE_SECTIONS, load
from edge_agent.feature import discover

SECTIONS = {name: model for feature in discover().values() for name, model in feature.sections().items()}
SAMPLE = Path(__file__).parents[1] / "systemd" / "config.yaml"


def explained(text: str, directory: Path) -> dict[str, tuple[Any, str]]:
    file = directory / "config.yaml"
    file.write_text(text)
    configuration = load(file, environ={}, sections=SECTIONS)
    return {line.path: (line.value, line.origin) for line in configuration.explain()}


def keys_of(model: type[BaseModel], path: str) -> set[str]:
    keys = set()
    for name, info in model.model_fields.items():
        # Entries of a list or a mapping have no keys of their own before there are any.
        many = get_origin(info.annotation) in (list, tuple, dict)
        nested = () if many else (info.annotation, *getattr(info.annotation, "__args__", ()))
        models = [a for a in nested if isinstance(a, type) and issubclass(a, BaseModel)]
        keys |= keys_of(models[0], f"{path}{name}.") if models else {f"{path}{name}"}
    return keys


def test_as_it_is_it_changes_nothing(tmp_path: Path) -> None:
    found = explained(SAMPLE.read_text(), tmp_path)
    assert {origin for _, origin in found.values()} == {"default"}


def test_it_shows_every_key_with_its_default(tmp_path: Path) -> None:
    uncommented = re.sub(r"(?m)^( *)#(\w+:)", r"\1\2", SAMPLE.read_text())
    sample = explained(uncommented, tmp_path)
    declared = {"state_dir"}.union(
        *(keys_of(model, f"{name}.") for name, model in {**CORE_SECTIONS, **SECTIONS}.items())
    )
    assert {path for path, (_, origin) in sample.items() if origin != "default"} == declared
    defaults = explained("", tmp_path)
    own = {"node.id", "node.name", "stream.url"}  # these follow from the host's name
    for path in declared - own:
        if not path.startswith("mqtt.tls."):  # the section itself is null by default
            assert sample[path][0] == defaults[path][0], path
