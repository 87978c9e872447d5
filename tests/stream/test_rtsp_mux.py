"""One session with a server of a script, the time in the test's hand."""

from __future__ import annotations

import errno
import os
import random
import select
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from edge_agent.errors import ProcessError
from edge_agent.stream.loan import Insert
from edge_agent.stream.mux import StreamTargetError
from edge_agent.stream.packets import PacketMessage, Progress
from edge_agent.stream.rtp_state import RtpState
from edge_agent.stream.rtp_stream import RtpStream
from edge_agent.stream.rtsp_mux import RtspMux
from edge_agent.stream.url import parse_stream_url
from tests.rtsp_servers import Script, ScriptedRtspServer, wait_until
from tests.stream.fakes import encoded

PACKETS = [PacketMessage(p.data, p.pts_us, p.keyframe) for p in encoded(160, 120)]


class Session:
    """A session and its clock."""

    def __init__(self, script: Script) -> None:
        self.server = ScriptedRtspServer(script)
        self.now_s = 1000.0
        self.wall_s = 1_700_000_000.0
        self.mux = RtspMux(
            target=parse_stream_url(self.server.url.replace("rtsp://", "rtsp://u:hush@")),
            transport="tcp",
            trust=None,
            connect_timeout_s=3,
            first=PACKETS[0],
            chance=random.Random(1),
            monotonic=lambda: self.now_s,
            wall=lambda: self.wall_s,
        )

    def write(self, number: int) -> None:
        self.mux.write(PACKETS[number % len(PACKETS)], now_s=self.now_s)

    def publish_for(self, seconds: float, *, answered: bool) -> None:
        """Publish a frame a second; where the server answers, wait until its answer is there."""
        for number in range(int(seconds)):
            self.now_s += 1
            heard = self.mux.answers
            self.write(number)
            if answered and self.mux.answers == heard and number >= 2:
                connection = self.mux._connection
                assert connection is not None
                assert select.select([connection], [], [], 10)[0], "no answer"


@pytest.fixture
def session() -> Iterator[Any]:
    sessions: list[Session] = []

    def begin(script: Script) -> Session:
        sessions.append(Session(script))
        sessions[-1].mux.connect()
        return sessions[-1]

    yield begin
    for begun in sessions:
        begun.mux.close()
        begun.server.close()


def test_a_server_that_takes_all_and_answers_no_more_is_given_up(session: Any) -> None:
    begun = session(Script())
    begun.publish_for(10, answered=True)
    begun.server.script = Script(mute=True)
    with pytest.raises(StreamTargetError, match=r"the server has not answered for \d s") as caught:
        begun.publish_for(20, answered=False)
    assert caught.value.stream_code == "stream_timeout"
    assert "hush" not in caught.value.message


def test_one_that_never_answers_in_a_session_is_not(session: Any) -> None:
    # Some servers have no ear for questions while they take a stream: they work all the same.
    begun = session(Script(mute=True))
    begun.write(0)
    wait_until(lambda: begun.server.packets > 0, what="packets at the server")
    begun.publish_for(60, answered=False)
    assert begun.server.methods("OPTIONS") == 2


def test_a_server_that_hangs_up_is_noticed(session: Any) -> None:
    begun = session(Script())
    begun.server.close()
    with pytest.raises(StreamTargetError) as caught:
        begun.publish_for(5, answered=False)
    assert caught.value.stream_code == "stream_unreachable"


def test_the_announcement_is_of_the_keyframe_itself(session: Any) -> None:
    begun = session(Script())
    (description,) = begun.server.announced
    assert "a=rtpmap:96 H264/90000\r\n" in description
    assert "profile-level-id=42C0" in description
    assert all("User-Agent: edge-agent/" in request for request in begun.server.requests)
    assert not any("hush" in request for request in begun.server.requests)


def test_a_keyframe_without_parameter_sets_is_refused() -> None:
    with ScriptedRtspServer(Script()) as server:
        mux = RtspMux(
            target=parse_stream_url(server.url),
            transport="tcp",
            trust=None,
            connect_timeout_s=3,
            first=PacketMessage(b"\0\0\1\x65abc", 0, keyframe=True),
            chance=random.Random(1),
        )
        with pytest.raises(StreamTargetError, match="the camera's keyframe has no parameter sets"):
            mux.connect()
        mux.close()


def progress_of(state: RtpState, *, whole: bool, final: bool) -> Progress:
    return Progress(
        packets=1,
        bytes=1,
        keyframes=1,
        keyframe_interval_s=None,
        last_s=1.0,
        now_s=1.0,
        blocked_s=0.0,
        whole=whole,
        final=final,
        rtp=state.body(),
    )


