"""Hide what must not be shown: passwords in URLs, the values of headers and options with telling names."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["MASK", "is_secret_name", "mask_text", "mask_url"]

MASK: Final = "********"
_SHORT: Final = "***"
_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s\"'<>]+")
_HEAD: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)([^/?#]*)(.*)", re.DOTALL)
_PORT: Final = re.compile(r"(?:[^:]*|\[[^\]]*\])(?::\d*)?")
_QUERY: Final = re.compile(r"([?&;#])([^=&;#?]+)=([^&;#]*)")
# MediaMTX's id of an SRT stream, publish:name:user:password, as far as it is no secret.
_STREAM_ID: Final = re.compile(r"(?i)(?:publish|read)(?::|%3A)[^:%&]+(?=$|:|%3A)")
# Behind the application RTMP has the stream's key, which is all that many services ask for.
_RTMP_KEY: Final = re.compile(r"(/[^/?#]+)/[^?#]+")
_SECRET_NAME: Final = re.compile(
    r"auth(?!ors?$)|cookie|credential|passw|passphrase|pwd|secret|session|signature|token|(^|[-_.])(api|access|private)?"
    r"[-_.]?(key|sig|pass|pin)$",
    re.IGNORECASE,
)


def is_secret_name(name: str) -> bool:
    """Whether what goes by `name` (a header, an option, a query's key) is likely to be a secret."""
    return _SECRET_NAME.search(name) is not None


def mask_url(url: str) -> str:
    """Return `url` without its secrets: `rtsp://user:***@host/path`, `https://host/?token=***`.

    A user without a password is masked, too: tokens are written that way. What is no URL comes back as it is.
    """
    match = _HEAD.fullmatch(url)
    if match is None:
        return url
    scheme, authority, rest = match.groups()
    if "@" not in authority and "@" in rest and _PORT.fullmatch(authority) is None:
        # A password with an unescaped slash: what looks like a host with a bad port is its beginning.
        authority, rest = _split_at_last_at(authority + rest)
    user, at, host = authority.rpartition("@")
    if at:
        name, colon, _ = user.partition(":")
        authority = f"{name}:{_SHORT}@{host}" if colon else f"{_SHORT}@{host}"
    if scheme.lower() in {"rtmp://", "rtmps://"}:
        rest = _RTMP_KEY.sub(rf"\1/{_SHORT}", rest, count=1)
    return scheme + authority + _QUERY.sub(_mask_query, rest)


def mask_text(text: str) -> str:
    """Return `text` with every URL in it masked."""
    return _URL.sub(lambda match: mask_url(match.group()), text)


def _split_at_last_at(text: str) -> tuple[str, str]:
    user, _, rest = text.rpartition("@")
    host = re.match(r"[^/?#]*", rest)
    end = host.end() if host else 0
    return f"{user}@{rest[:end]}", rest[end:]


def _mask_query(match: re.Match[str]) -> str:
    separator, name, value = match.groups()
    if name.lower() == "streamid" and value:
        public = _STREAM_ID.match(value)
        shown = public.group() if public else ""
        return f"{separator}{name}={shown if shown == value else f'{shown}:{_SHORT}' if shown else _SHORT}"
    return f"{separator}{name}={_SHORT if value and is_secret_name(name) else value}"
