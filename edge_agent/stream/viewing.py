"""Where people watch what is published: MediaMTX's addresses for RTSP, WebRTC and HLS, never with secrets."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, quote, unquote, urlsplit

from pydantic import BaseModel, ConfigDict

from edge_agent.stream.config import StreamServerConfig

__all__ = ["Viewing", "ViewingUrls", "path_name", "reachable_host"]

_OFF: Final = "off"
_RTSP_PORT: Final = 8554
_WEBRTC_PORT: Final = 8889
_HLS_PORT: Final = 8888
_MDNS: Final = Path("/run/avahi-daemon/socket")
# Addresses for documentation: connecting a datagram socket sends nothing, it only picks a route.
_FAR: Final = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))


class ViewingUrls(BaseModel):
    """Where to watch; null where the server does not offer it. `whep` is for players that speak WHEP."""

    model_config = ConfigDict(frozen=True)

    rtsp: str | None = None
    webrtc: str | None = None
    whep: str | None = None
    hls: str | None = None


def path_name(url: str) -> str:
    """Return the name of the path on the server that `url` publishes to."""
    parts = urlsplit(url)
    path = unquote(parts.path).strip("/")
    if parts.scheme == "srt":
        # publish:name[:user:password], or without the colons #!::m=publish,r=name
        stream_id = parse_qs(parts.query).get("streamid", [""])[0]
        if stream_id.startswith("#!::"):
            pairs = dict(pair.partition("=")[::2] for pair in stream_id[4:].split(","))
            return pairs.get("r", "").strip("/")
        return stream_id.split(":")[1].strip("/") if ":" in stream_id else stream_id
    if parts.scheme in ("http", "https", "whip", "whips"):
        return path.removesuffix("/whip")
    return path


def reachable_host(*, mdns: Path = _MDNS, hostname: Callable[[], str] = socket.gethostname) -> str:
    """Return what other machines most likely reach this one by: its name where that is served, or an address.

    It asks nobody: no name is looked up, nothing is sent.
    """
    name = hostname()
    if "." in name.strip("."):
        return name
    if name and mdns.exists():
        return f"{name}.local"
    return _address() or name or "localhost"


def _address() -> str | None:
    for family, far in _FAR:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((far, 9))
            except OSError:
                continue
            address: str = probe.getsockname()[0]
            if not ipaddress.ip_address(address).is_loopback:
                return address
    return None


class Viewing:
    """The addresses for one published URL. Each override is a URL, `off`, or None for MediaMTX's default."""

    def __init__(
        self,
        *,
        url: str,
        public_host: str | None = None,
        rtsp_url: str | None = None,
        webrtc_url: str | None = None,
        hls_url: str | None = None,
        reachable: Callable[[], str] = reachable_host,
    ) -> None:
        parts = urlsplit(url)
        self._scheme = parts.scheme
        self._host = parts.hostname or "localhost"
        self._port = parts.port
        self._path = quote(path_name(url))
        self._public_host = public_host
        self._overrides = {"rtsp": rtsp_url, "webrtc": webrtc_url, "hls": hls_url}
        self._reachable = reachable

    @classmethod
    def of(cls, url: str, config: StreamServerConfig) -> Viewing:
        """Return where is watched what is published to `url`."""
        return cls(
            url=url,
            public_host=config.public_host,
            rtsp_url=config.rtsp_url,
            webrtc_url=config.webrtc_url,
            hls_url=config.hls_url,
        )

    def urls(self) -> ViewingUrls:
        """Return them as of now: this machine's address may have changed."""
        host = self._viewers_host()
        webrtc = self._chosen("webrtc", f"http://{host}:{_WEBRTC_PORT}/{self._path}")
        return ViewingUrls(
            rtsp=self._chosen("rtsp", self._rtsp(host)),
            webrtc=webrtc,
            whep=None if webrtc is None else f"{webrtc.rstrip('/')}/whep",
            hls=self._chosen("hls", f"http://{host}:{_HLS_PORT}/{self._path}/index.m3u8"),
        )

    def _chosen(self, kind: str, default: str) -> str | None:
        override = self._overrides[kind]
        return None if override == _OFF else override or default

    def _rtsp(self, host: str) -> str:
        if self._scheme in ("rtsp", "rtsps"):
            port = "" if self._port is None else f":{self._port}"
            return f"{self._scheme}://{host}{port}/{self._path}"
        return f"rtsp://{host}:{_RTSP_PORT}/{self._path}"

    def _viewers_host(self) -> str:
        host = self._public_host or self._host
        if self._public_host is None and _is_here(host):
            host = self._reachable()
        return f"[{host}]" if ":" in host else host


def _is_here(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified
