from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from edge_agent.contract.json_schema import OPTIONAL, arguments_schema, canonical, components, document_schema


class Inner(BaseModel):
    """Both published and taken."""

    model_config = ConfigDict(extra="forbid")

    title: float = Field(1.0, ge=0.0, le=2.5)


class Outer(BaseModel):
    """One with the other in it."""

    inner: Inner = Inner()
    more: dict[str, Any] = {}
    maybe: int | None = Field(None, json_schema_extra=OPTIONAL)


def test_what_versions_of_pydantic_write_differently_is_the_same() -> None:
    old = {"title": "X", "minimum": 0.0, "properties": {"title": {"title": "Title", "maximum": 2.5}}}
    new = {"minimum": 0, "additionalProperties": True, "properties": {"title": {"maximum": 2.5}}}
    assert canonical(old) == canonical(new) == {"minimum": 0, "properties": {"title": {"maximum": 2.5}}}
    assert isinstance(canonical({"minimum": 1.0})["minimum"], int)
    assert canonical({"default": {"title": "kept"}, "additionalProperties": False}) == {
        "default": {"title": "kept"},
        "additionalProperties": False,
    }


def test_a_document_has_all_its_keys_and_may_get_more() -> None:
    schema = document_schema(Outer)
    assert schema["required"] == ["inner", "more"]
    inner = schema["$defs"]["Inner"]
    assert (inner["required"], "additionalProperties" in inner) == (["title"], False)


def test_arguments_are_closed_and_may_be_left_out() -> None:
    inner = arguments_schema(Outer)["$defs"]["Inner"]
    assert ("required" in inner, inner["additionalProperties"]) == (False, False)


def test_what_is_published_and_taken_has_two_schemas() -> None:
    references, schemas = components([Outer], [Inner])
    assert references == {
        Outer: {"$ref": "#/components/schemas/Outer"},
        Inner: {"$ref": "#/components/schemas/InnerArgument"},
    }
    assert schemas["Inner"]["required"] == ["title"]
    assert schemas["InnerArgument"]["additionalProperties"] is False
