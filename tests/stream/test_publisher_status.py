from __future__ import annotations

import pytest

from edge_agent.stream.packets import Progress
from edge_agent.stream.publisher_status import PublisherStatus


class Time:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_every_change_of_state_is_told_in_order() -> None:
    status = PublisherStatus(monotonic=Time())
    status.attempt()
    status.change("failed", reason="gone", code="stream_unreachable")
    status.attempt()
    assert not status.wait_until_told(0)
    told = [status.next_beat(0) for _ in range(3)]
    assert [beat.state for beat in told] == ["connecting", "failed", "connecting"]
    # The last failure stays in sight until the target proves it wrong.
    assert (told[2].reason, told[2].code, told[2].attempts) == ("gone", "stream_unreachable", 2)
    status.succeeded()
    beat = status.next_beat(0)
    assert (beat.state, beat.reason, beat.code) == ("publishing", None, None)
    assert (beat.sessions, beat.attempts) == (1, 0)
    status.next_beat(0)
    assert status.wait_until_told(0)


def test_the_same_state_only_renews_its_reason() -> None:
    time = Time()
    status = PublisherStatus(monotonic=time)
    status.change("waiting", reason="for 5 s")
    time.now_s += 1
    status.change("waiting", reason="for 6 s")
    beat = status.next_beat(0)
    assert (beat.state, beat.reason, beat.since_age_s) == ("waiting", "for 6 s", 1.0)


def test_rates_are_of_the_last_three_seconds() -> None:
    time = Time()
    status = PublisherStatus(monotonic=time)
    status.succeeded()
    for _ in range(300):
        time.now_s += 0.1
        status.wrote(1000, keyframe=False, pts_us=0)
    beat = status.beat()
    assert 9.6 <= beat.fps <= 10.4
    assert 77_000 <= beat.bitrate_bps <= 83_000
    assert (beat.packets, beat.bytes, beat.keyframes) == (300, 300_000, 0)
    time.now_s += 4
    beat = status.beat()
    assert (beat.fps, beat.bitrate_bps, beat.last_packet_age_s) == (0, 0, 4.0)


def test_a_young_session_is_measured_over_its_own_time() -> None:
    time = Time()
    status = PublisherStatus(monotonic=time)
    status.succeeded()
    for _ in range(10):
        time.now_s += 0.1
        status.wrote(1000, keyframe=True, pts_us=0)
    assert 9.6 <= status.beat().fps <= 10.4


def test_a_write_that_hangs_is_not_called_publishing() -> None:
    time = Time()
    status = PublisherStatus(monotonic=time)
    status.succeeded()
    status.enter("write", time.now_s)
    time.now_s += 4.9
    assert status.beat().state == "publishing"
    time.now_s += 2.1
    beat = status.beat()
    assert (beat.state, beat.code) == ("failed", "stream_timeout")
    assert beat.reason == "the server has taken nothing for 7 s"
    assert (beat.phase, beat.phase_age_s, beat.since_age_s) == ("write", 7.0, 2.0)
    status.wrote(10, keyframe=False, pts_us=0)
    assert status.beat().state == "publishing"


def test_the_keyframe_interval_is_the_camera_s_and_within_a_session() -> None:
    status = PublisherStatus(monotonic=lambda: 5.0)
    status.attempt()
    for number in range(61):
        status.wrote(10, keyframe=number % 30 == 0, pts_us=1_000_000 + number * 33_333)
    assert status.beat().keyframe_interval_s == pytest.approx(1.0, abs=0.001)
    status.attempt()
    status.wrote(10, keyframe=True, pts_us=90_000_000)
    assert status.beat().keyframe_interval_s == pytest.approx(1.0, abs=0.001)
    status.wrote(10, keyframe=True, pts_us=92_000_000)
    assert status.beat().keyframe_interval_s == 2.0


def progress(now_s: float, packets: int, *, blocked_s: float = 0.0) -> Progress:
    """Return what a camera says that has written so many packets of 1000 bytes, ten a second."""
    return Progress(
        packets=packets,
        bytes=packets * 1000,
        keyframes=packets // 10,
        keyframe_interval_s=1.0 if packets > 10 else None,
        last_s=now_s - 0.05 if packets else None,
        now_s=now_s,
        blocked_s=blocked_s,
        whole=not blocked_s,
        final=False,
        rtp={},
    )


def test_what_the_camera_writes_by_itself_is_counted() -> None:
    time = Time()
    status = PublisherStatus(monotonic=time)
    status.succeeded()
    status.wrote(500, keyframe=True, pts_us=0)
    status.lent()
    for second in range(1, 6):
        time.now_s += 1
        status.progressed(progress(time.now_s, second * 10))
    time.now_s += 0.5
    beat = status.beat()
    assert (beat.packets, beat.bytes, beat.keyframes) == (51, 50_500, 6)
    assert (beat.fps, beat.bitrate_bps, beat.keyframe_interval_s) == (10.0, 80_000, 1.0)
    assert beat.last_packet_age_s == pytest.approx(0.55)
    # The rates follow within three seconds, and do not outlive the one that told them.
    for _ in range(3):
        time.now_s += 1
        status.progressed(progress(time.now_s, 50))
    assert status.beat().fps == 0
    status.progressed(progress(time.now_s, 80))
    assert status.beat().fps > 0
    time.now_s += 4
    assert status.beat().fps == 0


def test_each_loan_counts_from_nothing() -> None:
    time = Time()
    status = PublisherStatus(monotonic=time)
    for _ in range(2):
        status.lent()
        time.now_s += 1
        status.progressed(progress(time.now_s, 7))
        status.progressed(progress(time.now_s, 15))
    assert (status.beat().packets, status.beat().keyframes) == (30, 2)


def test_a_server_that_takes_nothing_from_the_camera_is_not_called_publishing() -> None:
    time = Time()
    status = PublisherStatus(monotonic=time)
    status.succeeded()
    status.lent()
    time.now_s += 10
    status.progressed(progress(time.now_s, 7, blocked_s=4.0))
    assert (status.beat().phase, status.beat().phase_age_s, status.beat().state) == (
        "write",
        4.0,
        "publishing",
    )
    time.now_s += 1.5
    beat = status.beat()
    assert (beat.state, beat.code, beat.phase_age_s) == ("failed", "stream_timeout", 5.5)
    status.progressed(progress(time.now_s, 9))
    assert (status.beat().state, status.beat().phase) == ("publishing", "idle")
