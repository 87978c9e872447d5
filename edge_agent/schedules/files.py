"""Schedules from YAML files, each with the line that it stands in, for those who have to mend it.

A file maps names to schedules. What cannot be used is left out and told with file, line and key; a schedule
of the same name in a later file takes an earlier one's place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import ValidationError

from edge_agent.configuration.document import MAX_BYTES, parse
from edge_agent.configuration.layers import Layer, Origin, Problem
from edge_agent.configuration.problems import problems_of
from edge_agent.configuration.targets import Target
from edge_agent.errors import ConfigError
from edge_agent.schedules.schedule import Schedule

__all__ = ["MAX_SCHEDULES", "Entry", "read_schedules", "schedules_in"]

MAX_SCHEDULES: Final = 5000
_NO_KEY: Final = "'': "
_TARGET: Final = Target(dict[str, Schedule])


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A schedule and where it comes from: an owner's file, or saved by a command."""

    schedule: Schedule
    source: Literal["file", "saved"]
    path: str
    layer: Layer = field(repr=False, compare=False, default_factory=Layer)

    def where(self, key: str | None = None) -> str:
        """Return the place of a key, like `garden.yaml, line 3: schedule 'dusk'`."""
        name = self.schedule.name
        if self.source == "saved":
            return f"schedule '{name}' (saved by a command)"
        origin = self.layer.nearest_origin((name, *(key or "").split("."))) or Origin(source=self.path)
        return f"{origin}: schedule '{name}'"

    @property
    def line(self) -> int | None:
        """The line that it begins in."""
        origin = self.layer.origins.get((self.schedule.name,))
        return origin.line if origin else None


def read_schedules(directories: Iterable[Path]) -> tuple[dict[str, Entry], list[str]]:
    """Read every `*.yaml` right in the directories; return also what is wrong."""
    found: dict[str, Entry] = {}
    problems: list[str] = []
    for directory in directories:
        for path in sorted(directory.glob("*.yaml")):
            try:
                entries, wrong = schedules_in(_text(path), source=str(path))
            except ConfigError as error:
                problems.append(error.message)
            else:
                problems += wrong
                for entry in entries:
                    # Taken out first: of two at the same time the one that is written later holds.
                    found.pop(entry.schedule.name, None)
                    found[entry.schedule.name] = entry
    if len(found) > MAX_SCHEDULES:
        problems.append(f"there are {len(found)} schedules; the first {MAX_SCHEDULES} are in force")
        found = dict(list(found.items())[:MAX_SCHEDULES])
    return found, problems


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: this is not UTF-8 text") from error
    if len(content) > MAX_BYTES:
        raise ConfigError(f"{path}: larger than {MAX_BYTES} bytes")
    return text


def schedules_in(text: str, *, source: str) -> tuple[list[Entry], list[str]]:
    """Return the schedules of one file's text, and what is wrong. Raises ConfigError where it is no YAML."""
    layer = parse(text, source=source, target=_TARGET)
    if layer.values is None:
        return [], []
    if not isinstance(layer.values, Mapping):
        raise ConfigError(f"{source}: a file of schedules maps names to schedules")
    problems: list[tuple[int, str]] = []
    broken = {_owner(layer, problem.origin.line) for problem in layer.problems}
    for problem in layer.problems:
        owner = _owner(layer, problem.origin.line)
        problems.append((problem.origin.line, f"{problem.origin}: {_of(owner)}{problem.message}"))
    entries = []
    for name, fields in layer.values.items():
        try:
            schedule = _schedule(name, fields, layer)
        except ConfigError as error:
            if name not in broken:
                problems.append((layer.origins[(name,)].line, error.message))
            continue
        if name not in broken:
            entries.append(Entry(schedule=schedule, source="file", path=source, layer=layer))
    return entries, [message for _, message in sorted(problems, key=lambda problem: problem[0])]


def _of(name: str | None) -> str:
    return f"schedule '{name}': " if name else ""


def _owner(layer: Layer, line: int) -> str | None:
    """Return the schedule that a line belongs to."""
    begun = [(origin.line, str(path[0])) for path, origin in layer.origins.items() if len(path) == 1]
    return max((start for start in begun if start[0] <= line), default=(0, None))[1]


def _schedule(name: str, fields: Any, layer: Layer) -> Schedule:
    origin = layer.origins[(name,)]
    if not isinstance(fields, Mapping):
        raise ConfigError(f"{origin}: schedule '{name}' must be keys and values, like 'cron: \"0 7 * * *\"'")
    if "name" in fields:
        here = layer.origins[(name, "name")]
        raise ConfigError(f"{here}: schedule '{name}': its name is the key above it; leave 'name' out")
    try:
        return Schedule.model_validate({**fields, "name": name})
    except ValidationError as error:
        own = {path[1:]: at for path, at in layer.origins.items() if path[:1] == (name,) and len(path) > 1}
        problems = problems_of(
            error,
            layer=Layer({**fields, "name": name}, own),
            root=Target(Schedule),
            fallback=origin,
        )
        raise ConfigError(
            "\n".join(
                # What is wrong with the schedule as a whole has no key.
                f"{problem.origin}: schedule '{name}': {problem.message.removeprefix(_NO_KEY)}"
                for problem in problems
                if not _said_closer(problem, problems)
            )
        ) from error


def _said_closer(problem: Problem, problems: Iterable[Problem]) -> bool:
    """Whether another one tells what is wrong inside of the same place."""
    place = problem.message.split("'")[1]
    return bool(place) and any(other.message.startswith(f"'{place}.") for other in problems)
