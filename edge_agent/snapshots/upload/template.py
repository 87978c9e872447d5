"""The configured URL with its words in braces, made into the URL of one picture."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

from edge_agent.errors import RefusedError, suggestion
from edge_agent.snapshots.picture import Picture
from edge_agent.snapshots.upload.target import Target, parse_target

__all__ = ["UrlTemplate"]

_TOKEN: Final = re.compile(r"\{([^{}]*)\}")
_NAMES: Final = ("node", "id", "file_name", "date")
_DATE: Final = "%Y-%m-%d"
_DATE_FORMAT: Final = re.compile(r"(%[YymdjHMSGV]|[A-Za-z0-9/_.-])+")
_KEPT: Final = "/:?#[]@!$&'()*+,;=%~"
_EXAMPLE: Final = Picture(
    id="20261121T004512123Z-0001",
    time="2026-11-21T00:45:12.123Z",
    format="jpeg",
    width=16,
    height=16,
    size_bytes=1,
    sha256="0" * 64,
    cause="an example",
)


class UrlTemplate:
    """`https://host/{node}/{date:%Y/%m/%d}/{file_name}`. Raises RefusedError where it makes no URL."""

    def __init__(self, text: str) -> None:
        match = re.match(r"[A-Za-z]*://[^/?]*", text)
        authority = match.group() if match else text
        if "{" in authority or "}" in authority:
            raise _refusal("the words in braces can only stand after the host")
        self._parts: list[tuple[str, str | None]] = []
        end = 0
        for token in _TOKEN.finditer(text):
            self._parts.append((_literal(text[end : token.start()]), None))
            self._parts.append(_checked(token.group(1)))
            end = token.end()
        self._parts.append((_literal(text[end:]), None))
        self.target = self.render(node="node", picture=_EXAMPLE)

    @property
    def origin(self) -> str:
        """Scheme, host and port, which are the same for every picture."""
        return self.target.origin

    def render(self, *, node: str, picture: Picture) -> Target:
        """Return the URL of one picture. Dates are the picture's own, in UTC."""
        values = {"node": node, "id": picture.id, "file_name": picture.file_name}
        url = ""
        for text, form in self._parts:
            if form is None:
                url += text
            elif text == "date":
                url += quote(_moment(picture).strftime(form), safe="/")
            else:
                url += quote(values[text], safe="")
        return parse_target(url)


def _moment(picture: Picture) -> datetime:
    try:
        return datetime.fromisoformat(picture.time).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise RefusedError(
            f"the picture {picture.id} has the time '{picture.time[:40]}', which is not RFC 3339",
            field="time",
            value=picture.time[:40],
        ) from error


def _checked(token: str) -> tuple[str, str]:
    name, colon, form = token.partition(":")
    if name not in _NAMES:
        raise _refusal(f"'{{{token}}}' is not known{suggestion(name, _NAMES)}")
    if colon and name != "date":
        raise _refusal(f"'{{{token}}}': only a date has a format")
    form = form if colon else _DATE
    if name == "date" and _DATE_FORMAT.fullmatch(form) is None:
        raise _refusal(
            f"'{{{token}}}': a date is made of %Y %y %m %d %j %H %M %S %G %V, letters, digits and /_.-"
        )
    return name, form


def _literal(text: str) -> str:
    if "{" in text or "}" in text:
        raise _refusal("a brace is not closed; a brace itself is written %7B or %7D")
    return quote(text, safe=_KEPT)


def _refusal(why: str) -> RefusedError:
    return RefusedError(
        f"the URL makes no picture's address: {why}; right is like https://host/{{node}}/{{file_name}}",
        code="invalid_url",
        field="upload.url",
        allowed=[f"{{{name}}}" for name in _NAMES],
    )
