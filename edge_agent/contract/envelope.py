"""What comes in on a command topic, taken apart: the arguments and the keys that are read everywhere."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from edge_agent.errors import RefusedError

__all__ = [
    "ENVELOPE_KEYS",
    "MAX_ID_CHARACTERS",
    "Envelope",
    "bounded",
    "bounded_tree",
    "open_envelope",
    "parse_json",
]

ENVELOPE_KEYS: Final = ("id", "expires_at", "ttl_s", "dry_run", "strict")
MAX_ID_CHARACTERS: Final = 128
_MAX_DEPTH: Final = 16
_MAX_ECHO_CHARACTERS: Final = 200
_MAX_ECHO_ITEMS: Final = 50
_MAX_DIGITS: Final = 300


@dataclass(frozen=True, slots=True)
class Envelope:
    """The keys that are read everywhere, and what is left: an object of arguments, or a bare value.

    A `fault` is what is wrong with one of the keys; the `id` is kept for the answer.
    """

    payload: Any
    is_object: bool
    id: str | int | None = None
    expires_at: datetime | None = None
    ttl_s: float | None = None
    dry_run: bool = False
    strict: bool = False
    fault: RefusedError | None = None


def bounded(value: Any) -> Any:
    """Return `value` as it may be echoed in an answer: valid JSON, and not longer than helps."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, int | float) and abs(value) < 1e30:
        return value
    text = value if isinstance(value, str) else _text(value)
    return text if len(text) <= _MAX_ECHO_CHARACTERS else text[:_MAX_ECHO_CHARACTERS] + "…"


def bounded_tree(value: Any) -> Any:
    """Return arguments as they may be echoed: their shape is kept, each value is `bounded`."""
    if isinstance(value, Mapping):
        pairs = list(value.items())[:_MAX_ECHO_ITEMS]
        return {str(bounded(key)): bounded_tree(item) for key, item in pairs}
    if isinstance(value, list | tuple):
        return [bounded_tree(item) for item in value[:_MAX_ECHO_ITEMS]]
    return bounded(value)


def _text(value: Any) -> str:
    try:
        return str(value)
    except ValueError:  # an integer of thousands of digits
        return "a number beyond all bounds"


def _no_constants(word: str) -> float:
    raise RefusedError(f"{word} is not a number that JSON knows", code="not_json", value=word)


def _whole_number(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise RefusedError(f"a number of {len(digits)} digits is beyond all bounds", code="not_json")
    return int(digits)


def _finite_number(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise RefusedError(
            f"the number {bounded(digits)} is beyond all bounds", code="not_json", value=bounded(digits)
        )
    return number


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        twin = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise RefusedError(
            f"the key '{bounded(twin)}' is there twice", code="not_json", field=str(bounded(twin))
        )
    return document


def _check(value: Any, left: int = _MAX_DEPTH) -> None:
    if left == 0 and isinstance(value, dict | list):
        raise _too_deep()
    if isinstance(value, dict):
        for key, item in value.items():
            _check(key, left)
            _check(item, left - 1)
    elif isinstance(value, list):
        for item in value:
            _check(item, left - 1)
    elif isinstance(value, str) and not _is_unicode(value):
        raise RefusedError(
            f"the text {bounded(value)!a} holds half of a surrogate pair: it is no Unicode", code="not_json"
        )


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _too_deep() -> RefusedError:
    return RefusedError(f"the JSON is nested deeper than {_MAX_DEPTH} levels", code="not_json")


def parse_json(text: str) -> Any:
    """Return a JSON document. Raises ValueError where it is none.

    Raises RefusedError on NaN, numbers beyond all bounds, twin keys, half surrogates and nesting beyond 16
    levels, which Python's own reader lets through.
    """
    try:
        document = json.loads(
            text,
            parse_constant=_no_constants,
            parse_int=_whole_number,
            parse_float=_finite_number,
            object_pairs_hook=_no_twins,
        )
    except RecursionError as error:
        raise _too_deep() from error
    _check(document)
    return document


def open_envelope(payload: bytes) -> Envelope:
    """Take a command's payload apart. Raises RefusedError where it is not to be understood.

    What is not JSON but a plain word (`ON`, `night`, `1280x720`) is a bare value.
    """
    try:
        text = payload.decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise RefusedError("the payload is not UTF-8 text", code="not_utf8") from error
    if not text:
        return Envelope(payload={}, is_object=True)
    try:
        document = parse_json(text)
    except ValueError as error:
        if text[0] in '{["' or "\n" in text or len(text) > _MAX_ECHO_CHARACTERS:
            raise RefusedError(
                f'the payload is not JSON ({error}); send an object like {{"id": "a1"}}, or a bare word',
                code="not_json",
                value=bounded(text),
            ) from error
        return Envelope(payload=text, is_object=False)
    if not isinstance(document, dict):
        return Envelope(payload=document, is_object=False)
    keys = {key: document.pop(key, None) for key in ENVELOPE_KEYS}
    caller_id: str | int | None = None
    try:
        caller_id = _caller_id(keys["id"])
        return Envelope(
            payload=document,
            is_object=True,
            id=caller_id,
            expires_at=_moment(keys["expires_at"]),
            ttl_s=_seconds(keys["ttl_s"]),
            dry_run=_flag("dry_run", keys),
            strict=_flag("strict", keys),
        )
    except RefusedError as error:
        return Envelope(payload=document, is_object=True, id=caller_id, fault=error)


def _caller_id(value: Any) -> str | int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 63):
        return value
    if isinstance(value, str) and 0 < len(value) <= MAX_ID_CHARACTERS:
        return value
    raise RefusedError(
        f"'id' is a text of at most {MAX_ID_CHARACTERS} characters, or a whole number",
        code="invalid_envelope",
        field="id",
        value=bounded(value),
    )


def _moment(value: Any) -> datetime | None:
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        pass  # refused below, like a time without its zone
    raise RefusedError(
        "'expires_at' is a time with its zone, as in 2026-01-31T12:00:00Z",
        code="invalid_envelope",
        field="expires_at",
        value=bounded(value),
    )


def _seconds(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1e9:
        return float(value)
    raise RefusedError(
        "'ttl_s' is a number of seconds from 0 on",
        code="invalid_envelope",
        field="ttl_s",
        value=bounded(value),
    )


def _flag(name: str, keys: Mapping[str, Any]) -> bool:
    value = keys[name]
    if value is None:
        return False
    if isinstance(value, bool):
        return value
    raise RefusedError(
        f"'{name}' is true or false",
        code="invalid_envelope",
        field=name,
        value=bounded(value),
        allowed=[True, False],
    )
