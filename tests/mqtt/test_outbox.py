from __future__ import annotations

import pytest

from edge_agent.mqtt.message import Kind, Outgoing
from edge_agent.mqtt.outbox import Entry, Outbox
from tests.mqtt.support import FakeClock


def message(
    topic: str, payload: bytes = b"", *, kind: Kind = "state", qos: int = 1, **more: float
) -> Outgoing:
    return Outgoing(topic=topic, payload=payload, kind=kind, qos=qos, **more)  # type: ignore[arg-type]


def taken(outbox: Outbox) -> list[Outgoing]:
    """Take and acknowledge until nothing waits."""
    messages = []
    while (entry := outbox.take()) is not None:
        outbox.acknowledged(entry.ticket)
        messages.append(entry.message)
    return messages


def take(outbox: Outbox) -> Entry:
    entry = outbox.take()
    assert entry is not None
    return entry


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def outbox(clock: FakeClock) -> Outbox:
    outbox = Outbox(clock=clock, replies=3, events=3, line_bytes=100)
    outbox.open(window=16)
    return outbox


def test_the_latest_state_of_a_topic_wins_and_comes_last(outbox: Outbox) -> None:
    for topic, payload in [
        ("availability", b"1"),
        ("status", b"1"),
        ("status", b"2"),
        ("availability", b"2"),
    ]:
        outbox.put(message(topic, payload))
    assert [(m.topic, m.payload) for m in taken(outbox)] == [("status", b"2"), ("availability", b"2")]


def test_replies_go_first_then_states_events_and_bulk(outbox: Outbox) -> None:
    kinds: tuple[Kind, ...] = ("bulk", "event", "state", "reply")
    for kind in kinds:
        outbox.put(message(kind, kind=kind))
    assert [m.kind for m in taken(outbox)] == ["reply", "state", "event", "bulk"]


def test_bulk_waits_until_all_else_is_acknowledged_and_the_latest_wins(outbox: Outbox) -> None:
    outbox.put(message("image", b"1", kind="bulk", qos=0))
    outbox.put(message("image", b"2", kind="bulk", qos=0))
    outbox.put(message("status"))
    status = take(outbox)
    assert outbox.take() is None
    outbox.acknowledged(status.ticket)
    assert take(outbox).message.payload == b"2"
    assert outbox.idle


def test_a_bulk_message_can_be_withdrawn_until_it_is_sent(outbox: Outbox) -> None:
    outbox.withdraw(outbox.put(message("image/1", kind="bulk")))
    outbox.put(message("image/2", kind="bulk"))
    outbox.withdraw(outbox.put(message("status")))
    assert [m.topic for m in taken(outbox)] == ["status", "image/2"]


def test_the_window_bounds_what_is_under_way(outbox: Outbox) -> None:
    outbox.open(window=2)
    for number in range(3):
        outbox.put(message(f"t{number}"))
    first = take(outbox)
    take(outbox)
    assert outbox.take() is None
    outbox.acknowledged(first.ticket)
    assert take(outbox).message.topic == "t2"
    assert not outbox.idle


def test_what_has_qos_0_is_not_under_way(outbox: Outbox) -> None:
    outbox.put(message("heartbeat", qos=0))
    take(outbox)
    assert outbox.idle


def test_a_full_queue_drops_its_own_oldest(outbox: Outbox) -> None:
    for number in range(4):
        outbox.put(message("event", b"%d" % number, kind="event"))
    for number in range(5):
        outbox.put(message("reply", b"%d" % number, kind="reply"))
    assert (outbox.dropped.replies, outbox.dropped.events) == (2, 1)
    assert [m.payload for m in taken(outbox)] == [b"2", b"3", b"4", b"1", b"2", b"3"]


def test_a_queue_is_bounded_in_bytes_but_takes_one_large_message(outbox: Outbox) -> None:
    for size in (60, 50, 200):
        outbox.put(message("event", bytes(size), kind="event"))
    assert outbox.dropped.events == 2
    assert [len(m.payload) for m in taken(outbox)] == [200]


def test_without_a_connection_states_are_forgotten_and_the_rest_is_kept(outbox: Outbox) -> None:
    kinds: tuple[Kind, ...] = ("state", "bulk", "reply", "event")
    for kind in kinds:
        outbox.put(message("before", kind=kind))
    outbox.close()
    for kind in kinds:
        outbox.put(message("after", kind=kind))
    assert outbox.take() is None
    outbox.open(window=16)
    assert [(m.kind, m.topic) for m in taken(outbox)] == [
        ("reply", "before"),
        ("reply", "after"),
        ("event", "before"),
        ("event", "after"),
    ]


def test_what_was_under_way_is_sent_again_in_order_but_states_are_not(outbox: Outbox) -> None:
    for number in range(3):
        outbox.put(message("reply", b"%d" % number, kind="reply"))
    outbox.put(message("status"))
    first = take(outbox)
    for _ in range(3):
        take(outbox)
    outbox.acknowledged(first.ticket)
    outbox.close()
    outbox.open(window=16)
    outbox.acknowledged(first.ticket)
    assert [m.payload for m in taken(outbox)] == [b"1", b"2"]


def test_replies_are_good_for_30_seconds_and_events_for_60(outbox: Outbox, clock: FakeClock) -> None:
    outbox.put(message("reply", kind="reply"))
    outbox.put(message("event", kind="event"))
    outbox.close()
    clock.seconds += 31
    outbox.open(window=16)
    assert [m.kind for m in taken(outbox)] == ["event"]
    outbox.put(message("event", kind="event"))
    clock.seconds += 61
    assert taken(outbox) == []
    assert outbox.dropped.expired == 2
    assert outbox.idle


def test_a_senders_own_expiry_counts_from_the_start(outbox: Outbox, clock: FakeClock) -> None:
    outbox.put(message("reply", kind="reply", expires_s=5.0))
    outbox.put(message("status"))
    clock.seconds += 2
    assert outbox.remaining_s(take(outbox)) == 3
    assert outbox.remaining_s(take(outbox)) is None
    outbox.put(message("status", expires_s=1.0))
    clock.seconds += 2
    assert outbox.take() is None
