"""Where a stream is published to: checked, taken apart, and fit to be shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from edge_agent.errors import ConfigError, suggestion
from edge_agent.masking import mask_url

__all__ = ["SCHEMES", "StreamUrl", "mask_url", "parse_stream_url"]

# Each scheme that can be published to, and the port that is meant where none is named.
SCHEMES: Final = {"rtsp": 554, "rtsps": 322}


@dataclass(frozen=True, slots=True)
class StreamUrl:
    """A checked target. `raw` may hold a password: only `masked` may be logged, sent or shown."""

    raw: str = field(repr=False)
    masked: str
    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        return self.masked


def parse_stream_url(url: str) -> StreamUrl:
    """Return `url` taken apart. Raises ConfigError, without the password, where it cannot be published to."""
    masked = mask_url(url)
    try:
        parts = urlsplit(url)
        scheme, host, port, path = parts.scheme.lower(), parts.hostname, parts.port, parts.path
    except ValueError as error:
        raise _refusal(masked, "the host or the port cannot be read") from error
    if scheme not in SCHEMES:
        raise _refusal(masked, f"the scheme '{scheme}' is not known{suggestion(scheme, SCHEMES)}")
    if not host:
        raise _refusal(masked, "there is no host")
    if port == 0:
        raise _refusal(masked, "the port is 0")
    if not path.strip("/"):
        raise _refusal(masked, "there is no path, the stream's name on the server")
    if any(character.isspace() or not character.isprintable() for character in url):
        raise _refusal(masked, "there is a space or a control character in it")
    return StreamUrl(raw=url, masked=masked, scheme=scheme, host=host, port=port or SCHEMES[scheme])


def _refusal(masked: str, why: str) -> ConfigError:
    return ConfigError(
        f"stream.url: '{masked}' cannot be published to: {why}; "
        "right is rtsp://host:8554/name or rtsps://user:password@host:8322/name",
        field="stream.url",
        value=masked,
        allowed=sorted(SCHEMES),
    )
