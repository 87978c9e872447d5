"""JSON Schemas as they are published: the same whichever version of pydantic wrote them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

__all__ = ["OPTIONAL", "arguments_schema", "canonical", "components", "document_schema", "resolved"]

# Marks the keys of a document that are not always there.
OPTIONAL: Final[dict[str, Any]] = {"x-optional": True}

# Under these keys are names of the contract's own, not words of JSON Schema.
_NAMES: Final = frozenset({"properties", "$defs", "schemas", "patternProperties"})
# Under these are values.
_VALUES: Final = frozenset({"default", "const", "enum", "examples", "required"})


def canonical(schema: Any) -> Any:
    """Return a schema without what says nothing and differs between versions of pydantic.

    Those are titles made from names, `additionalProperties: true`, and whole numbers written as 1.0.
    """
    if isinstance(schema, Mapping):
        return {
            key: _canonical_value(key, value)
            for key, value in schema.items()
            if not (key == "title" and isinstance(value, str))
            and not (key == "additionalProperties" and value is True)
        }
    return [canonical(item) for item in schema] if isinstance(schema, list | tuple) else _number(schema)


def _canonical_value(key: str, value: Any) -> Any:
    if key in _NAMES and isinstance(value, Mapping):
        return {name: canonical(item) for name, item in value.items()}
    return _plain(value) if key in _VALUES else canonical(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else _number(value)


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _of_document(schema: Any) -> Any:
    """Return a document's schema: every key is there, and later versions may add some."""
    if not isinstance(schema, Mapping):
        return [_of_document(item) for item in schema] if isinstance(schema, list) else schema
    found: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _NAMES:
            found[key] = {name: _of_document(item) for name, item in value.items()}
        elif key in _VALUES:
            found[key] = value
        elif not (key == "additionalProperties" and value is False):
            found[key] = _of_document(value)
    if "properties" in schema:
        found["required"] = [
            name for name, item in schema["properties"].items() if not item.get("x-optional")
        ]
    return found


def document_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return the schema of what is published."""
    schema: dict[str, Any] = _of_document(canonical(model.model_json_schema(mode="serialization")))
    return schema


def arguments_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return the schema of what is taken."""
    schema: dict[str, Any] = canonical(model.model_json_schema())
    return schema


def components(
    documents: Iterable[type[BaseModel]], arguments: Iterable[type[BaseModel]]
) -> tuple[dict[type[BaseModel], dict[str, Any]], dict[str, Any]]:
    """Return a reference to each model, and the schemas that they point to."""
    template = "#/components/schemas/{model}"
    documents, arguments = list(dict.fromkeys(documents)), list(dict.fromkeys(arguments))
    out, told = models_json_schema([(model, "serialization") for model in documents], ref_template=template)
    into, taken = models_json_schema([(model, "validation") for model in arguments], ref_template=template)
    schemas: dict[str, Any] = {
        name: _of_document(item) for name, item in canonical(told.get("$defs", {})).items()
    }
    # What is both published and taken is open in the one case, closed and full of defaults in the other.
    both = {name: f"{name}Argument" for name in taken.get("$defs", {}) if name in schemas}
    for name, item in canonical(taken.get("$defs", {})).items():
        schemas[both.get(name, name)] = _renamed(item, both)
    references = {model: dict(out[model, "serialization"]) for model in documents}
    references.update({model: _renamed(into[model, "validation"], both) for model in arguments})
    return references, dict(sorted(schemas.items()))


def _renamed(schema: Any, names: Mapping[str, str]) -> Any:
    if isinstance(schema, Mapping):
        return {
            key: _renamed_reference(value, names) if key == "$ref" else _renamed(value, names)
            for key, value in schema.items()
        }
    return [_renamed(item, names) for item in schema] if isinstance(schema, list) else schema


def _renamed_reference(reference: str, names: Mapping[str, str]) -> str:
    base, _, last = reference.rpartition("/")
    return f"{base}/{names.get(last, last)}"


def resolved(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a `$ref` points to; keys beside it, like a description, count."""
    found: Mapping[str, Any] = schema
    while "$ref" in found:
        beside = {key: value for key, value in found.items() if key != "$ref"}
        target = definitions.get(str(found["$ref"]).rpartition("/")[2], {})
        found = {**target, **beside}
    return found
