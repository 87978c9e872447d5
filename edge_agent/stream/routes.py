"""How libav is told to publish to a target: its muxer, its URL, its options, by the URL's scheme."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from edge_agent.stream.connection import trusted_authorities
from edge_agent.stream.messages import TlsTrust
from edge_agent.stream.mux import StreamTargetError
from edge_agent.stream.support import NO_PROOF
from edge_agent.stream.url import StreamUrl

__all__ = ["Route", "route_to"]

# SRT's payload of seven cells of an MPEG transport stream, which fits into one packet of any network.
_SRT_PACKET_BYTES: Final = 1316
# MediaMTX's WebRTC, like everyone's, takes smaller packets than RTSP.
_WHIP_PACKET_BYTES: Final = 1200


@dataclass(frozen=True, slots=True)
class Route:
    """A muxer, and what it is given. `url` may hold a password."""

    format: str
    url: str = field(repr=False)
    options: dict[str, str] = field(default_factory=dict, repr=False)

    def joined(self) -> str:
        """Return the options as libav reads them from one text."""
        return ":".join(f"{name}={_escaped(value)}" for name, value in self.options.items())


def route_to(target: StreamUrl, *, trust: TlsTrust, connect_timeout_s: float, io_timeout_s: float) -> Route:
    """Return the route to a target of RTMP, SRT or WHIP. Raises StreamTargetError where there is none.

    `connect_timeout_s` bounds the handshake, `io_timeout_s` each read and write after it, as far as the
    protocol has such limits.
    """
    if target.scheme in ("rtmp", "rtmps"):
        return _rtmp(target, trust, io_timeout_s)
    if target.scheme == "srt":
        return _srt(target, connect_timeout_s, io_timeout_s)
    return _whip(target, trust, connect_timeout_s)


def _rtmp(target: StreamUrl, trust: TlsTrust, io_timeout_s: float) -> Route:
    options = {
        "rw_timeout": str(int(io_timeout_s * 1_000_000)),
        # A live stream has no end whose length could be written into its beginning.
        "flvflags": "no_duration_filesize",
        "flush_packets": "1",
    }
    if target.scheme == "rtmps":
        options["tls_verify"] = str(int(trust.verify))
        authorities = trusted_authorities(trust)
        if authorities is not None:
            options["ca_file"] = authorities
    return Route("flv", target.raw, options)


def _srt(target: StreamUrl, connect_timeout_s: float, io_timeout_s: float) -> Route:
    """Give what the URL itself does not: libav reads SRT's options there."""
    parts = urlsplit(target.raw)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    user, at, _ = parts.netloc.rpartition("@")
    if "streamid" not in query:
        # As MediaMTX takes it: publish:name:user:password.
        name, _, password = user.partition(":")
        words = [
            "publish",
            unquote(parts.path.strip("/")),
            *([unquote(name), unquote(password)] if at else []),
        ]
        query["streamid"] = ":".join(words)
    query.setdefault("mode", "caller")
    query.setdefault("pkt_size", str(_SRT_PACKET_BYTES))
    query.setdefault("connect_timeout", str(int(connect_timeout_s * 1000)))
    query.setdefault("timeout", str(int(io_timeout_s * 1_000_000)))
    host = f"[{target.host}]" if ":" in target.host else target.host
    joined = "&".join(f"{name}={quote(value, safe=':/!=,#')}" for name, value in query.items())
    return Route("mpegts", f"srt://{host}:{target.port}?{joined}", {"flush_packets": "1"})


def _whip(target: StreamUrl, trust: TlsTrust, connect_timeout_s: float) -> Route:
    if target.scheme == "whips" and trust.verify:
        raise StreamTargetError(f"{target}: {NO_PROOF}", code="stream_unsupported")
    parts = urlsplit(target.raw)
    options = {
        "handshake_timeout": str(int(connect_timeout_s * 1000)),
        "pkt_size": str(_WHIP_PACKET_BYTES),
    }
    user, at, host = parts.netloc.rpartition("@")
    if at and ":" not in user:
        # A user without a password is a token.
        options["authorization"] = unquote(user)
        parts = parts._replace(netloc=host)
    scheme = "https" if target.scheme == "whips" else "http"
    return Route("whip", parts._replace(scheme=scheme).geturl(), options)


def _escaped(value: str) -> str:
    """Return a value in which libav's separators mean themselves."""
    return "".join(f"\\{character}" if character in "\\':=" else character for character in value)
