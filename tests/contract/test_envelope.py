from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import Any

import pytest

from edge_agent.contract.envelope import bounded, bounded_tree, open_envelope, parse_json
from edge_agent.errors import RefusedError


@pytest.mark.parametrize(
    ("payload", "value"),
    [
        (b"25", 25),
        (b"25.5", 25.5),
        (b"ON", "ON"),
        (b" night \r\n", "night"),
        (b'"night"', "night"),
        (b"1280x720", "1280x720"),
        (b"true", True),
        (b"null", None),
        (b"[1, 2]", [1, 2]),
        ("Größe".encode(), "Größe"),
    ],
)
def test_what_is_no_object_is_a_bare_value(payload: bytes, value: Any) -> None:
    envelope = open_envelope(payload)
    assert not envelope.is_object
    assert envelope.payload == value
    assert envelope.id is None


@pytest.mark.parametrize("payload", [b"", b"  \n", b"{}", b"\xef\xbb\xbf{}"])
def test_an_empty_payload_is_an_object_without_arguments(payload: bytes) -> None:
    envelope = open_envelope(payload)
    assert envelope.is_object
    assert envelope.payload == {}


def test_the_common_keys_are_taken_out_of_the_arguments() -> None:
    document = {
        "id": "a1",
        "expires_at": "2026-01-31T13:00:00+01:00",
        "ttl_s": 5,
        "dry_run": True,
        "strict": True,
        "fps": 25,
    }
    envelope = open_envelope(json.dumps(document).encode())
    assert envelope.payload == {"fps": 25}
    assert envelope.id == "a1"
    assert envelope.expires_at == datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert envelope.ttl_s == 5.0
    assert envelope.dry_run
    assert envelope.strict
    assert envelope.fault is None


@pytest.mark.parametrize("caller_id", ["a", "x" * 128, 0, 7, -1, (1 << 63) - 1, "ü"])
def test_an_id_is_a_short_text_or_a_whole_number(caller_id: str | int) -> None:
    envelope = open_envelope(json.dumps({"id": caller_id}).encode())
    assert envelope.id == caller_id
    assert envelope.fault is None


@pytest.mark.parametrize("caller_id", ["", "x" * 129, 1.5, True, [], {}, 1 << 63])
def test_another_id_is_a_fault_that_says_what_is_right(caller_id: Any) -> None:
    envelope = open_envelope(json.dumps({"id": caller_id}).encode())
    assert envelope.id is None
    assert envelope.fault is not None
    assert envelope.fault.field == "id"
    assert "128 characters" in envelope.fault.message


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("expires_at", "tomorrow"),
        ("expires_at", "2026-01-31T12:00:00"),
        ("expires_at", 1763668800),
        ("expires_at", "0001-01-01T00:00:00+23:59"),
        ("expires_at", "9999-12-31T23:59:59-23:59"),
        ("ttl_s", -1),
        ("ttl_s", "5"),
        ("ttl_s", True),
        ("ttl_s", 10**200),
        ("dry_run", "yes"),
        ("dry_run", 1),
        ("strict", "true"),
    ],
)
def test_a_fault_in_another_key_keeps_the_id_for_the_answer(key: str, value: Any) -> None:
    envelope = open_envelope(json.dumps({"id": "a1", key: value}).encode())
    assert envelope.id == "a1"
    assert envelope.fault is not None
    assert (envelope.fault.code, envelope.fault.field) == ("invalid_envelope", key)
    assert f"'{key}'" in envelope.fault.message


@pytest.mark.parametrize(
    ("payload", "code", "text"),
    [
        (b'{"fps": NaN}', "not_json", "NaN"),
        (b"Infinity", "not_json", "Infinity"),
        (b"-Infinity", "not_json", "-Infinity"),
        (b'{"fps": 1e999}', "not_json", "beyond all bounds"),
        (b"-1e999", "not_json", "beyond all bounds"),
        (b'{"fps": ' + b"9" * 400 + b"}", "not_json", "400 digits"),
        (b"9" * 5000, "not_json", "5000 digits"),
        (b'{"fps": 1, "fps": 2}', "not_json", "'fps' is there twice"),
        (b'{"a": {"b": 1, "b": 1}}', "not_json", "'b' is there twice"),
        (b"[" * 17 + b"]" * 17, "not_json", "16 levels"),
        (b"[" * 100_000, "not_json", "16 levels"),
        (b'{"a":' * 100_000, "not_json", "16 levels"),
        (b'{"fps": 25', "not_json", "not JSON"),
        (b"{fps: 25}", "not_json", "not JSON"),
        (b'"night', "not_json", "not JSON"),
        (b"x" * 300, "not_json", "not JSON"),
        (b"\xff\xfe", "not_utf8", "UTF-8"),
        (b'{"id": "\\ud800"}', "not_json", "surrogate"),
        (b'{"\\udfff": 1}', "not_json", "surrogate"),
    ],
)
def test_what_cannot_be_understood_is_refused_with_the_reason(payload: bytes, code: str, text: str) -> None:
    with pytest.raises(RefusedError) as refused:
        open_envelope(payload)
    assert refused.value.code == code
    assert text in refused.value.message
    assert len(refused.value.message) < 1000


def test_sixteen_levels_are_not_too_many() -> None:
    assert parse_json("[" * 16 + "]" * 16)


def test_a_twin_among_very_many_keys_is_found() -> None:
    keys = [f"k{number}" for number in range(9000)]
    with pytest.raises(RefusedError, match="'k8999' is there twice"):
        parse_json("{" + ",".join(f'"{key}":1' for key in [*keys, keys[-1]]) + "}")


@pytest.mark.parametrize(
    ("value", "echoed"),
    [
        (None, None),
        (True, True),
        (5, 5),
        (0.5, 0.5),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
        ("word", "word"),
        ([1, {"a": 2}], "[1, {'a': 2}]"),
        (10**40, str(10**40)),
        pytest.param(10**5000, "a number beyond all bounds", id="huge"),
    ],
)
def test_what_is_echoed_is_plain_json(value: Any, echoed: Any) -> None:
    assert bounded(value) == echoed


def test_what_is_echoed_is_short() -> None:
    assert bounded("x" * 300) == "x" * 200 + "…"
    shape = bounded_tree({"a": {"b": ["y" * 300]}, "c": list(range(1000))})
    assert shape["a"]["b"] == ["y" * 200 + "…"]
    assert len(shape["c"]) == 50
