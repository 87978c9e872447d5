"""Where people watch what is published: MediaMTX's addresses for RTSP, WebRTC and HLS, never with secrets."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, quote, unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field

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

    rtsp: str | None = Field(None, description="For players like VLC and ffplay")
    webrtc: str | None = Field(None, description="A page for browsers, with little delay")
    whep: str | None = Field(None, description="For players that speak WHEP")
    hls: str | None = Field(None, description="A page for browsers, some seconds late")


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
    """The addresses for one published URL. Each override is a URL, `off`, or None for MediaMTX's default.

    Where the server is this machine, its name for viewers is found by `refresh`; until then it is unknown.
    """

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
        self._port = parts.port
        self._path = quote(path_name(url))
        self._overrides = {"rtsp": rtsp_url, "webrtc": webrtc_url, "hls": hls_url}
        self._reachable = reachable
        host = public_host or parts.hostname or "localhost"
        self._is_here = public_host is None and _is_here(host)
        self._host = None if self._is_here else host

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

    def refresh(self) -> bool:
        """Find out what this machine is called now; tell whether it is something new. For a thread."""
        if not self._is_here:
            return False
        before, self._host = self._host, self._reachable()
        return self._host != before

    def urls(self) -> ViewingUrls:
        """Return them as last found."""
        webrtc = self._chosen("webrtc", "http", f":{_WEBRTC_PORT}", "")
        if self._scheme in ("rtsp", "rtsps"):
            port = "" if self._port is None else f":{self._port}"
            rtsp = self._chosen("rtsp", self._scheme, port, "")
        else:
            rtsp = self._chosen("rtsp", "rtsp", f":{_RTSP_PORT}", "")
        return ViewingUrls(
            rtsp=rtsp,
            webrtc=webrtc,
            whep=None if webrtc is None else f"{webrtc.rstrip('/')}/whep",
            hls=self._chosen("hls", "http", f":{_HLS_PORT}", "/index.m3u8"),
        )

    def _chosen(self, kind: str, scheme: str, port: str, rest: str) -> str | None:
        override, host = self._overrides[kind], self._host
        if override is not None:
            return None if override == _OFF else override
        if host is None:
            return None
        return f"{scheme}://{f'[{host}]' if ':' in host else host}{port}/{self._path}{rest}"


def _is_here(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified
