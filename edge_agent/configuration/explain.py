"""The effective configuration for people: each value, where it came from, and no secrets."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Final

from pydantic import BaseModel, SecretBytes, SecretStr

from edge_agent.configuration.layers import Layer
from edge_agent.configuration.targets import Key, dotted, field_keys
from edge_agent.masking import MASK, is_secret_name, mask_text

__all__ = ["Line", "explain"]

_SECRET: Final = (SecretStr, SecretBytes)
_MARK: Final = "***"


@dataclass(frozen=True, kw_only=True)
class Line:
    """One effective value as JSON takes it, and its origin: `default`, `file:line`, ...

    `secret` tells that something in the value was masked.
    """

    path: str
    value: Any
    origin: str
    secret: bool = False


def explain(document: BaseModel, layer: Layer) -> list[Line]:
    """Return one line for each value of `document`, in the order of declaration."""
    return list(_lines(document, (), layer, declared=True))


def _lines(value: Any, path: tuple[Key, ...], layer: Layer, *, declared: bool) -> Iterator[Line]:
    if isinstance(value, BaseModel):
        keys = zip(field_keys(type(value)), type(value).model_fields, strict=True)
        for key, name in keys:
            yield from _lines(getattr(value, name), (*path, key), layer, declared=True)
        for key, child in (value.model_extra or {}).items():
            yield from _lines(child, (*path, key), layer, declared=False)
    elif isinstance(value, Mapping) and value:
        for key, child in value.items():
            yield from _lines(child, (*path, str(key)), layer, declared=False)
    else:
        origin = layer.value_origin(path)
        shown = _plain(value, str(path[-1]), declared=declared)
        yield Line(
            path=dotted(path),
            value=shown,
            origin="default" if origin is None else origin.brief,
            secret=isinstance(value, _SECRET) or (_MARK in str(shown) and _MARK not in str(value)),
        )


def _plain(value: Any, name: str, *, declared: bool) -> Any:
    """Return `value` as JSON takes it. Text with a telling name is masked, whatever its type is.

    Numbers, too, unless they were `declared`: `options: {password: 12345}`, but not a section's own number.
    """
    if isinstance(value, _SECRET):
        return MASK
    if isinstance(value, BaseModel):
        return {key: _plain(child, key, declared=True) for key, child in value}
    if isinstance(value, Mapping):
        return {str(key): _plain(child, str(key), declared=False) for key, child in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(child, name, declared=declared) for child in value]
    if isinstance(value, enum.Enum):
        return _plain(value.value, name, declared=declared)
    if isinstance(value, PurePath):
        return str(value)
    if value is None or isinstance(value, bool):
        return value
    is_number = isinstance(value, int | float)
    if value != "" and is_secret_name(name) and not (is_number and declared):
        return MASK
    return value if is_number else mask_text(str(value))
