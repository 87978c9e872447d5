from __future__ import annotations

from edge_agent.stream.record import PublisherRecord
from tests.clocks import ManualClock
from tests.stream.beats import beat


def test_totals_go_on_over_restarts() -> None:
    record = PublisherRecord(clock=ManualClock())
    for _ in range(3):
        record.take(beat("publishing", packets=5, bytes=100, keyframes=2, sessions=1))
        record.take(beat("publishing", packets=10, bytes=200, keyframes=3, sessions=2))
        record.gone()
    assert (record.packets, record.bytes, record.keyframes, record.sessions) == (30, 600, 9, 6)
    assert record.beat is None


def test_a_session_is_told_from_the_one_before() -> None:
    record = PublisherRecord(clock=ManualClock())
    assert record.session is None
    record.take(beat("publishing", bytes=100, sessions=1))
    first = record.session
    record.take(beat("failed", bytes=100, sessions=1))
    assert record.session is None
    record.gone()
    record.take(beat("publishing", bytes=50, sessions=1))
    second = record.session
    assert first is not None
    assert second is not None
    assert first.number != second.number
    assert second.written_bytes == 150


def test_ages_grow_with_the_time() -> None:
    clock = ManualClock()
    record = PublisherRecord(clock=clock)
    record.take(beat("publishing", last_packet_age_s=0.25))
    clock.advance(2)
    assert (record.beat_age_s, record.packet_age_s) == (2.0, 2.25)
    record.take(beat("waiting", last_packet_age_s=None))
    assert record.packet_age_s is None
