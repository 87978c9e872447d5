from __future__ import annotations

import pytest

from edge_agent.camera.parameter_sets import Declared, declared

_IDR = b"\x00\x00\x01\x65\x88\x80"


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (b"\x00\x00\x00\x01\x67\x42\xc0\x1e\x8c", Declared("constrained_baseline", "3.0")),
        (b"\x00\x00\x01\x67\x42\x80\x28\x8c", Declared("baseline", "4.0")),
        (b"\x00\x00\x01\x67\x4d\x40\x29\x8c", Declared("main", "4.1")),
        (b"\x00\x00\x01\x67\x64\x00\x34\x8c", Declared("high", "5.2")),
        (b"\x00\x00\x01\x67\xf4\x00\x34\x8c", Declared("244", "5.2")),
        (b"\x00\x00\x00\x01\x09\x10\x00\x00\x00\x01\x67\x64\x00\x28", Declared("high", "4.0")),
    ],
)
def test_what_the_first_parameter_set_says(head: bytes, said: Declared) -> None:
    assert declared(head + _IDR) == said


@pytest.mark.parametrize("data", [b"", _IDR, b"\x00\x00\x01\x67\x42", b"\x00\x00\x01"])
def test_where_there_is_none_nothing_is_said(data: bytes) -> None:
    assert declared(data) is None
