"""What the server's answers prove, look by look: ours or another's, arriving or not, hanging or only busy."""

from __future__ import annotations

from typing import Any

import pytest

from edge_agent.stream.evidence import ServerEvidence, Session
from edge_agent.stream.server_view import Answer, PathView, Source
from edge_agent.stream.server_watch import Look
from edge_agent.stream.sockets import Connection

EVERY_S = 2.0
RATE = 500_000
OURS = ("127.0.0.1", 47000)


def source(number: int = 1, *, remote: str | None = "127.0.0.1:47000", kind: str = "rtspSession") -> Source:
    return Source(kind=kind, id=f"session-{number}", remote=remote, inbound_bytes=0)


class Server:
    """A server with the evidence that is drawn from it; each look is one poll later."""

    def __init__(self, scheme: str = "rtsp") -> None:
        self.now_s = 100.0
        self.evidence = ServerEvidence(scheme=scheme, path="porch", now_s=self.now_s)
        self.written = 0
        self.number: int | None = 1

    def look(
        self,
        answer: Answer | None,
        *,
        pending: int | None = 0,
        here: bool = True,
        wrote: int = RATE,
        times: int = 1,
    ) -> None:
        for _ in range(times):
            self.now_s += EVERY_S
            self.written += wrote if self.number is not None else 0
            seen = None
            if pending is not None:
                seen = (Connection(local=OURS, remote=("127.0.0.1", 8554), pending_bytes=pending, here=here),)
            session = None
            if self.number is not None:
                session = Session(number=self.number, written_bytes=self.written)
            look = Look(answer=answer, connections=seen, publisher=5)
            self.evidence.look(look, session, self.now_s)

    def ok(self, publisher: Source | None, inbound: int | None = None, **options: Any) -> None:
        """Have the server name its source, with what it received, by default all that was written."""
        if publisher is not None:
            count = self.written + RATE if inbound is None else inbound
            publisher = Source(
                kind=publisher.kind, id=publisher.id, remote=publisher.remote, inbound_bytes=count
            )
        view = PathView(
            online=publisher is not None,
            readers=1,
            inbound_bytes=0,
            outbound_bytes=0,
            tracks=1,
            source=publisher,
        )
        self.look(Answer(kind="ok", view=view), **options)

    @property
    def verdict(self) -> str | None:
        found = self.evidence.verdict(self.now_s)
        return found.code if found else None


@pytest.fixture
def server() -> Server:
    return Server()


def test_without_an_api_and_without_a_connection_nothing_is_known(server: Server) -> None:
    server.look(None, pending=None, times=10)
    assert server.evidence.state == "unknown"
    assert server.verdict is None


def test_our_source_whose_bytes_rise(server: Server) -> None:
    for _ in range(10):
        server.ok(source())
    assert server.evidence.state == "ok"
    assert server.evidence.holder is None
    assert server.verdict is None
    assert server.evidence.inbound_bps == RATE * 8 / EVERY_S


def test_our_source_whose_bytes_stand_still(server: Server) -> None:
    for _ in range(3):
        server.ok(source())
    seen = server.written
    for _ in range(3):
        server.ok(source(), seen)
    assert server.evidence.state == "stalled"
    assert server.verdict is None, "not yet: a look may be late"
    server.ok(source(), seen)
    found = server.evidence.verdict(server.now_s)
    assert found is not None
    assert (found.code, found.restart) == ("server_no_bytes", True)
    assert "'porch'" in found.reason
    server.ok(source())
    assert (server.evidence.state, server.verdict) == ("ok", None)


def test_bytes_that_stand_still_while_nothing_is_written(server: Server) -> None:
    server.ok(source())
    for _ in range(20):
        server.ok(source(), server.written, wrote=0)
    assert (server.evidence.state, server.verdict) == ("ok", None)


def test_a_camera_s_pause_is_not_held_against_the_server(server: Server) -> None:
    server.ok(source())
    for _ in range(20):
        server.ok(source(), 1000, wrote=0)
    server.ok(source(), 1000)
    assert server.verdict is None


@pytest.mark.parametrize(
    "other",
    [source(2, remote="127.0.0.1:47001"), source(2, kind="rtmpConn", remote="192.0.2.7:5")],
    ids=["another process of this machine", "another kind"],
)
def test_another_s_source_for_certain(server: Server, other: Source) -> None:
    for _ in range(3):
        server.ok(other)
    assert server.evidence.state == "not_ours"
    assert server.verdict is None
    server.ok(other)
    assert server.verdict == "stream_contested"
    assert server.evidence.holder is not None
    assert str(server.evidence.holder) in str(server.evidence.reason)


