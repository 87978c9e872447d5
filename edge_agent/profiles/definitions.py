"""A YAML file of named definitions; what is wrong in it is said with file, line and key.

A definition with a fault is left out, the others of its file hold.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from edge_agent.configuration.document import MAX_BYTES, parse
from edge_agent.configuration.layers import Layer, Origin
from edge_agent.configuration.problems import problems_of
from edge_agent.configuration.targets import Target
from edge_agent.errors import ConfigError

__all__ = ["Fault", "Found", "read_definitions"]

_Model = TypeVar("_Model", bound=BaseModel)
_MAX_TOLD: Final = 20


@dataclass(frozen=True)
class Fault:
    """What is wrong, with its place; `name` is the definition that is left out for it."""

    name: str | None
    message: str


@dataclass(frozen=True)
class Found(Generic[_Model]):
    """One definition and where each of its keys was written, as `file, line n`."""

    value: _Model
    where: str
    keys: Mapping[str, str]


def read_definitions(
    path: Path, model: type[_Model], *, what: str
) -> tuple[dict[str, Found[_Model]], list[Fault]]:
    """Return names -> definitions, and what is wrong with the others. `what` names them in messages.

    Raises ConfigError on a file that cannot be read, is no YAML or holds no names.
    """
    target = Target(dict[str, model])  # type: ignore[valid-type]
    layer = parse(_text(path), source=str(path), target=target)
    if layer.values is None:
        return {}, []
    if not isinstance(layer.values, dict):
        raise ConfigError(f"{path}: a file of {what}s maps names to {what}s")
    begins = sorted((layer.origins[(name,)].line, name) for name in layer.values)
    faulty = {_name_at(begins, problem.origin.line) for problem in layer.problems}
    problems = list(layer.problems)
    found: dict[str, Found[_Model]] = {}
    for name, fields in layer.values.items():
        try:
            value = model.model_validate(fields)
        except ValidationError as error:
            origin = layer.origins[(name,)]
            problems += problems_of(
                error, layer=_below(layer, name, fields), root=Target(model), fallback=origin
            )
        else:
            if name not in faulty:
                found[name] = Found(value, str(layer.origins[(name,)]), _keys(layer, name))
    faults: dict[str, Fault] = {}
    for problem in sorted(problems, key=lambda problem: problem.origin.line):
        name = _name_at(begins, problem.origin.line)
        message = f"{problem.origin}: {what} '{name}': {problem.message}" if name else str(problem)
        faults.setdefault(message, Fault(name, message))
    return found, list(faults.values())[:_MAX_TOLD]


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from error
    if len(content) > MAX_BYTES:
        raise ConfigError(f"{path}: larger than {MAX_BYTES} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path}, line {line}: this is not UTF-8 text") from error


def _below(layer: Layer, name: str, fields: object) -> Layer:
    """Return the part of a layer that is one definition's, so that its keys are named without its name."""
    origins: dict[tuple[str | int, ...], Origin] = {
        place[1:]: origin for place, origin in layer.origins.items() if len(place) > 1 and place[0] == name
    }
    return Layer(fields, origins)


def _keys(layer: Layer, name: str) -> dict[str, str]:
    return {
        str(place[1]): str(origin)
        for place, origin in layer.origins.items()
        if len(place) == 2 and place[0] == name
    }


def _name_at(begins: list[tuple[int, str]], line: int) -> str | None:
    """Return the definition that a line belongs to: the last one that began before it."""
    at = bisect_right(begins, line, key=lambda begin: begin[0])
    return begins[at - 1][1] if at else None
