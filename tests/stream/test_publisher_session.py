"""The publishing thread beside a camera that it has lent its session to, in driven time."""

from __future__ import annotations

import errno
import random
import socket
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from edge_agent.stream.loan import Ask, Insert, Said, Take
from edge_agent.stream.mux import StreamTargetError
from edge_agent.stream.packets import Arrived, Lost, PacketMessage, Progress, StreamFormat
from edge_agent.stream.publisher_session import Publisher
from edge_agent.stream.publisher_status import PublisherStatus
from edge_agent.stream.retry import Retry
from edge_agent.stream.rtp_stream import RtpStream
from tests.stream.fakes import encoded

FIRST = encoded(160, 120)[0]


class Time:
    """A clock that goes on by itself, a tenth of a second a look."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        self.now_s += 0.1
        return self.now_s


class Camera:
    """The camera's end of the packets: a format, a keyframe, and answers for so long."""

    def __init__(self, time: Time, *, answers_for_s: float, then: Sequence[Arrived] = ()) -> None:
        self._time = time
        self._until_s = time.now_s + answers_for_s
        self._mine, self._other = socket.socketpair()
        # There always is something to look at: no look waits in real time.
        self._other.send(b"x")
        self._begin: list[Arrived] = [
            StreamFormat("h264", 160, 120, 30.0),
            PacketMessage(FIRST.data, FIRST.pts_us, keyframe=True),
        ]
        self._then = list(then)
        self._asked = False
        self.connected = True

    @property
    def pending(self) -> bool:
        return bool(self._begin)

    def fileno(self) -> int:
        return self._mine.fileno()

    def say(self, said: Said) -> None:
        self._asked = self._asked or isinstance(said, Ask)

    def read(self) -> Arrived | None:
        if self._begin:
            return self._begin.pop(0)
        now_s = self._time.now_s
        if not self._asked or now_s > self._until_s:
            return None
        self._asked = False
        if self._then:
            # With one look all of it has come: there is nothing more to be seen from outside.
            self._mine.recv(1)
            self._begin, self._then = self._then, []
        return Progress(
            packets=1,
            bytes=1,
            keyframes=0,
            keyframe_interval_s=None,
            last_s=now_s,
            now_s=now_s,
            blocked_s=0.0,
            whole=True,
            final=False,
            rtp={},
        )

    def connect(self) -> bool:
        return True

    def close(self) -> None:
        self._mine.close()
        self._other.close()


class Session:
    """A session that can be lent, and when the server was listened to."""

    def __init__(self, stop: threading.Event, hears: StreamTargetError | None) -> None:
        self._stop = stop
        self._hears = hears
        self._mine, self._server = socket.socketpair()
        if hears is not None:
            self._server.close()
        self.attended: list[float] = []
        self.established = True

    @property
    def lendable(self) -> Any:
        return self

    def fileno(self) -> int:
        return self._mine.fileno()

    def terms(self) -> Take:
        return Take(RtpStream.begun(chance=random.Random(1)).state(), 0)

    def lend(self, say: Callable[[Insert], None]) -> None:
        pass

    def attend(self, now_s: float, *, heard: bool) -> None:
        assert heard == (self._hears is not None)
        self.attended.append(now_s)
        if self._hears is not None:
            raise self._hears

    def broke(self, number: int) -> StreamTargetError:
        return StreamTargetError(f"error {number}", code="stream_timeout")

    def take_back(self, _progress: Progress | None) -> bool:
        return True

    def connect(self) -> None:
        pass

    def write(self, packet: PacketMessage, *, now_s: float) -> None:
        pass

    def close(self) -> None:
        self._mine.close()
        self._server.close()
        self._stop.set()


@pytest.fixture
def time() -> Time:
    return Time()


def told_by(
    time: Time, camera: Any, hears: StreamTargetError | None = None
) -> tuple[list[tuple[str, str | None]], Session]:
    """Publish until the session ends; return the states that were told, and the session.

    `hears` is what comes of listening to the server, which says something at once then.
    """
    stop = threading.Event()
    session: Any = Session(stop, hears)
    status = PublisherStatus(monotonic=time)
    Publisher(
        source=camera,
        open_mux=lambda _: session,
        status=status,
        retry=Retry(chance=random.Random(1)),
        stop=stop,
        monotonic=time,
    ).run()
    told: list[tuple[str, str | None]] = []
    while (beat := status.next_beat(0)).state != "stopped":
        told.append((beat.state, beat.reason))
    return told, session


def test_the_server_is_not_blamed_for_a_camera_that_answers_no_more(time: Time) -> None:
    told, session = told_by(time, Camera(time, answers_for_s=10.0))
    assert told[-1] == ("waiting", "no packets from the camera for 5 s")
    # What is asked of the server goes by way of the camera, too: from then on nothing says that it is silent.
    assert 1009.0 < session.attended[-1] < 1013.0


def test_what_came_together_is_not_left_lying(time: Time) -> None:
    told, _ = told_by(time, Camera(time, answers_for_s=10.0, then=[Lost(errno.EAGAIN)]))
    assert told[-1] == ("failed", f"error {errno.EAGAIN}")


HUNG_UP = StreamTargetError("the server hung up", code="stream_unreachable", second_hand=True)


def test_what_the_system_told_the_camera_of_the_end_is_what_counts(time: Time) -> None:
    camera = Camera(time, answers_for_s=10.0, then=[Lost(errno.ETIMEDOUT)])
    told, _ = told_by(time, camera, HUNG_UP)
    assert told[-1] == ("failed", f"error {errno.ETIMEDOUT}")


def test_a_camera_that_never_says_what_it_was_is_not_waited_for_long(time: Time) -> None:
    begun_s = time.now_s
    told, _ = told_by(time, Camera(time, answers_for_s=10.0), HUNG_UP)
    assert told[-1] == ("failed", "the server hung up")
    assert time.now_s - begun_s < 5


def test_an_end_at_first_hand_waits_for_nobody(time: Time) -> None:
    camera = Camera(time, answers_for_s=10.0, then=[Lost(errno.EPIPE)])
    told, _ = told_by(time, camera, StreamTargetError("it hung up", code="stream_unreachable"))
    assert told[-1] == ("failed", "it hung up")
