"""YAML into values with the line of each, bounded, and checked for keys that nobody declared.

Values are read by what their place takes: where text is wanted, `0123`, `off` and `1e5` stay as written.
Messages never quote a value: it may be a password whose quotes were forgotten.
"""

from __future__ import annotations

import io
from typing import Any, Final

import yaml

from edge_agent.configuration.layers import Layer, Origin, Problem, unknown_key
from edge_agent.configuration.targets import Key, Target, dotted
from edge_agent.errors import ConfigError

__all__ = ["MAX_BYTES", "parse"]

MAX_BYTES: Final = 1024 * 1024
_MAX_DEPTH: Final = 32
_MAX_NODES: Final = 100_000
_ALIAS: Final = "a value that begins with '*' must be quoted"
_TAG: Final = "tag:yaml.org,2002:"
_CONSTRUCTED: Final = {f"{_TAG}{kind}" for kind in ("bool", "int", "float")}
_PLAIN: Final = _CONSTRUCTED | {
    f"{_TAG}{kind}" for kind in ("null", "str", "timestamp", "merge", "value", "map", "seq")
}


def parse(text: str, *, source: str, target: Target, numbered: bool = True) -> Layer:
    """Return the values in `text`, which stands for `target`; the layer's problems say what is wrong in it.

    `source` names the text, `numbered` tells whether lines in it mean something. Raises ConfigError for
    text that is no YAML.
    """
    try:
        # From a stream: marks of text would carry its line, a password's perhaps, into tracebacks.
        node = yaml.compose(io.StringIO(text), Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = Origin(source=source, line=mark.line + 1 if mark and numbered else 0)
        reason = _reason(error)
        # An undefined alias is quoted in the cause; it is a value whose quotes were forgotten.
        cause = None if reason == _ALIAS else error
        raise ConfigError(f"{where}: this is not valid YAML: {reason}") from cause
    except yaml.YAMLError as error:
        raise ConfigError(
            f"{source}: this is not valid YAML: it holds characters that are not text"
        ) from error
    except RecursionError as error:
        raise ConfigError(f"{source}: nested too deep, at most {_MAX_DEPTH} levels are allowed") from error
    if node is None:
        return Layer(None)
    return _Conversion(source=source, numbered=numbered).run(node, target)


def _reason(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or error.context or "it cannot be read"
    if "undefined alias" in problem or "scanning an alias" in (error.context or ""):
        return _ALIAS
    if "tag" in problem:
        return "a value that begins with '!' must be quoted"
    if "duplicate anchor" in problem:
        return "a value that begins with '&' must be quoted"
    if "mapping values are not allowed" in problem:
        return "a key and ':' where none can be; check the indentation, and quote a value that holds ': '"
    return f"{error.context} {problem}" if problem.startswith("but ") and error.context else problem


class _Conversion:
    def __init__(self, *, source: str, numbered: bool) -> None:
        self._source = source
        self._numbered = numbered
        self._nodes = 0
        self._layer = Layer()
        self._constructor = yaml.SafeLoader("")

    def run(self, node: yaml.Node, target: Target) -> Layer:
        values = self._convert(node, target, ())
        self._layer.origins[()] = self._origin(node, section=bool(target.models()))
        return Layer(values, self._layer.origins, self._layer.problems)

    def _origin(self, node: yaml.Node, *, section: bool = False) -> Origin:
        line = node.start_mark.line + 1 if self._numbered else 0
        return Origin(source=self._source, line=line, section=section)

    def _problem(self, node: yaml.Node, message: str) -> None:
        self._layer.problems.append(Problem(origin=self._origin(node), message=message))

    def _convert(self, node: yaml.Node, target: Target, path: tuple[Key, ...]) -> Any:
        self._nodes += 1
        if len(path) > _MAX_DEPTH:
            raise ConfigError(
                f"{self._origin(node)}: nested too deep, at most {_MAX_DEPTH} levels are allowed"
            )
        if self._nodes > _MAX_NODES:
            raise ConfigError(f"{self._source}: too much; at most {_MAX_NODES} values are allowed")
        if node.tag not in _PLAIN:
            self._problem(node, f"'{dotted(path)}': YAML tags are not used here; quote what begins with '!'")
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, target, path)
        if isinstance(node, yaml.SequenceNode):
            return [
                self._convert(item, target.child(i) or Target(Any), (*path, i))
                for i, item in enumerate(node.value)
            ]
        return self._scalar(node, target)

    def _mapping(self, node: yaml.MappingNode, target: Target, path: tuple[Key, ...]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                place_name = f"below '{dotted(path)}'" if path else "at the top"
                self._problem(key_node, f"a key {place_name} is not text")
                continue
            key = key_node.value
            place = (*path, key)
            child = target.child(key)
            if child is None and target.models():
                self._problem(key_node, unknown_key(place, target.keys()))
                continue
            if (first := self._layer.origins.get(place)) is not None:
                before = f"in line {first.line}" if first.line else "before"
                self._problem(key_node, f"'{dotted(place)}' is given twice; it was given {before}")
                continue
            section = bool(child and child.models()) and isinstance(value_node, yaml.MappingNode)
            self._layer.origins[place] = self._origin(key_node, section=section)
            value = self._convert(value_node, child or Target(Any), place)
            if value is None and child is not None and child.models() and not child.optional:
                # A section whose keys are all commented out.
                self._layer.origins[place] = self._origin(key_node, section=True)
                value = {}
            values[key] = value
        return values

    def _scalar(self, node: yaml.Node, target: Target) -> Any:
        if node.tag == f"{_TAG}null":
            return None
        if node.tag in _CONSTRUCTED and not target.is_text:
            try:
                return self._constructor.construct_object(node)
            except (ValueError, ArithmeticError):
                return node.value  # "0b_" looks like a number and is none: its place will say so
        return node.value