@pytest.mark.parametrize(("final", "left_out"), [(True, 0), (False, 8192)], ids=["last word", "killed"])
def test_a_session_goes_on_where_the_camera_ended(session: Any, final: bool, left_out: int) -> None:
    begun = session(Script())
    begun.write(0)
    camera = RtpStream.resumed(begun.mux.terms().state)
    camera.packets(PACKETS[1], begun.now_s)
    ended = camera.state()
    begun.mux.lend(lambda _: None)
    assert begun.mux.take_back(progress_of(ended, whole=True, final=final))
    resumed = begun.mux.terms().state
    assert resumed.sequence == (ended.sequence + left_out) % 65536
    assert resumed.last_ticks == ended.last_ticks
    begun.write(2)
    begun.mux.close()
    assert begun.server.methods("TEARDOWN") == 1


@pytest.mark.parametrize("told", [True, False], ids=["in the middle of a packet", "never told"])
def test_a_session_of_which_nobody_knows_where_it_is_ends_without_a_word(session: Any, told: bool) -> None:
    begun = session(Script())
    begun.write(0)
    progress = progress_of(begun.mux.terms().state, whole=False, final=True) if told else None
    begun.mux.lend(lambda _: None)
    assert not begun.mux.take_back(progress)
    begun.mux.close()
    # What is in the middle of a packet cannot be followed by a request.
    assert begun.server.methods("TEARDOWN") == 0


def test_while_it_is_lent_requests_go_by_way_of_the_camera(session: Any) -> None:
    begun = session(Script())
    begun.write(0)
    said: list[Insert] = []
    begun.mux.lend(said.append)
    for _ in range(4):
        begun.now_s += 1
        begun.mux.attend(begun.now_s, heard=False)
    begun.mux.close()
    assert [(insert.data.split()[0], insert.last) for insert in said] == [
        (b"OPTIONS", False),
        (b"TEARDOWN", True),
    ]
    # One of the handshake.
    assert begun.server.methods("OPTIONS") == 1


def test_a_question_that_was_left_with_the_camera_is_not_held_against_the_server(session: Any) -> None:
    begun = session(Script())
    begun.publish_for(4, answered=True)
    begun.mux.lend(lambda _: None)
    for _ in range(4):
        begun.now_s += 1
        begun.mux.attend(begun.now_s, heard=False)
    # The camera was killed before it could say it to the server.
    assert begun.mux.take_back(progress_of(begun.mux.terms().state, whole=True, final=False))
    begun.now_s += 3
    begun.publish_for(10, answered=True)


def test_the_session_is_torn_down_also_when_the_camera_went_first(session: Any) -> None:
    begun = session(Script())
    begun.write(0)

    def gone(_: Insert) -> None:
        raise ProcessError("the camera's packets have ended")

    begun.mux.lend(gone)
    begun.mux.close()
    assert begun.server.methods("TEARDOWN") == 1


@pytest.mark.parametrize("broken", [False, True], ids=["proper", "broken"])
def test_the_connection_ends_with_the_session_also_where_a_camera_that_hangs_holds_it(
    session: Any, broken: bool
) -> None:
    begun = session(Script())
    begun.write(0)
    with socket.socket(fileno=os.dup(begun.mux.fileno())) as held:
        begun.mux.lend(lambda _: None)
        begun.mux.take_back(progress_of(begun.mux.terms().state, whole=not broken, final=False))
        begun.mux.close()
        with pytest.raises(BrokenPipeError):
            held.send(b"$")


@pytest.mark.parametrize("reset", [False, True], ids=["end", "reset"])
def test_an_end_whose_reason_another_was_told_is_known_for_one(session: Any, reset: bool) -> None:
    begun = session(Script())
    begun.write(0)
    if reset:
        begun.server.reset()
    else:
        begun.server.close()
    with socket.socket(fileno=os.dup(begun.mux.fileno())) as held:
        assert select.select([held], [], [], 10)[0]
        # The system tells an error once: here to the camera, which holds the connection as well.
        assert held.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == (errno.ECONNRESET if reset else 0)
        with pytest.raises(StreamTargetError) as caught:
            begun.mux.attend(begun.now_s, heard=True)
    assert caught.value.second_hand == reset


def test_an_end_whose_reason_was_told_here_is_at_first_hand(session: Any) -> None:
    begun = session(Script())
    begun.write(0)
    begun.server.reset()
    assert select.select([begun.mux], [], [], 10)[0]
    with pytest.raises(StreamTargetError, match="Connection reset by peer") as caught:
        begun.mux.attend(begun.now_s, heard=True)
    assert not caught.value.second_hand
