"""One session with a server of a script, the time in the test's hand."""

from __future__ import annotations

import random
import select
from collections.abc import Iterator
from typing import Any

import pytest

from edge_agent.stream.mux import StreamTargetError
from edge_agent.stream.packets import PacketMessage
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


def test_the_reports_tell_when_a_picture_was_taken_and_not_when_it_was_sent(session: Any) -> None:
    begun = session(Script(udp=False))
    mux: RtspMux = begun.mux
    second = 90_000
    assert mux._wall_time_s(0) == begun.wall_s
    begun.wall_s += 5.3
    assert mux._wall_time_s(5 * second) == pytest.approx(1_700_000_005.0)
    begun.wall_s = 1_700_000_010.0 - 0.2
    assert mux._wall_time_s(10 * second) == pytest.approx(1_700_000_009.8)
    # The clock was set, as it is when the network is there for the first time.
    begun.wall_s = 1_800_000_000.0
    assert mux._wall_time_s(15 * second) == pytest.approx(1_800_000_000.0)
