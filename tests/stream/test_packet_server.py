from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge_agent.camera.drivers.base import EncodedPacket
from edge_agent.errors import ProcessError
from edge_agent.stream.loan import GoOn
from edge_agent.stream.packet_server import PacketServer
from edge_agent.stream.packet_source import PacketSource
from edge_agent.stream.packets import MAX_BODY_BYTES, PacketMessage, StreamFormat
from tests.rtsp_servers import wait_until
from tests.stream.fakes import listen

HD = StreamFormat("h264", 1280, 720, 30.0)
VGA = StreamFormat("h264", 640, 480, 30.0)


class Keyframes:
    """Counts how often a keyframe was asked for."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self) -> None:
        self.asked += 1


@pytest.fixture
def keyframes() -> Keyframes:
    return Keyframes()


@pytest.fixture
def server(packet_socket: Path, keyframes: Keyframes) -> Iterator[PacketServer]:
    server = PacketServer(
        listener=listen(packet_socket), request_keyframe=keyframes, max_packets=10, max_bytes=4_000_000
    )
    yield server
    server.close()


@pytest.fixture
def connect(server: PacketServer, packet_socket: Path) -> Iterator[Callable[[], PacketSource]]:
    sources: list[PacketSource] = []

    def connect() -> PacketSource:
        count = server.stats().consumers
        source = PacketSource(path=str(packet_socket))
        assert source.connect()
        source.say(GoOn())
        sources.append(source)
        wait_until(lambda: server.stats().consumers == count + 1, what="the connection")
        return source

    yield connect
    for source in sources:
        source.close()


def packet(number: int, *, keyframe: bool = False, size: int = 100) -> EncodedPacket:
    return EncodedPacket(bytes([number % 256]) * size, number, keyframe)


def receive(source: PacketSource, count: int) -> list[int | StreamFormat]:
    """Return the next messages: a packet as its number."""
    received: list[int | StreamFormat] = []

    def have_all() -> bool:
        message = source.read()
        if isinstance(message, PacketMessage):
            assert message.data == bytes([message.pts_us % 256]) * len(message.data)
            received.append(message.pts_us)
        elif isinstance(message, StreamFormat):
            received.append(message)
        return len(received) >= count

    wait_until(have_all, what=f"{count} messages")
    return received


def test_a_consumer_begins_with_format_and_keyframe(
    server: PacketServer, connect: Callable[[], PacketSource], keyframes: Keyframes
) -> None:
    server.set_format(HD)
    server.publish(packet(0, keyframe=True))
    source = connect()
    wait_until(lambda: keyframes.asked == 1, what="the request of a keyframe")
    server.publish(packet(1))
    server.publish(packet(2, keyframe=True))
    server.publish(packet(3))
    assert receive(source, 3) == [HD, 2, 3]
    wait_until(lambda: server.stats().sent_packets == 2, what="the count")
    assert server.stats().dropped_packets == 0
    assert server.stats().queued == 0
    assert server.stats().sent_bytes > 200


def test_a_consumer_may_be_there_before_the_format(
    server: PacketServer, connect: Callable[[], PacketSource]
) -> None:
    source = connect()
    server.publish(packet(0, keyframe=True))
    server.set_format(HD)
    server.publish(packet(1, keyframe=True))
    assert receive(source, 2) == [HD, 1]


def test_a_new_format_keeps_its_place_and_is_followed_by_a_keyframe(
    server: PacketServer, connect: Callable[[], PacketSource], keyframes: Keyframes
) -> None:
    server.set_format(HD)
    source = connect()
    server.publish(packet(0, keyframe=True))
    server.publish(packet(1))
    server.set_format(HD)
    server.publish(packet(2))
    wait_until(lambda: keyframes.asked == 1, what="the request at the connection")
    server.set_format(VGA)
    assert keyframes.asked == 2
    server.publish(packet(3))
    server.publish(packet(4, keyframe=True))
    assert receive(source, 6) == [HD, 0, 1, 2, VGA, 4]


def test_what_a_stalled_consumer_loses_is_counted_and_ends_with_a_keyframe(
    server: PacketServer, connect: Callable[[], PacketSource], keyframes: Keyframes
) -> None:
    server.set_format(HD)
    source = connect()
    wait_until(lambda: keyframes.asked == 1, what="the request at the connection")
    size = 300_000  # one of these fills the kernel's buffer
    server.publish(packet(0, keyframe=True, size=size))
    for number in range(1, 40):
        server.publish(packet(number, size=size))
    assert keyframes.asked == 2
    server.publish(packet(40, keyframe=True, size=size))
    server.publish(packet(41, size=size))
    stats = server.stats()
    assert stats.queued <= 11
    received = receive(source, 2)
    while received[-1] != 41:
        received += receive(source, 1)
    assert received[0] == HD
    assert received[-2:] == [40, 41]
    before = received[1:-2]
    assert before == list(range(len(before)))
    assert stats.dropped_packets == 42 - len(before) - 2
    assert stats.dropped_packets > 20


def test_a_keyframe_that_waits_already_spares_what_follows_it(
    server: PacketServer, connect: Callable[[], PacketSource], keyframes: Keyframes
) -> None:
    server.set_format(HD)
    source = connect()
    wait_until(lambda: keyframes.asked == 1, what="the request at the connection")
    size = 300_000
    server.publish(packet(0, keyframe=True, size=size))
    wait_until(lambda: server.stats().sent_bytes > 1000, what="the first packet's first bytes")
    for number in range(1, 14):
        server.publish(packet(number, keyframe=number == 6, size=size))
    received = receive(source, 10)
    assert received == [HD, 0, *range(6, 14)]
    assert server.stats().dropped_packets == 5
    assert keyframes.asked == 1


def test_a_stalled_consumer_stops_nobody_else(
    server: PacketServer, connect: Callable[[], PacketSource]
) -> None:
    server.set_format(HD)
    connect()
    lively = connect()
    received: list[int | StreamFormat] = receive(lively, 1)
    for number in range(30):
        server.publish(packet(number, keyframe=number == 0, size=300_000))
        received += receive(lively, 1)
    assert received == [HD, *range(30)]


def test_publish_never_waits_and_never_raises(
    server: PacketServer, connect: Callable[[], PacketSource]
) -> None:
    connect()
    server.publish(packet(0, keyframe=True))
    server.set_format(HD)
    done = threading.Event()

    def publish() -> None:
        for number in range(200):
            server.publish(packet(number, keyframe=number % 50 == 0, size=100_000))
        server.publish(EncodedPacket(bytes(MAX_BODY_BYTES + 1), 200, keyframe=True))
        done.set()

    threading.Thread(target=publish, daemon=True).start()
    assert done.wait(20)
    server.close()
    server.publish(packet(201))
    server.set_format(VGA)


def test_a_failing_request_for_a_keyframe_is_no_matter(
    packet_socket: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise ValueError("no encoder")

    server = PacketServer(listener=listen(packet_socket), request_keyframe=fail)
    source = PacketSource(path=str(packet_socket))
    try:
        server.set_format(HD)
        assert source.connect()
        source.say(GoOn())
        assert receive(source, 1) == [HD]
        server.set_format(VGA)
        server.publish(packet(1, keyframe=True))
        assert receive(source, 2) == [VGA, 1]
    finally:
        source.close()
        server.close()
    assert caplog.text.count("a keyframe could not be asked for") == 1


def test_a_consumer_that_left_is_forgotten(server: PacketServer, connect: Callable[[], PacketSource]) -> None:
    source = connect()
    source.close()
    wait_until(lambda: server.stats().consumers == 0, what="the parting")


def test_a_fifth_consumer_is_turned_away(
    server: PacketServer, connect: Callable[[], PacketSource], packet_socket: Path
) -> None:
    server.set_format(HD)
    for _ in range(4):
        connect()
    fifth = PacketSource(path=str(packet_socket))
    assert fifth.connect()
    with pytest.raises(ProcessError, match="the camera's packets ended"):
        receive(fifth, 1)
    assert server.stats().consumers == 4


def test_close_ends_connections_and_listener(
    server: PacketServer, connect: Callable[[], PacketSource], packet_socket: Path
) -> None:
    source = connect()
    server.close()
    server.close()
    with pytest.raises(ProcessError, match="the camera's packets ended"):
        receive(source, 1)
    assert not source.connected
    with socket.socket(socket.AF_UNIX) as late, pytest.raises(ConnectionRefusedError):
        late.connect(str(packet_socket))


def test_what_did_not_go_out_is_counted_by_its_reason(
    server: PacketServer, connect: Callable[[], PacketSource], keyframes: Keyframes
) -> None:
    server.set_format(HD)
    server.publish(packet(0, keyframe=True))
    server.publish(packet(1))
    source = connect()
    wait_until(lambda: keyframes.asked == 1, what="the request at the connection")
    server.publish(packet(2))
    server.publish(packet(3, keyframe=True))
    server.set_format(VGA)
    server.publish(packet(4))
    server.publish(packet(5, size=MAX_BODY_BYTES + 1))
    server.publish(packet(6))
    server.publish(packet(7, keyframe=True))
    assert receive(source, 4) == [HD, 3, VGA, 7]
    assert server.stats().left_out == {
        "no_consumer": 2,
        "beginning": 1,
        "format_change": 1,
        "too_large": 2,
        "queue_full": 0,
    }
    assert server.stats().dropped_packets == 2
