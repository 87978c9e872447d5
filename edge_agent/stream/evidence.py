"""What the server's side of the stream proves: whether it is there, ours, and whether bytes arrive.

Whose source is it? The kernel knows the addresses of the publisher's connections and the API that of the
source: the same address is ours for certain, and another port of the same address is another's. Behind a
translated address (a container's network) neither can be said. Then it counts what cannot be otherwise: a
path has one source, and a publisher that was replaced is disconnected; so a source that came after our
session began, while that session lives, is ours, and one that was there before it is not.

Publishing is contradicted only by what lasts: a busy server may answer late, and a session is listed late.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from edge_agent.stream.backlog import Backlog
from edge_agent.stream.server_view import Answer, PathView, Source
from edge_agent.stream.server_watch import Look
from edge_agent.stream.sockets import address_of

__all__ = ["ServerEvidence", "ServerState", "Session", "Verdict", "VerdictCode"]

ServerState = Literal["unknown", "ok", "away", "path_missing", "not_ours", "stalled"]
VerdictCode = Literal["server_silent", "server_no_bytes", "server_path_missing", "stream_contested"]
Owner = Literal["ours", "another", "unknown"]

_LASTING_S: Final = 5.0
_SILENT_ANSWERS: Final = 3
_FAMILIES: Final = ("rtsp", "rtmp", "srt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """The publisher's session as of now: its number, and how much was written since the agent's start."""

    number: int
    written_bytes: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why the stream cannot be called published, whatever its publisher thinks.

    `restart` tells that a new session may help. A server that hangs, or that says of another path or of
    another publisher, is not helped by one.
    """

    code: VerdictCode
    reason: str
    restart: bool = False


class ServerEvidence:
    """Fed with every look; its session is None while the publisher has none. Times are monotonic seconds."""

    def __init__(self, *, scheme: str, path: str, now_s: float) -> None:
        # What is neither of these is published over HTTP as WebRTC.
        self._family = next((family for family in _FAMILIES if scheme.startswith(family)), "webrtc")
        self._path = path
        self._session: Session | None = None
        self._backlog = Backlog()
        self._answered = False
        self._unanswered = 0
        self._before: str | None = None
        self._wrong: tuple[ServerState, float] | None = None
        self._progress: tuple[str, int, int] | None = None
        self._rate: tuple[str, int, float] | None = None
        self.state: ServerState = "unknown"
        self.reason: str | None = None
        self.since_s = now_s
        self.view: PathView | None = None
        self.inbound_bps: int | None = None
        self.holder: Source | None = None

    def look(self, look: Look, session: Session | None, now_s: float) -> None:
        """Take in what was seen. `holder` is then the source of the path where that is another's."""
        if session is None or self._session is None or session.number != self._session.number:
            self.forget_session()
        self._session = session
        if session is None or not look.connections:
            self._backlog.clear()
        else:
            self._backlog.note(look.connections, session.written_bytes, now_s)
        if look.answer is None:
            return
        if look.answer.view is None:
            self._take_no_view(look.answer, now_s)
        else:
            self._answered, self._unanswered = True, 0
            self._take_view(look.answer.view, look, now_s)

    def forget_session(self) -> None:
        """Drop what was held against the last session: the one that begins now is judged by itself."""
        self._session, self._wrong, self._progress = None, None, None
        self._unanswered = 0
        self._backlog.clear()

    def verdict(self, now_s: float) -> Verdict | None:
        """Return what contradicts that the stream is published, None where nothing does."""
        if self._session is None:
            return None
        silent = self._answered and self._unanswered >= _SILENT_ANSWERS and not self._backlog.reads(now_s)
        if self._backlog.stuck or silent:
            return Verdict("server_silent", "the server seems to hang: it takes no packets any more")
        if self._wrong is None or now_s - self._wrong[1] < _LASTING_S:
            return None
        reason = self.reason or ""
        if self.state == "stalled":
            return Verdict("server_no_bytes", reason, restart=True)
        if self.state == "path_missing":
            return Verdict("server_path_missing", reason)
        return Verdict("stream_contested", reason) if self.state == "not_ours" else None

    def _take_no_view(self, answer: Answer, now_s: float) -> None:
        self._unanswered = self._unanswered + 1 if answer.kind == "silent" else 0
        self.view, self.inbound_bps, self.holder, self._rate = None, None, None, None
        if answer.kind != "missing":
            self._progress, self._wrong = None, None
            self._set("away", answer.reason, now_s)
            return
        self._answered, self._before = True, None
        if self._session is None:
            self._set("ok", None, now_s)
        else:
            self._contradicted("path_missing", answer.reason, now_s)

    def _take_view(self, view: PathView, look: Look, now_s: float) -> None:
        self.view = view
        source = view.source if view.online else None
        count = view.inbound_bytes if source is None or source.inbound_bytes is None else source.inbound_bytes
        self._measure(source, count, now_s)
        if self._session is None:
            self.holder = source
            # While the publisher has a connection, this may be its session that it has not told of yet.
            self._before = source.id if source and not look.connections else None
            self._set("ok", None, now_s)
            return
        another = source is not None and self._owner(source, look) == "another"
        self.holder = source if another else None
        if source is None:
            text = f"the server says that nobody publishes to '{self._path}'"
            self._contradicted("path_missing", text, now_s)
        elif another:
            text = f"the path '{self._path}' is published by another, {source}"
            self._contradicted("not_ours", text, now_s)
        elif self._stands_still(source, count, self._session):
            self._contradicted("stalled", f"no bytes of '{self._path}' arrive at the server", now_s)
        else:
            self._wrong = None
            self._set("ok", None, now_s)

    def _owner(self, source: Source, look: Look) -> Owner:
        if not source.kind.lower().startswith(self._family):
            return "another"
        seen = address_of(source.remote) if source.remote else None
        ours = {connection.local for connection in look.connections or ()}
        if seen is not None and ours:
            if seen in ours:
                return "ours"
            if seen[0] in {host for host, _ in ours}:
                return "another"
        return "another" if source.id == self._before else "unknown"

    def _stands_still(self, source: Source, count: int, session: Session) -> bool:
        last, self._progress = self._progress, (source.id, count, session.written_bytes)
        # Where nothing was written nothing can arrive: the camera is silent, which is another's to tell.
        return last is not None and last[:2] == (source.id, count) and session.written_bytes > last[2]

    def _measure(self, source: Source | None, count: int, now_s: float) -> None:
        last, self.inbound_bps = self._rate, None
        self._rate = None if source is None else (source.id, count, now_s)
        if last is None or source is None or last[0] != source.id or now_s <= last[2] or count < last[1]:
            return
        self.inbound_bps = int((count - last[1]) * 8 / (now_s - last[2]))

    def _contradicted(self, state: ServerState, reason: str | None, now_s: float) -> None:
        """Believe it from the second look in a row on: one may be late by a moment."""
        if self._wrong is None or self._wrong[0] != state:
            self._wrong = (state, now_s)
        else:
            self._set(state, reason, now_s)

    def _set(self, state: ServerState, reason: str | None, now_s: float) -> None:
        if state != self.state:
            self.since_s = now_s
        self.state, self.reason = state, reason
