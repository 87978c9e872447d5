"""The overlay's text: words with tokens in braces, checked before anything is drawn.

{name} {date} {time:%H:%M}   {exposure_us} µs   {stream.fps:.1f} fps   {{not a token}}
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from edge_agent.errors import RefusedError, suggestion

__all__ = ["MAX_TEXT", "TOKENS", "Template", "Token", "checked", "field_of", "refuse_unknown", "said"]

MAX_TEXT: Final = 200
# Each token and how its value is written where the text does not say: strftime's way, or a number's.
TOKENS: Final[Mapping[str, str]] = {
    "name": "",
    "node": "",
    "time": "%H:%M:%S",
    "date": "%Y-%m-%d",
    "exposure_us": "",
    "gain": ".2f",
    "lux": ".1f",
    "fps": ".1f",
    "temperature_c": ".1f",
}
_DATED: Final = frozenset({"time", "date"})
_NAMED: Final = frozenset({"name", "node"})
_NOTHING: Final = "-"  # where a camera does not say, or a status has nothing to say
_PATH: Final = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)+")
# No widths: one could ask for a million digits.
_NUMBER: Final = re.compile(r"(\.\d)?[dfeg%]?")
_MOMENT: Final = datetime(2026, 1, 1, tzinfo=UTC)
_MAX_VALUE: Final = 60


@dataclass(frozen=True, slots=True)
class Token:
    """A value's place in the text: its name, or the path of a field of status, and how it is written."""

    name: str
    how: str

    @property
    def dated(self) -> bool:
        """Whether its value is a moment."""
        return self.name in _DATED


@dataclass(frozen=True, slots=True)
class Template:
    """A text taken apart."""

    parts: tuple[str | Token, ...]

    @classmethod
    def of(cls, text: str) -> Template:
        """Take a text apart. Raises ValueError that says what is wrong and what was probably meant."""
        parts: list[str | Token] = []
        try:
            pieces = list(string.Formatter().parse(text))
        except ValueError as error:
            raise ValueError(f"{error}; a brace that is none is written twice, {{{{ or }}}}") from error
        for words, name, how, conversion in pieces:
            if words:
                parts.append(words)
            if name is not None:
                parts.append(_token(name, how or "", conversion))
        return cls(tuple(parts))

    @property
    def fields(self) -> tuple[str, ...]:
        """The paths of the fields of status in it."""
        tokens = [part for part in self.parts if isinstance(part, Token)]
        return tuple(dict.fromkeys(token.name for token in tokens if token.name not in TOKENS))

    def filled(self, value: Callable[[Token], str]) -> str:
        """Return the text with `value` in place of each token."""
        return "".join(part if isinstance(part, str) else value(part) for part in self.parts)


def checked(text: str) -> str:
    """Return `text` where it can be drawn; raises ValueError."""
    Template.of(text)
    if any(not character.isprintable() and character != "\n" for character in text):
        raise ValueError("there is a control character in it; a new line is written \\n")
    return text


def _token(name: str, how: str, conversion: str | None) -> Token:
    if conversion:
        raise ValueError(f"'{{{name}!{conversion}}}' is written without '!{conversion}'")
    if name not in TOKENS and not _PATH.fullmatch(name):
        near = suggestion(name, TOKENS)
        known = ", ".join(TOKENS)
        raise ValueError(
            f"there is no '{{{name}}}'{near or '.'} There are {known}, and every field of status by its "
            "path, like profile.active"
        )
    if name in _NAMED and how:
        raise ValueError(f"'{{{name}:{how}}}' is written without ':{how}'")
    if name in _DATED:
        _check_date(name, how or TOKENS[name])
    elif not _NUMBER.fullmatch(how):
        raise ValueError(f"'{how}' is no way to write '{name}'; there are .0f to .9f, d, e, g and %")
    return Token(name, how or TOKENS.get(name, ""))


def _check_date(name: str, how: str) -> None:
    try:
        written = "" if re.search(r"%[-_^#0+]*\d", how) else _MOMENT.strftime(how)
    except ValueError:
        written = ""
    if not written.strip():
        raise ValueError(f"'{how}' is no way to write a {name}; right is one like {TOKENS[name]}")


def said(token: Token, value: Any) -> str:
    """Return a value as the overlay says it. Never raises."""
    if value is None:
        return _NOTHING
    if isinstance(value, datetime):
        return value.strftime(token.how)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if number and token.how:
        try:
            return format(value, token.how)
        except (ValueError, OverflowError):
            return str(value)
    if isinstance(value, bool):
        return "on" if value else "off"
    text = f"{value:.6g}" if isinstance(value, float) else " ".join(str(value).split())
    return text if len(text) <= _MAX_VALUE else f"{text[: _MAX_VALUE - 1]}…"


def field_of(document: Any, path: str) -> Any:
    """Return the value at a path like `profile.active`. Raises KeyError where there is none."""
    value = document
    for part in path.split("."):
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        elif value is None:
            return None  # a part that has nothing to say now may have it later
        else:
            raise KeyError(path)
    return value


def refuse_unknown(
    text: str, *, document: Callable[[], Mapping[str, Any]], promised: Collection[str] = ()
) -> None:
    """Raise RefusedError for a field that status does not have. `promised` parts may still be to come."""
    fields = Template.of(text).fields
    status = document() if fields else {}
    for path in fields:
        first = path.partition(".")[0]
        if first not in status and first in promised:
            continue
        try:
            field_of(status, path)
        except KeyError as error:
            known = [*TOKENS, *_paths(status)]
            raise RefusedError(
                f"'overlay.text': status has no field '{path}'{suggestion(path, known)}",
                code="invalid_arguments",
                field="overlay.text",
                value=path,
                allowed=sorted({*TOKENS, *(f"{part}.…" for part in status)}),
            ) from error


def _paths(value: Any, prefix: str = "") -> list[str]:
    if not isinstance(value, Mapping):
        return [prefix]
    return [path for key, nested in value.items() for path in _paths(nested, f"{prefix}.{key}".lstrip("."))]
