"""Where a picture goes: a URL, taken apart, checked, and fit to be shown."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from typing import Final
from urllib.parse import unquote, urlsplit

from edge_agent.errors import RefusedError, suggestion
from edge_agent.masking import mask_url

__all__ = ["Target", "climbs", "parse_target", "shown_url"]

# Each scheme, and the port that is meant where none is named.
_PORTS: Final = {"http": 80, "https": 443}
_MAX_CHARACTERS: Final = 8192
_SHOWN_CHARACTERS: Final = 300
# What RFC 3986 lets stand in a URL. A backslash, a space or a brace reads differently from parser to parser.
_URL: Final = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_HOST: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?")


@dataclass(frozen=True, slots=True)
class Target:
    """A checked URL. `raw` may be as good as a password: only `shown` may be logged, sent or shown."""

    raw: str = field(repr=False)
    scheme: str
    host: str
    port: int
    path: str
    query: str = field(repr=False)

    @property
    def shown(self) -> str:
        """The URL without its secrets."""
        return shown_url(self.raw)

    @property
    def has_query(self) -> bool:
        """Whether there is a query, which may be a key."""
        return bool(self.query)

    @property
    def origin(self) -> str:
        """Scheme, host and port: who is talked to."""
        return f"{self.scheme}://{self.authority_host}:{self.port}"

    @property
    def authority_host(self) -> str:
        """The host as it stands in a URL."""
        return f"[{self.host}]" if ":" in self.host else self.host

    @property
    def request_target(self) -> str:
        """What is asked of the host, as HTTP says: path and query."""
        return f"{self.path}?{self.query}" if self.query else self.path

    def __str__(self) -> str:
        return self.shown


def shown_url(url: str) -> str:
    """Return `url` without passwords and without its query, which in a presigned URL is the key to it."""
    head, mark, _ = mask_url(url).partition("?")
    return head.partition("#")[0][:_SHOWN_CHARACTERS] + ("?***" if mark else "")


def climbs(path: str) -> bool:
    """Whether a path goes upwards or hides where it goes, however often its dots are escaped."""
    for _ in range(4):
        segments = re.split(r"[/\\]", path)
        if any(segment.partition(";")[0] in {".", ".."} for segment in segments):
            return True
        if _CONTROL.search(path):
            return True
        decoded = unquote(path)
        if decoded == path:
            return False
        if decoded.count("/") + decoded.count("\\") > path.count("/") + path.count("\\"):
            return True
        path = decoded
    return True


def parse_target(url: str) -> Target:
    """Return `url` taken apart. Raises RefusedError `invalid_url`, without its secrets."""
    if len(url) > _MAX_CHARACTERS:
        raise _refusal(url, f"it has more than {_MAX_CHARACTERS} characters")
    if _URL.fullmatch(url) is None:
        raise _refusal(url, "a character in it must be percent-encoded (a name like mün.example: xn--…)")
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme.lower(), parts.hostname, parts.port
    except ValueError as error:
        raise _refusal(url, "the host or the port cannot be read") from error
    if scheme not in _PORTS:
        raise _refusal(url, f"the scheme '{scheme[:20]}' is not known{suggestion(scheme, _PORTS)}")
    if "@" in parts.netloc:
        raise _refusal(url, "there is a user in it: credentials are configured, not part of a URL")
    if not host or not _is_host(host):
        raise _refusal(url, "there is no host that could be looked up")
    if port == 0:
        raise _refusal(url, "the port is 0")
    if "#" in url:
        raise _refusal(url, "there is a fragment (#) in it, which no server gets")
    if _BAD_ESCAPE.search(url):
        raise _refusal(url, "a '%' in it is not followed by two hexadecimal digits")
    if climbs(parts.path):
        raise _refusal(url, "its path climbs ('..'), or hides a '/'")
    return Target(
        raw=url,
        scheme=scheme,
        host=host.rstrip("."),
        port=port or _PORTS[scheme],
        path=parts.path or "/",
        query=parts.query,
    )


def _is_host(host: str) -> bool:
    if ":" in host:
        try:
            return IPv6Address(host).scope_id is None
        except ValueError:
            return False
    return len(host) <= 253 and _HOST.fullmatch(host) is not None


def _refusal(url: str, why: str) -> RefusedError:
    shown = shown_url(url)
    return RefusedError(
        f"'{shown}' cannot be uploaded to: {why}; right is https://host/path",
        code="invalid_url",
        field="url",
        value=shown,
        allowed=sorted(_PORTS),
    )
