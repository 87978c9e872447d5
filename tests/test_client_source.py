"""The client's commands are the declared ones."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from edge_agent.catalogue import command_specs
from edge_agent.client.commands import NodeCommands
from edge_agent.client.reply import Envelope
from edge_agent.client_source import annotation_text, main
from edge_agent.feature import discover

SPECS = list(command_specs(discover()))


def test_the_generated_module_is_up_to_date() -> None:
    assert main(["--check"]) == 0


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_every_command_is_a_method_that_takes_its_arguments(spec: Any) -> None:
    parameters = inspect.signature(getattr(NodeCommands, spec.name)).parameters
    fields = {info.alias or name for name, info in spec.arguments.model_fields.items()}
    assert fields == {name.removesuffix("_") for name in parameters} - {"self", "envelope"}
    assert not set(spec.arguments.model_fields) & Envelope.__annotations__.keys()


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (int, "int"),
        (int | None, "int | None"),
        (None | int, "int | None"),
        (Annotated[float, Field(gt=0)] | Literal["auto"], "float | Literal['auto']"),
        (tuple[str, ...], "Sequence[str]"),
        (list[int] | None, "Sequence[int] | None"),
        (dict[str, int], "Mapping[str, Any]"),
        (Mapping[str, Any], "Mapping[str, Any]"),
        (datetime | None, "datetime | str | None"),
        (BaseModel, "Mapping[str, Any]"),
        (Any, "Any"),
    ],
)
def test_an_annotation_is_what_a_caller_writes(annotation: Any, text: str) -> None:
    assert annotation_text(annotation) == text
