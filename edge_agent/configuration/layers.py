"""Values and where each of them came from, laid over one another: file, environment, credentials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edge_agent.configuration.targets import Key, Target, dotted
from edge_agent.errors import suggestion

__all__ = ["Layer", "Origin", "Problem", "nest", "unknown_key"]

Path = tuple[Key, ...]


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a value came from. `section` tells that it is where a section begins, not a value's place."""

    source: str
    line: int = 0
    section: bool = False

    def __str__(self) -> str:
        return f"{self.source}, line {self.line}" if self.line else self.source

    @property
    def brief(self) -> str:
        """The same as `file:line`."""
        return f"{self.source}:{self.line}" if self.line else self.source


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong."""

    origin: Origin
    message: str

    def __str__(self) -> str:
        return f"{self.origin}: {self.message}"


@dataclass(frozen=True)
class Layer:
    """Nested values, the origin of each place that was written, and what was wrong on the way."""

    values: Any = field(default_factory=dict)
    origins: dict[Path, Origin] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def nearest_origin(self, path: Sequence[Key]) -> Origin | None:
        """Return the origin of the innermost written place at or around `path`."""
        for length in range(len(path), 0, -1):
            if (origin := self.origins.get(tuple(path[:length]))) is not None:
                return origin
        return None

    def value_origin(self, path: Sequence[Key]) -> Origin | None:
        """Return the origin of the value at `path`, None where it is a default."""
        origin = self.nearest_origin(path)
        return None if origin is None or origin.section else origin

    def value(self, path: Sequence[Key]) -> Any:
        """Return what was written at `path`, None where nothing was."""
        value: Any = self.values
        for key in path:
            if isinstance(value, Mapping):
                value = value.get(key)
            elif isinstance(value, list) and isinstance(key, int) and key < len(value):
                value = value[key]
            else:
                return None
        return value

    def over(self, below: Layer, target: Target) -> Layer:
        """Return this layer laid over `below`: sections are merged, everything else is replaced."""
        origins = dict(below.origins)
        values = self._merge(below.values, self.values, target, (), origins)
        return Layer(values, origins, [*below.problems, *self.problems])

    def _merge(self, old: Any, new: Any, target: Target, path: Path, origins: dict[Path, Origin]) -> Any:
        if isinstance(new, dict) and isinstance(old, dict) and (target.models() or self._on_the_way(path)):
            merged = dict(old)
            for key, value in new.items():
                child = target.child(key) or Target(Any)
                merged[key] = self._merge(old.get(key), value, child, (*path, key), origins)
            if path in self.origins:
                origins.setdefault(path, self.origins[path])
            return merged
        if old is not None and not isinstance(old, dict) and self._on_the_way(path):
            return old  # a file's "mqtt: 5" is wrong, also where a variable sets mqtt.host
        for place in [place for place in origins if place[: len(path)] == path]:
            del origins[place]
        origins.update({place: o for place, o in self.origins.items() if place[: len(path)] == path})
        return new

    def _on_the_way(self, path: Path) -> bool:
        # A variable may name one key of a mapping: the mapping itself was then not written by this layer.
        return path not in self.origins


def nest(path: Sequence[str], layer: Layer) -> Layer:
    """Return `layer`, whose values stand at `path`, as a layer of the whole."""
    values = layer.values
    for key in reversed(path):
        values = {key: values}
    origins = {(*path, *place): origin for place, origin in layer.origins.items()}
    return Layer(values, origins, layer.problems)


def unknown_key(path: Sequence[Key], known: Sequence[str]) -> str:
    """Return the message for a key that is not known, with the nearest one, or all there are."""
    hint = suggestion(str(path[-1]), known)
    if not hint and known:
        hint = f"; known here: {', '.join(known)}"
    return f"unknown key '{dotted(path)}'{hint}"