@pytest.mark.parametrize("remote", ["172.17.0.1:33000", None], ids=["translated", "not told"])
def test_behind_a_translated_address_the_source_that_came_with_our_session_is_ours(
    server: Server, remote: str | None
) -> None:
    server.number = None
    server.ok(None, pending=None)
    server.number = 1
    for _ in range(5):
        server.ok(source(1, remote=remote))
    assert (server.evidence.state, server.verdict) == ("ok", None)


def test_behind_a_translated_address_a_source_that_was_there_before_is_another_s(server: Server) -> None:
    server.number = None
    server.ok(source(1, remote="172.17.0.1:33000"), pending=None)
    assert server.evidence.holder is not None
    server.number = 1
    for _ in range(4):
        server.ok(source(1, remote="172.17.0.1:33000"))
    assert server.verdict == "stream_contested"


def test_our_session_that_is_told_late_is_not_taken_for_another_s(server: Server) -> None:
    server.number = None
    server.ok(source(1, remote="172.17.0.1:33000"), pending=0)
    server.number = 1
    for _ in range(5):
        server.ok(source(1, remote="172.17.0.1:33000"))
    assert (server.evidence.state, server.verdict) == ("ok", None)


@pytest.mark.parametrize(
    "answer", [Answer(kind="missing", reason="no path 'porch'"), None], ids=["no path", "no publisher"]
)
def test_a_server_that_knows_nothing_of_us(server: Server, answer: Answer | None) -> None:
    for _ in range(4):
        if answer is None:
            server.ok(None)
        else:
            server.look(answer)
    assert server.evidence.state == "path_missing"
    found = server.evidence.verdict(server.now_s)
    assert found is not None
    assert (found.code, found.restart) == ("server_path_missing", False)


def test_while_we_do_not_publish_an_empty_path_is_as_it_should_be(server: Server) -> None:
    server.number = None
    server.ok(source())
    server.look(Answer(kind="missing", reason="no path"), pending=None, times=10)
    assert (server.evidence.state, server.verdict) == ("ok", None)
    assert server.evidence.holder is None


def test_one_look_that_was_late_changes_nothing(server: Server) -> None:
    server.ok(source())
    server.ok(None)
    assert server.evidence.state == "ok"
    server.ok(source())
    assert (server.evidence.state, server.verdict) == ("ok", None)


@pytest.mark.parametrize("kind", ["unreachable", "refused", "nonsense"])
def test_an_api_that_is_away_breaks_nothing(server: Server, kind: Any) -> None:
    server.ok(source())
    server.look(Answer(kind=kind, reason="gone"), times=100)
    assert (server.evidence.state, server.evidence.reason) == ("away", "gone")
    assert server.evidence.view is None
    assert server.verdict is None


def test_a_server_that_hangs(server: Server) -> None:
    for _ in range(3):
        server.ok(source())
    for number in range(1, 4):
        assert server.verdict is None
        server.look(Answer(kind="silent", reason="no answer"), pending=number * RATE)
    assert server.verdict == "server_silent"
    server.ok(source(), pending=0)
    assert server.verdict is None


def test_an_api_that_never_answered_says_nothing_about_the_server(server: Server) -> None:
    server.look(Answer(kind="silent", reason="no answer"), times=50, pending=None)
    assert (server.evidence.state, server.verdict) == ("away", None)


def test_a_busy_api_beside_a_server_that_reads(server: Server) -> None:
    server.ok(source())
    server.look(Answer(kind="silent", reason="no answer"), times=50, pending=0)
    assert (server.evidence.state, server.verdict) == ("away", None)


def test_a_server_that_hangs_is_noticed_without_an_api(server: Server) -> None:
    server.look(None, pending=0, times=5)
    for number in range(1, 5):
        server.look(None, pending=number * RATE)
    assert server.verdict == "server_silent"
    server.number = 2
    server.look(None, pending=0)
    assert server.verdict is None


def test_a_new_session_begins_without_the_old_one_s_faults(server: Server) -> None:
    server.ok(source())
    for _ in range(5):
        server.ok(source(), 1)
    assert server.verdict == "server_no_bytes"
    server.number = 2
    server.ok(source(2), 1)
    assert server.verdict is None


@pytest.mark.parametrize(
    ("scheme", "kind"),
    [("rtsps", "rtspsSession"), ("rtmp", "rtmpConn"), ("srt", "srtConn"), ("whip", "webRTCSession")],
)
def test_each_scheme_has_its_kind_of_source(scheme: str, kind: str) -> None:
    server = Server(scheme)
    for _ in range(5):
        server.ok(source(kind=kind))
    assert (server.evidence.state, server.verdict) == ("ok", None)
