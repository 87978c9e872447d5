"""A stream of RTP, its reports, and how another process carries it on."""

from __future__ import annotations

import json
import random
import struct

import pytest

from edge_agent.errors import ProcessError
from edge_agent.stream.packets import PacketMessage
from edge_agent.stream.rtp_state import RtpState
from edge_agent.stream.rtp_stream import RtpStream
from tests.stream.fakes import encoded

PACKETS = [PacketMessage(p.data, p.pts_us, p.keyframe) for p in encoded(160, 120)]


class Wall:
    """A wall clock that the test sets."""

    def __init__(self) -> None:
        self.now_s = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now_s


def test_the_reports_tell_when_a_picture_was_taken_and_not_when_it_was_sent() -> None:
    wall = Wall()
    stream = RtpStream.begun(chance=random.Random(1), wall=wall)
    second = 90_000
    assert stream.wall_time_s(0) == wall.now_s
    wall.now_s += 5.3
    assert stream.wall_time_s(5 * second) == pytest.approx(1_700_000_005.0)
    wall.now_s = 1_700_000_010.0 - 0.2
    assert stream.wall_time_s(10 * second) == pytest.approx(1_700_000_009.8)
    # The clock was set, as it is when the network is there for the first time.
    wall.now_s = 1_800_000_000.0
    assert stream.wall_time_s(15 * second) == pytest.approx(1_800_000_000.0)


def test_a_report_comes_before_the_packets_every_five_seconds() -> None:
    stream = RtpStream.begun(chance=random.Random(1), wall=Wall())
    reports = []
    for number in range(12):
        parts, size_bytes = stream.packets(PACKETS[number], now_s=1000.0 + number)
        assert sum(map(len, parts)) == size_bytes
        # A report is on the odd channel, with nothing after it.
        if parts[0][1] & 1:
            assert parts[1] == b""
            reports.append(number)
    assert reports == [0, 5, 10]


def test_it_is_carried_on_as_if_nothing_had_happened() -> None:
    alone, first = (RtpStream.begun(chance=random.Random(7), channel=2, wall=Wall()) for _ in range(2))
    expected = [alone.packets(packet, 50.0 + n / 30)[0] for n, packet in enumerate(PACKETS[:40])]
    found = [first.packets(packet, 50.0 + n / 30)[0] for n, packet in enumerate(PACKETS[:20])]
    state = RtpState.from_body(json.loads(json.dumps(first.state().body())))
    second = RtpStream.resumed(state, wall=Wall())
    found += [second.packets(packet, 50.0 + n / 30)[0] for n, packet in enumerate(PACKETS[20:40], 20)]
    assert [b"".join(parts) for parts in found] == [b"".join(parts) for parts in expected]
    (sequence,) = struct.unpack_from("!H", found[0][2], 6)
    assert state.sequence == (sequence + sum(len(parts) // 2 for parts in found[:20]) - 1) % 65536


@pytest.mark.parametrize(
    "broken",
    [{"sequence": "1"}, {"sequence": None}, {"last_now_s": None}, {"more": 1}],
    ids=["text", "null", "no time", "unknown"],
)
def test_a_state_that_is_none_is_refused(broken: dict[str, object]) -> None:
    body = RtpStream.begun(chance=random.Random(1)).state().body()
    with pytest.raises(ProcessError, match="the state of a stream"):
        RtpState.from_body({**body, **broken})
