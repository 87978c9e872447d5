"""What MediaMTX's API says of a path, whichever generation of its fields it speaks.

From 1.16 on: `available`, `online`, `inboundBytes`, `outboundBytes`, `tracks2`; before, and still beside
them: `ready`, `bytesReceived`, `bytesSent`, `tracks`. Where a path is always available, its bytes count what
the server itself plays while nobody publishes: only the bytes of the source are the publisher's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from edge_agent.errors import StreamError

__all__ = ["COLLECTIONS", "Answer", "AnswerKind", "PathView", "Source", "path_view", "source_details"]

AnswerKind = Literal["ok", "missing", "refused", "unreachable", "silent", "nonsense"]

# Which list of the API describes a source, by the source's type; others have none with an address.
COLLECTIONS: Final[Mapping[str, str]] = {
    "rtspSession": "rtspsessions",
    "rtspsSession": "rtspssessions",
    "rtmpConn": "rtmpconns",
    "rtmpsConn": "rtmpsconns",
    "srtConn": "srtconns",
    "webRTCSession": "webrtcsessions",
}
_MAX_TEXT: Final = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Who publishes to a path. `remote` is `address:port` as the server sees it, None if unknown."""

    kind: str
    id: str
    remote: str | None = None
    inbound_bytes: int | None = None

    def __str__(self) -> str:
        return f"{self.kind} {self.remote or self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PathView:
    """A path as the server sees it. `online` means that somebody publishes to it."""

    online: bool
    readers: int
    inbound_bytes: int
    outbound_bytes: int
    tracks: int
    source: Source | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of asking: a view where `kind` is ok, else why there is none."""

    kind: AnswerKind
    reason: str | None = None
    view: PathView | None = None


def path_view(document: Any) -> PathView:
    """Read the API's document about a path. Raises StreamError where it is none."""
    if not isinstance(document, Mapping) or not {"ready", "available", "online"} & document.keys():
        raise StreamError("this is no answer of MediaMTX about a path", code="server_nonsense")
    source = document.get("source")
    view_source = None
    if isinstance(source, Mapping):
        view_source = Source(kind=_text(source.get("type")), id=_text(source.get("id")))
    readers = document.get("readers")
    tracks = document.get("tracks2") or document.get("tracks")
    return PathView(
        # The older generation knew no offline segment: what was ready was published.
        online=document.get("online", document.get("ready")) is True,
        readers=len(readers) if isinstance(readers, list) else 0,
        inbound_bytes=_count(document, "inboundBytes", "bytesReceived") or 0,
        outbound_bytes=_count(document, "outboundBytes", "bytesSent") or 0,
        tracks=len(tracks) if isinstance(tracks, list) else 0,
        source=view_source,
    )


def source_details(source: Source, document: Any) -> Source:
    """Return `source` with what the API's document about its session or connection adds."""
    if not isinstance(document, Mapping):
        return source
    remote = document.get("remoteAddr")
    return Source(
        kind=source.kind,
        id=source.id,
        remote=_text(remote) if isinstance(remote, str) and remote else None,
        inbound_bytes=_count(document, "inboundBytes", "bytesReceived"),
    )


def _count(document: Mapping[str, Any], *names: str) -> int | None:
    for name in names:
        value = document.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
    return None


def _text(value: Any) -> str:
    return str(value)[:_MAX_TEXT] if isinstance(value, str) else ""
