"""Arguments checked against their model, and what is wrong with them said so that people can mend it."""

from __future__ import annotations

import json
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from edge_agent.contract.envelope import bounded
from edge_agent.errors import RefusedError, suggestion

__all__ = ["refusal", "validate"]

_MAX_TOLD: Final = 5
# Pydantic's types of error by how they begin, where its own words are those of a programmer.
_WISHES: Final = {
    "int_": "it should be a whole number",
    "float_": "it should be a number",
    "finite_number": "it should be a finite number",
    "bool_": "it should be true or false",
    "string_type": "it should be a text",
    "model_": "it should be an object",
    "dict_type": "it should be an object",
}

_Model = TypeVar("_Model", bound=BaseModel)


def validate(model: type[_Model], document: Mapping[str, Any]) -> _Model:
    """Return `document` as the model. Raises RefusedError that names field, value and what is allowed."""
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise refusal(model, error) from error


def refusal(model: type[BaseModel], error: ValidationError) -> RefusedError:
    """Return pydantic's complaint in this contract's words; the first one's field, all of their messages."""
    complaints = error.errors(include_url=False, include_context=False)
    # A union complains once for each of its branches: that is one fault, at one place.
    by_place: dict[str, list[ErrorDetails]] = {}
    for complaint in complaints:
        by_place.setdefault(_place(model, complaint["loc"]).path, []).append(complaint)
    told = [_message(model, at_one_place) for at_one_place in list(by_place.values())[:_MAX_TOLD]]
    if len(by_place) > len(told):
        told.append(f"and {len(by_place) - len(told)} more")
    first = complaints[0]
    place = _place(model, first["loc"])
    return RefusedError(
        "; ".join(told),
        code="invalid_arguments",
        field=place.path or None,
        value=bounded(first["input"]) if first["type"] != "missing" else None,
        allowed=_allowed(place, first["type"]),
    )


@dataclass(frozen=True)
class _Place:
    """Where a complaint is: the path as people write it, the model around it, its last field."""

    path: str
    owner: type[BaseModel]
    key: str

    @property
    def field(self) -> FieldInfo | None:
        return self.owner.model_fields.get(self.key)


def _place(model: type[BaseModel], location: Sequence[int | str]) -> _Place:
    path: list[str] = []
    owner, key = model, ""
    inside: type[BaseModel] | None = model
    by_name = False
    for part in location:
        if by_name and not isinstance(part, int):
            # The name of an entry: what follows is inside of that.
            path.append(str(bounded(part)))
            by_name = False
        elif inside is not None:
            owner, key = inside, str(bounded(part))
            path.append(key)
            field = owner.model_fields.get(key)
            inside = next(_models(field.annotation), None) if field else None
            by_name = field is not None and _is_mapping(field.annotation)
        elif isinstance(part, int):
            path.append(str(part))
        # What else pydantic names are the branches of a union: they are no part of what was sent.
    return _Place(".".join(path), owner, key)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def _is_mapping(annotation: Any) -> bool:
    return get_origin(annotation) is dict or any(_is_mapping(part) for part in get_args(annotation))


def _message(model: type[BaseModel], complaints: Sequence[ErrorDetails]) -> str:
    first = complaints[0]
    place = _place(model, first["loc"])
    match first["type"]:
        case "extra_forbidden":
            return f"there is no '{place.path}'{suggestion(place.key, place.owner.model_fields)}"
        case "missing":
            return f"'{place.path}' is missing"
        case "value_error":
            text = first["msg"].removeprefix("Value error, ")
            return f"'{place.path}': {text}" if place.path else text
    value = bounded(first["input"])
    wish, *others = (_wish(complaint) for complaint in complaints)
    wishes = " or ".join([wish, *(other.removeprefix("it should be ") for other in others)])
    words = [str(word) for word in _words(place.field.annotation)] if place.field else []
    near = suggestion(value, words) if isinstance(value, str) else ""
    shown = repr(value) if isinstance(value, str) else json.dumps(value)
    return f"'{place.path}' cannot be {shown}: {wishes}{near}"


def _wish(complaint: ErrorDetails) -> str:
    for kind, wish in _WISHES.items():
        if complaint["type"].startswith(kind):
            return wish
    return complaint["msg"].replace("Input should be", "it should be", 1)


def _words(annotation: Any) -> list[Any]:
    if get_origin(annotation) is Literal:
        return list(get_args(annotation))
    if get_origin(annotation) in (Union, types.UnionType):
        return [word for part in get_args(annotation) for word in _words(part)]
    return [True, False] if annotation is bool else []


def _allowed(place: _Place, complaint: str) -> Any:
    if complaint == "extra_forbidden":
        return sorted(place.owner.model_fields)
    if place.field is None:
        return None
    limits = {
        name: getattr(entry, sign)
        for entry in place.field.metadata
        for sign, name in (("ge", "min"), ("le", "max"), ("gt", "above"), ("lt", "below"))
        if getattr(entry, sign, None) is not None
    }
    return _words(place.field.annotation) or limits or None
