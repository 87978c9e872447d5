from __future__ import annotations

from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, model_validator

from edge_agent.contract.validation import validate
from edge_agent.errors import RefusedError


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")

    size: int = 1
    tags: list[int] = []


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    name: str = Field("x", max_length=3)
    rate: float = Field(1.0, gt=0, lt=9)
    bps: int | Literal["auto"] = "auto"
    inner: Inner | None = None
    named: dict[str, Inner] | None = None

    @model_validator(mode="after")
    def _not_five(self) -> Outer:
        if self.rate == 5:
            raise ValueError("five is unlucky")
        return self


def refused(document: dict[Any, Any]) -> RefusedError:
    with pytest.raises(RefusedError) as error:
        validate(Outer, document)
    return error.value


def test_what_is_right_is_the_model() -> None:
    assert validate(Outer, {"inner": {"size": 2}}).inner == Inner(size=2)


@pytest.mark.parametrize(
    ("document", "message", "field", "value", "allowed"),
    [
        (
            {"nmae": 1},
            "there is no 'nmae'; did you mean 'name'?",
            "nmae",
            1,
            ["bps", "inner", "name", "named", "rate"],
        ),
        (
            {"inner": {"sise": 1}},
            "there is no 'inner.sise'; did you mean 'size'?",
            "inner.sise",
            1,
            ["size", "tags"],
        ),
        (
            {"named": {"a": {"size": 1}, "b": {"sise": 1}}},
            "there is no 'named.b.sise'; did you mean 'size'?",
            "named.b.sise",
            1,
            ["size", "tags"],
        ),
        (
            {"inner": {"size": "big"}},
            "'inner.size' cannot be 'big': it should be a whole number",
            "inner.size",
            "big",
            None,
        ),
        (
            {"inner": {"tags": [1, "b"]}},
            "'inner.tags.1' cannot be 'b': it should be a whole number",
            "inner.tags.1",
            "b",
            None,
        ),
        (
            {"bps": "fast"},
            "'bps' cannot be 'fast': it should be a whole number or 'auto'",
            "bps",
            "fast",
            ["auto"],
        ),
        (
            {"rate": 0},
            "'rate' cannot be 0: it should be greater than 0",
            "rate",
            0,
            {"above": 0, "below": 9},
        ),
        (
            {"rate": float("nan")},
            "'rate' cannot be 'nan': it should be a finite number",
            "rate",
            "nan",
            {"above": 0, "below": 9},
        ),
        ({"name": 5}, "'name' cannot be 5: it should be a text", "name", 5, None),
        ({"name": None}, "'name' cannot be null: it should be a text", "name", None, None),
        ({"inner": 5}, "'inner' cannot be 5: it should be an object", "inner", 5, None),
        ({"rate": 5}, "five is unlucky", None, "{'rate': 5}", None),
    ],
)
def test_a_refusal_says_what_where_which_value_and_what_is_allowed(
    document: dict[str, Any], message: str, field: str | None, value: Any, allowed: Any
) -> None:
    error = refused(document)
    assert error.message == message
    assert (error.code, error.field, error.value, error.allowed) == (
        "invalid_arguments",
        field,
        value,
        allowed,
    )


def test_several_faults_are_told_together_but_not_without_end() -> None:
    error = refused({f"k{number}": 1 for number in range(1000)})
    assert error.message.count("there is no") == 5
    assert error.message.endswith("and 995 more")


def test_a_text_too_long_is_echoed_short() -> None:
    assert len(refused({"name": "x" * 60_000}).message) < 500
    assert len(refused({"x" * 60_000: 1}).message) < 500
