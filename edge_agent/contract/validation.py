"""Arguments checked against their model, and what is wrong with them said so that people can mend it."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from edge_agent.contract.envelope import bounded
from edge_agent.errors import RefusedError, suggestion

__all__ = ["refusal", "validate"]

_Model = TypeVar("_Model", bound=BaseModel)


def validate(model: type[_Model], document: Mapping[str, Any]) -> _Model:
    """Return `document` as the model. Raises RefusedError that names field, value and what is allowed."""
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise refusal(model, error) from error


def refusal(model: type[BaseModel], error: ValidationError) -> RefusedError:
    """Return pydantic's complaint in this contract's words; the first one's field, all of their messages."""
    complaints = error.errors(include_url=False, include_context=True)
    told = [_message(model, complaint) for complaint in complaints[:5]]
    if len(complaints) > len(told):
        told.append(f"and {len(complaints) - len(told)} more")
    first = complaints[0]
    owner, key = _owner(model, first["loc"])
    allowed: Any = None
    if first["type"] == "extra_forbidden":
        allowed = sorted(owner.model_fields) if owner else None
    elif owner and key in owner.model_fields:
        allowed = _allowed(owner.model_fields[key].annotation)
    return RefusedError(
        "; ".join(told),
        code="invalid_arguments",
        field=_path(first["loc"]) or None,
        value=bounded(first["input"]) if first["type"] != "missing" else None,
        allowed=allowed,
    )


def _message(model: type[BaseModel], complaint: Mapping[str, Any]) -> str:
    location: Sequence[int | str] = complaint["loc"]
    owner, key = _owner(model, location)
    path = _path(location)
    match complaint["type"]:
        case "extra_forbidden":
            fields = owner.model_fields if owner else ()
            return f"there is no '{path}'{suggestion(key, fields)}"
        case "missing":
            return f"'{path}' is missing"
        case "literal_error":
            words = [str(word) for word in _words(owner, key)]
            return (
                f"'{path}' cannot be {bounded(complaint['input'])!r}: "
                f"{complaint['msg'].lower()}{suggestion(str(bounded(complaint['input'])), words)}"
            )
        case _:
            where = f"'{path}': " if path else ""
            return f"{where}{complaint['msg'].removeprefix('Value error, ')}"


def _path(location: Sequence[int | str]) -> str:
    # A union's branches show in pydantic's location as type names; people know only the fields.
    return ".".join(
        str(bounded(part))
        for part in location
        if not (isinstance(part, str) and part in {"int", "float", "str"})
    )


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


def _owner(model: type[BaseModel], location: Sequence[int | str]) -> tuple[type[BaseModel] | None, str]:
    owner: type[BaseModel] | None = model
    for part in location[:-1]:
        if owner is None or part not in owner.model_fields:
            break
        nested = _models(owner.model_fields[str(part)].annotation)
        owner = nested[0] if nested else None
    return owner, str(location[-1]) if location else ""


def _words(owner: type[BaseModel] | None, key: str) -> list[Any]:
    if owner is None or key not in owner.model_fields:
        return []
    allowed = _allowed(owner.model_fields[key].annotation)
    return allowed if isinstance(allowed, list) else []


def _allowed(annotation: Any) -> Any:
    origin = get_origin(annotation)
    if origin is Literal:
        return list(get_args(annotation))
    if origin in (Union, types.UnionType):
        words = [word for part in get_args(annotation) for word in (_allowed(part) or [])]
        return words or None
    return [True, False] if annotation is bool else None
