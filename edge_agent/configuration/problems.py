"""What pydantic found, said so that the person with the editor open knows what to write."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, get_args, get_origin

import annotated_types
from pydantic import BaseModel, ValidationError

from edge_agent.configuration.layers import Layer, Origin, Problem, unknown_key
from edge_agent.configuration.targets import Key, Target, dotted
from edge_agent.errors import suggestion
from edge_agent.masking import is_secret_name, mask_text

__all__ = ["describe", "problems_of"]

_MAX_SHOWN: Final = 60
_OWN_WORDS: Final = frozenset({"value_error", "assertion_error"})


def problems_of(error: ValidationError, *, layer: Layer, root: Target, fallback: Origin) -> list[Problem]:
    """Return one problem for each place that was refused; `fallback` is the origin of what nobody wrote."""
    found: dict[tuple[Key, ...], str] = {}
    for item in error.errors(include_url=False, include_input=False):
        if item["type"] == "default_factory_not_called":
            continue  # node.name follows node.id, whose own error is among these
        path, target = _resolve(item["loc"], root)
        if item["type"] == "extra_forbidden":
            place = (*path, item["loc"][-1])
            found.setdefault(place, unknown_key(place, target.keys()))
            continue
        message = _message(item["type"], item["msg"], path=path, target=target, root=root, layer=layer)
        found.setdefault(path, message)  # a union's alternatives each complain about the same place
    return [
        Problem(origin=layer.nearest_origin(path) or fallback, message=message)
        for path, message in found.items()
    ]


def describe(target: Target) -> str:
    """Return what a place takes, in words: "a whole number from 1 to 65535 or 'auto'"."""
    words = [_describe_member(member) for member in target.members()]
    if target.optional and words:
        words.append("null")
    return " or ".join(dict.fromkeys(words)) or "something else"


def _resolve(loc: Sequence[Key], root: Target) -> tuple[tuple[Key, ...], Target]:
    """Return the place that pydantic means: its locations name a union's alternatives, too."""
    path: list[Key] = []
    target = root
    for key in loc:
        child = target.child(key)
        if child is None:
            named = [model for model in target.models() if model.__name__ == key]
            if named:
                target = Target(named[0])
            continue
        path.append(key)
        target = child
    return tuple(path), target


def _message(
    kind: str, text: str, *, path: tuple[Key, ...], target: Target, root: Target, layer: Layer
) -> str:
    name = dotted(path)
    if kind == "missing":
        return f"'{name}' is missing; it must be {describe(target)}"
    value = layer.value(path)
    if kind in _OWN_WORDS:
        message = mask_text(text.partition(", ")[2] or text)
        if not message.startswith("must "):
            return f"'{name}': {message}"
        return f"'{name}' {message}{_but(value, path, root)}"
    hint = suggestion(value, _options(target)) if isinstance(value, str) else ""
    return f"'{name}' must be {describe(target)}{_but(value, path, root)}{hint}"


def _but(value: Any, path: tuple[Key, ...], root: Target) -> str:
    """Return ", not 500", or nothing where the value is or may be a secret."""
    target: Target | None = root
    for key in path:
        if isinstance(key, str) and is_secret_name(key):
            return ""
        target = target.child(key) if target is not None else None
        if target is not None and target.is_secret:
            return ""
    if value is None:
        return ", not null"
    if isinstance(value, bool):
        return f", not {str(value).lower()}"
    if isinstance(value, Mapping):
        return ", not a mapping"
    if isinstance(value, list):
        return ", not a list" if target is not None and not target.is_list else ""
    shown = mask_text(str(value))
    shown = shown if len(shown) <= _MAX_SHOWN else f"{shown[:_MAX_SHOWN]}..."
    return f", not '{shown}'" if isinstance(value, str) else f", not {shown}"


def _options(target: Target) -> list[str]:
    return [
        option
        for member in target.members()
        if get_origin(member.annotation) is Literal
        for option in get_args(member.annotation)
        if isinstance(option, str)
    ]


def _describe_member(member: Target) -> str:
    if get_origin(member.annotation) is Literal:
        return _one_of(get_args(member.annotation))
    if member.is_a(enum.Enum):
        return _one_of([item.value for item in member.annotation])
    if member.is_a(bool):
        return "true or false"
    if member.is_a(int):
        return f"a whole number{_range(member)}"
    if member.is_a(float):
        return f"a number{_range(member)}"
    if member.is_a(BaseModel, Mapping):
        return "a section of keys and values"
    if Target(member.annotation).is_list:
        return f"a list{_size(member, 'entries')}"
    if member.is_path:
        return "a path"
    if member.is_text:
        pattern = next((p for p in _constraints(member, "pattern")), None)
        return f"text that matches {pattern}" if pattern else f"text{_size(member, 'characters')}"
    return "another value"


def _one_of(options: Sequence[Any]) -> str:
    shown = [f"'{option}'" if isinstance(option, str) else str(option) for option in options]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} or {shown[-1]}"


def _constraints(member: Target, name: str) -> list[Any]:
    return [value for item in member.metadata if (value := getattr(item, name, None)) is not None]


def _limit(member: Target, kind: type, name: str) -> Any:
    # Field's metadata may hold pydantic's own, or those of annotated_types, one by one.
    found = [getattr(item, name) for item in member.metadata if isinstance(item, kind)]
    return found[0] if found else None


def _range(member: Target) -> str:
    low, above = _limit(member, annotated_types.Ge, "ge"), _limit(member, annotated_types.Gt, "gt")
    high, below = _limit(member, annotated_types.Le, "le"), _limit(member, annotated_types.Lt, "lt")
    if low is not None and high is not None:
        return f" from {low} to {high}"
    start = f" of at least {low}" if low is not None else f" above {above}" if above is not None else ""
    end = f"at most {high}" if high is not None else f"below {below}" if below is not None else ""
    return f"{start}{' and' if start and end else ' of' if end and high is not None else ''} {end}".rstrip()


def _size(member: Target, unit: str) -> str:
    low = _limit(member, annotated_types.MinLen, "min_length")
    high = _limit(member, annotated_types.MaxLen, "max_length")
    if low and high:
        return f" of {low} to {high} {unit}"
    return f" of at least {low} {unit}" if low else f" of at most {high} {unit}" if high else ""
