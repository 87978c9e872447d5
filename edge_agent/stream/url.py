"""Where a stream is published to: checked, taken apart, and fit to be shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from edge_agent.errors import ConfigError, suggestion
from edge_agent.masking import mask_url

__all__ = ["ENCRYPTED", "SCHEMES", "StreamUrl", "mask_url", "parse_stream_url", "split_stream_url"]

# Each scheme that can be published to, and the port that is meant where none is named; SRT has none.
SCHEMES: Final = {
    "rtsp": 554,
    "rtsps": 322,
    "rtmp": 1935,
    "rtmps": 443,
    "srt": 0,
    "whip": 80,
    "whips": 443,
}
ENCRYPTED: Final = frozenset({"rtsps", "rtmps", "whips"})
_EXAMPLES: Final = {
    "rtsp": "rtsp://host:8554/name",
    "rtsps": "rtsps://user:password@host:8322/name",
    "rtmp": "rtmp://host/name",
    "rtmps": "rtmps://host:1936/name",
    "srt": "srt://host:8890?streamid=publish:name",
    "whip": "whip://host:8889/name/whip",
    "whips": "whips://host:8889/name/whip",
}


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
    try:
        return split_stream_url(url)
    except ValueError as error:
        masked = mask_url(url)
        # The cause is not chained: urllib's own may show the URL.
        raise ConfigError(
            f"stream.url: '{masked}' cannot be published to: it {error}",
            field="stream.url",
            value=masked,
            allowed=sorted(SCHEMES),
        ) from None


def split_stream_url(url: str) -> StreamUrl:
    """Return `url` taken apart. Raises ValueError, whose text has nothing of the URL that is secret."""
    try:
        parts = urlsplit(url)
        scheme, host, port, path = parts.scheme.lower(), parts.hostname, parts.port, parts.path
    except ValueError:
        raise _refusal("rtsp", "the host or the port cannot be read") from None
    if scheme not in SCHEMES:
        known = suggestion(scheme, SCHEMES)
        raise _refusal("rtsp", f"the scheme '{scheme}' is not known{known}; allowed are {', '.join(SCHEMES)}")
    if not host:
        raise _refusal(scheme, "there is no host")
    if port == 0:
        raise _refusal(scheme, "the port is 0")
    if scheme == "srt" and port is None:
        raise _refusal(scheme, "there is no port")
    named_by_id = scheme == "srt" and "streamid=" in parts.query
    if not (path.strip("/") or named_by_id):
        raise _refusal(scheme, "there is no path, the stream's name on the server")
    if any(character.isspace() or not character.isprintable() for character in url):
        raise _refusal(scheme, "there is a space or a control character in it")
    return StreamUrl(raw=url, masked=mask_url(url), scheme=scheme, host=host, port=port or SCHEMES[scheme])


def _refusal(scheme: str, why: str) -> ValueError:
    return ValueError(f"must be a URL like {_EXAMPLES[scheme]} ({why})")
