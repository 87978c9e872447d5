from __future__ import annotations

import copy
from typing import Any

import pytest

from edge_agent.contract.compatibility import command_differences, document_differences

ARGUMENTS: dict[str, Any] = {
    "additionalProperties": False,
    "properties": {
        "fps": {"type": "number", "minimum": 1, "maximum": 100},
        "mode": {"enum": ["auto", "manual"], "type": "string"},
        "window": {"anyOf": [{"$ref": "#/$defs/Window"}, {"type": "null"}]},
    },
    "$defs": {"Window": {"type": "object", "properties": {"x": {"type": "number"}}}},
    "required": ["mode"],
    "type": "object",
}
COMMAND = {"main": "fps", "arguments": ARGUMENTS}


def changed(*path: str, to: Any = ..., of: Any = COMMAND) -> Any:
    """Return a copy with one thing changed, or taken away."""
    document = copy.deepcopy(of)
    place = document
    for key in path[:-1]:
        place = place[key]
    if to is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = to
    return document


def said(old: Any, new: Any) -> list[tuple[str, bool]]:
    found = command_differences({"framerate": old}, {"framerate": new})
    return [(f"{difference.where} {difference.what}", difference.breaks) for difference in found]


FIELDS = ("arguments", "properties")


@pytest.mark.parametrize(
    ("new", "what"),
    [
        (changed("main", to=None), "cmd/framerate the main argument was fps, is None"),
        (changed(*FIELDS, "fps"), "cmd/framerate.fps is gone"),
        (changed(*FIELDS, "fps", "type", to="integer"), "cmd/framerate.fps was number, is integer"),
        (changed(*FIELDS, "fps", "maximum", to=60), "cmd/framerate.fps maximum was 100, is 60"),
        (
            changed(*FIELDS, "fps", "minLength", to=2),
            "cmd/framerate.fps minLength was none, is 2",
        ),
        (changed(*FIELDS, "mode", "enum", to=["auto"]), "cmd/framerate.mode 'manual' is gone"),
        (changed("arguments", "required", to=["mode", "fps"]), "cmd/framerate.fps must be given now"),
        (
            changed(*FIELDS, "window", to={"$ref": "#/$defs/Window"}),
            "cmd/framerate.window may be null no more",
        ),
        (
            changed("arguments", "$defs", "Window", "properties", "x", "type", to="string"),
            "cmd/framerate.window.x was number, is string",
        ),
    ],
)
def test_what_breaks_a_caller_is_told(new: Any, what: str) -> None:
    assert said(COMMAND, new) == [(what, True)]


@pytest.mark.parametrize(
    ("new", "what"),
    [
        (changed(*FIELDS, "fps", "maximum", to=200), "cmd/framerate.fps maximum was 100, is 200"),
        (changed(*FIELDS, "fps", "minimum"), "cmd/framerate.fps minimum was 1, is none"),
        (changed(*FIELDS, "mode", "enum", to=["auto", "manual", "off"]), "cmd/framerate.mode 'off' is new"),
        (changed(*FIELDS, "speed", to={"type": "number"}), "cmd/framerate.speed is new"),
        (changed("arguments", "required", to=[]), None),
        (changed("arguments", "title", to="Another"), None),
        (
            changed("arguments", "$defs", "Window", "properties", "y", to={"type": "number"}),
            "cmd/framerate.window.y is new",
        ),
    ],
)
def test_what_only_adds_breaks_nobody(new: Any, what: str | None) -> None:
    assert said(COMMAND, new) == ([(what, False)] if what else [])


def test_commands_come_and_go() -> None:
    found = list(command_differences({"a": COMMAND}, {"b": COMMAND}))
    assert [str(difference) for difference in found] == [
        "BREAKS  cmd/a: is gone",
        "added   cmd/b: is new",
    ]


EMPTY = [{"type": "object", "properties": {}}, {"type": "null"}]
STATUS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "fps": {"type": "number"},
        "state": {"enum": ["a", "b"], "type": "string"},
        "sub": {"anyOf": [{"type": "object", "properties": {"x": {"type": "number"}}}, {"type": "null"}]},
    },
    "required": ["fps", "state", "sub"],
}


@pytest.mark.parametrize(
    ("new", "what", "breaks"),
    [
        (changed("properties", "fps", of=STATUS), "status.fps is gone", True),
        (
            changed("required", to=["fps", "sub"], of=STATUS),
            "status.state is not always there now",
            True,
        ),
        (
            changed("properties", "fps", to={"anyOf": [{"type": "number"}, {"type": "null"}]}, of=STATUS),
            "status.fps may be null, too",
            True,
        ),
        (
            changed("properties", "fps", "type", to="integer", of=STATUS),
            "status.fps was number, is integer",
            False,
        ),
        (changed("properties", "new", to={"type": "null"}, of=STATUS), "status.new is new", False),
        (
            changed("properties", "state", "enum", to=["a", "b", "c"], of=STATUS),
            "status.state 'c' is new",
            False,
        ),
        (
            changed(
                "properties",
                "sub",
                "anyOf",
                to=EMPTY,
                of=STATUS,
            ),
            "status.sub.x is gone",
            True,
        ),
    ],
)
def test_readers_of_a_document_lose_nothing(new: Any, what: str, breaks: bool) -> None:
    found = document_differences("status", STATUS, new)
    assert [(f"{each.where} {each.what}", each.breaks) for each in found] == [(what, breaks)]
