"""What a shell offers for `edge-agent send`: commands, their arguments, and the words an argument may be."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from edge_agent.contract.command import CommandSpec
from edge_agent.contract.json_schema import arguments_schema, resolved

__all__ = ["argument_words", "command_words"]

# A word, and what it means.
Word = tuple[str, str]


def command_words(specs: Iterable[CommandSpec], begun: str) -> list[Word]:
    """Return the commands that begin like `begun`."""
    return sorted((spec.name, spec.description) for spec in specs if spec.name.startswith(begun))


def argument_words(spec: CommandSpec, given: Sequence[str], begun: str) -> list[Word]:
    """Return how an argument may go on: `key=`, after the sign the words it takes, bare ones of the main one.

    `given` are the arguments that stand there already.
    """
    schema = arguments_schema(spec.arguments)
    fields: dict[str, Any] = schema.get("properties", {})
    definitions: dict[str, Any] = schema.get("$defs", {})
    apart = _taken_apart(given, begun, fields)
    if apart is not None:
        options = _options(fields.get(apart[0], {}), definitions)
        return [(option, "") for option in options if option.startswith(apart[1])]
    name, sign, value = begun.partition("=")
    if sign:
        options = _options(fields.get(name, {}), definitions)
        return [(f"{name}={option}", "") for option in options if option.startswith(value)]
    there = {word.partition("=")[0] for word in given}
    words = [
        (f"{field}=", str(resolved(declared, definitions).get("description", "")))
        for field, declared in fields.items()
        if field.startswith(begun) and field not in there
    ]
    if len(words) == 1 and (values := list(_options(fields[words[0][0][:-1]], definitions))):
        # Alone it would get a space behind its sign.
        words = [(f"{words[0][0]}{value}", "") for value in values]
    if spec.main is not None and not given:
        options = _options(fields[spec.main], definitions)
        words += [(option, f"{spec.main}") for option in options if option.startswith(begun)]
    return words


def _taken_apart(given: Sequence[str], begun: str, fields: Collection[str]) -> tuple[str, str] | None:
    """Return key and value where bash has split them: it completes only what follows the sign."""
    if not begun and given and given[-1] in fields:
        return given[-1], ""  # a bare sign comes as nothing at all
    if len(given) > 1 and given[-1] == "=":
        return given[-2], begun
    return None


def _options(schema: dict[str, Any], definitions: dict[str, Any]) -> Iterator[str]:
    found = resolved(schema, definitions)
    for choice in found.get("anyOf", ()):
        yield from _options(choice, definitions)
    if found.get("type") == "boolean":
        yield from ("true", "false")
    for value in (*found.get("enum", ()), *([found["const"]] if "const" in found else ())):
        yield str(value)
