"""What the camera writes to a connection that was lent to it, seen by its publisher and by the server."""

from __future__ import annotations

import errno
import random
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_agent.camera.drivers.base import EncodedPacket
from edge_agent.errors import ProcessError
from edge_agent.stream import packet_server
from edge_agent.stream.loan import Ask, GoOn, Insert, Said, Take, encode_said
from edge_agent.stream.packet_server import PacketServer
from edge_agent.stream.packet_source import PacketSource
from edge_agent.stream.packets import Lost, PacketMessage, Progress, StreamFormat
from edge_agent.stream.rtp_stream import RtpStream
from tests.rtsp_servers import wait_until
from tests.stream.fakes import encoded, listen

HD = StreamFormat("h264", 1280, 720, 30.0)
VGA = StreamFormat("h264", 640, 480, 30.0)


class Lender:
    """A publisher at a camera's packet server, and the server whose connection it lends."""

    def __init__(self, path: Path, ends: tuple[socket.socket, socket.socket]) -> None:
        self.keyframes_asked = 0
        self.camera = PacketServer(
            listener=listen(path), request_keyframe=self._count, max_packets=10, max_bytes=4_000_000
        )
        self.source = PacketSource(path=str(path))
        self.mine, self.server = ends
        self.server.settimeout(10)
        self.rtp = RtpStream.begun(chance=random.Random(3))
        assert self.source.connect()
        wait_until(lambda: self.camera.stats().consumers == 1, what="the connection")
        self.camera.set_format(HD)
        assert self.next() == HD

    def publish(self, number: int, *, keyframe: bool = False, size: int = 100) -> None:
        self.camera.publish(EncodedPacket(unit(number, size), number * 1000, keyframe))

    def next(self) -> Any:
        found: list[Any] = []

        def read() -> bool:
            message = self.source.read()
            if message is not None:
                found.append(message.kept() if isinstance(message, PacketMessage) else message)
            return bool(found)

        wait_until(read, what="a message of the camera")
        return found[0]

    def begin(self) -> None:
        """Take the keyframe that a session begins with, and lend."""
        self.publish(0, keyframe=True)
        first = self.next()
        assert (first.pts_us, first.keyframe) == (0, True)
        self.rtp.packets(first, 1.0)
        self.source.say(Take(self.rtp.state(), self.mine.fileno()))

    def ask(self) -> Any:
        self.source.say(Ask())
        return self.next()

    def received(self) -> list[tuple[int, bytes]]:
        """Return sequence and payload of the next RTP packet; reports are passed over."""
        while True:
            _, channel, length = struct.unpack("!BBH", self._exactly(4))
            data = self._exactly(length)
            if channel == 0:
                return [(struct.unpack_from("!H", data, 2)[0], data[12:])]

    def line(self) -> bytes:
        """Return what is not RTP, up to the end of a line."""
        found = b""
        while not found.endswith(b"\n"):
            found += self._exactly(1)
        return found

    def close(self) -> None:
        for end in (self.source, self.camera, self.mine, self.server):
            end.close()

    def _exactly(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            chunk = self.server.recv(count - len(found))
            assert chunk, "the connection ended"
            found += chunk
        return found

    def _count(self) -> None:
        self.keyframes_asked += 1


def unit(number: int, size: int = 100) -> bytes:
    return b"\0\0\0\1\x41" + bytes([number % 255 + 1]) * size


def open_descriptors() -> int:
    return len(tuple(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def lender(packet_socket: Path) -> Iterator[Lender]:
    lender = Lender(packet_socket, socket.socketpair())
    yield lender
    lender.close()


@pytest.fixture
def tcp_lender(packet_socket: Path) -> Iterator[Lender]:
    """Return one at a server of TCP, whose errors the system tells but once."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        mine = socket.create_connection(listener.getsockname())
        lender = Lender(packet_socket, (mine, listener.accept()[0]))
    yield lender
    lender.close()


def test_what_follows_the_first_keyframe_waits_until_a_word_is_said(lender: Lender) -> None:
    lender.publish(0, keyframe=True)
    lender.publish(1)
    lender.publish(2)
    assert lender.next().pts_us == 0
    assert lender.source.read() is None
    assert lender.camera.stats().queued == 2
    lender.source.say(GoOn())
    assert [lender.next().pts_us for _ in range(2)] == [1000, 2000]
    lender.publish(3)
    assert lender.next().pts_us == 3000


def test_what_has_waited_and_what_comes_goes_to_the_server(lender: Lender) -> None:
    lender.publish(0, keyframe=True)
    first = lender.next()
    lender.publish(1)
    lender.publish(2)
    lender.rtp.packets(first, 1.0)
    begun = lender.rtp.state().sequence
    lender.source.say(Take(lender.rtp.state(), lender.mine.fileno()))
    received = [lender.received()[0] for _ in range(2)]
    lender.publish(3)
    received += lender.received()
    assert received == [((begun + n) % 65536, unit(n + 1)[4:]) for n in range(3)]
    told = lender.ask()
    assert (told.packets, told.bytes, told.keyframes) == (3, 3 * len(unit(0)), 0)
    assert told.whole
    assert not told.final
    assert told.blocked_s == 0
    assert told.last_s <= told.now_s
    assert told.rtp["sequence"] == (begun + 3) % 65536
    stats = lender.camera.stats()
    assert (stats.sent_packets, stats.queued, stats.dropped_packets) == (4, 0, 0)


def test_a_frame_of_any_size_comes_whole(lender: Lender) -> None:
    lender.begin()
    # More pieces than the kernel takes at once, and more bytes than it has room for.
    data = unit(7, 1_500_000)
    lender.camera.publish(EncodedPacket(data, 1000, keyframe=False))
    units = b""
    while len(units) < len(data) - 5:
        ((_, payload),) = lender.received()
        units += payload[2:]
    assert units == data[5:]
    wait_until(lambda: lender.camera.stats().queued == 0, what="the end of it")
    assert lender.ask().packets == 1


def test_the_keyframe_interval_is_counted_from_the_one_that_began(lender: Lender) -> None:
    lender.begin()
    lender.publish(2000, keyframe=True)
    lender.received()
    told = lender.ask()
    assert (told.keyframes, told.keyframe_interval_s) == (1, 2.0)


def test_what_the_publisher_says_comes_between_two_packets(lender: Lender) -> None:
    lender.begin()
    lender.publish(1, size=1_500_000)
    lender.source.say(Insert(b"OPTIONS\n"))
    lender.publish(2)
    data = b""
    while len(data) < 1_500_000:
        data += lender.received()[0][1][2:]
    assert lender.line() == b"OPTIONS\n"
    assert lender.received()[0][1] == unit(2)[4:]


def test_nothing_follows_the_last_word(lender: Lender) -> None:
    lender.begin()
    lender.publish(1)
    lender.received()
    lender.source.say(Insert(b"TEARDOWN\n", last=True))
    assert lender.line() == b"TEARDOWN\n"
    lender.publish(2)
    lender.mine.close()
    # The camera has let go: with the publisher's own end closed, the server is at the end.
    assert lender.server.recv(100) == b""


def test_a_new_format_ends_the_loan_and_comes_after_what_was_before(lender: Lender) -> None:
    lender.begin()
    lender.publish(1)
    lender.camera.set_format(VGA)
    lender.publish(2)
    lender.publish(3, keyframe=True)
    lender.publish(4)
    assert lender.received()[0][1] == unit(1)[4:]
    assert lender.next() == VGA
    assert lender.next().pts_us == 3000
    # The next session lends anew.
    lender.source.say(Take(lender.rtp.state(), lender.mine.fileno()))
    assert lender.received()[0][1] == unit(4)[4:]


def test_a_server_that_takes_nothing_is_told_and_given_up(
    lender: Lender, monkeypatch: pytest.MonkeyPatch
) -> None:
    lender.begin()
    for number in range(1, 8):
        lender.publish(number, size=300_000)
    told = lender.ask()
    assert told.blocked_s > 0
    assert not told.whole
    assert lender.camera.stats().queued > 0
    monkeypatch.setattr(packet_server, "_BLOCKED_S", 0.0)
    assert lender.ask() == Lost(errno.EAGAIN)
    lender.publish(9, keyframe=True)
    assert lender.source.read() is None


def test_a_connection_that_broke_is_told_at_once(lender: Lender) -> None:
    lender.begin()
    lender.server.close()
    lender.publish(1)
    lost = lender.next()
    assert lost == Lost(errno.EPIPE)


def test_the_error_that_a_packet_met_at_once_is_the_one_that_is_told(tcp_lender: Lender) -> None:
    tcp_lender.begin()
    tcp_lender.publish(1)
    tcp_lender.received()
    # Nothing waits: the next packet is written by the frame loop itself, and meets the reset.
    tcp_lender.server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    tcp_lender.server.close()
    tcp_lender.publish(2)
    assert tcp_lender.next() == Lost(errno.ECONNRESET)


def test_a_publisher_that_is_gone_takes_its_connection_along(lender: Lender) -> None:
    lender.begin()
    lender.publish(1)
    lender.received()
    lender.source.close()
    lender.mine.close()
    assert lender.server.recv(100) == b""
    wait_until(lambda: lender.camera.stats().consumers == 0, what="the parting")


def test_a_camera_that_ends_says_where_it_was(lender: Lender) -> None:
    lender.begin()
    lender.publish(1)
    lender.publish(2)
    lender.camera.close()
    told = lender.next()
    assert isinstance(told, Progress)
    assert (told.packets, told.final, told.whole) == (2, True, True)
    with pytest.raises(ProcessError, match="the camera's packets ended"):
        lender.next()


def test_asking_before_lending_gets_no_answer(lender: Lender) -> None:
    lender.source.say(Ask())
    lender.source.say(Insert(b"nobody hears"))
    lender.publish(0, keyframe=True)
    assert lender.next().pts_us == 0
    assert lender.source.read() is None


def no_socket(lender: Lender) -> bytes:
    with Path("/dev/null").open() as nothing:
        raw = lender.source._socket
        assert raw is not None
        socket.send_fds(raw, [encode_said(Take(lender.rtp.state(), 0))], [nothing.fileno()])
    return b""


def take_twice(lender: Lender) -> bytes:
    lender.begin()
    return encode_said(Take(lender.rtp.state(), 0))


@pytest.mark.parametrize(
    "nonsense",
    [
        lambda _: b"\x09\0\0\0\0",
        lambda _: b"\x03\xff\xff\xff\xff",
        lambda _: b"\x02\0\0\0\x02{]",
        lambda _: b"\x02\0\0\0\x02[]",
        lambda lender: encode_said(Take(lender.rtp.state(), 0)),
        no_socket,
        take_twice,
    ],
    ids=["kind", "length", "no JSON", "no state", "no descriptor", "no socket", "twice"],
)
def test_nonsense_ends_the_publisher_s_connection_and_leaks_nothing(lender: Lender, nonsense: Any) -> None:
    before = open_descriptors()
    lender.publish(0, keyframe=True)
    said = nonsense(lender)
    raw = lender.source._socket
    assert raw is not None
    if said:
        raw.sendall(said)
    wait_until(lambda: lender.camera.stats().consumers == 0, what="the parting")
    wait_until(lambda: open_descriptors() <= before, what="closed descriptors")


def test_too_much_to_say_to_a_server_that_takes_nothing_is_bounded(lender: Lender) -> None:
    lender.begin()
    lender.publish(1, size=3_000_000)
    for _ in range(17):
        lender.source.say(Insert(bytes(10)))
    wait_until(lambda: lender.camera.stats().consumers == 0, what="the parting")


def test_words_in_crumbs_are_put_together(lender: Lender) -> None:
    lender.begin()
    raw = lender.source._socket
    assert raw is not None
    said: list[Said] = [Insert(b"one\n"), Insert(b"two\n")]
    for byte in b"".join(map(encode_said, said)):
        raw.send(bytes([byte]))
    assert [lender.line(), lender.line()] == [b"one\n", b"two\n"]


def test_real_frames_are_the_same_as_without_a_loan(lender: Lender) -> None:
    lender.begin()
    alone = RtpStream.resumed(lender.rtp.state())
    for packet in encoded(320, 240)[:30]:
        lender.camera.publish(packet)
        parts, _ = alone.packets(PacketMessage(packet.data, packet.pts_us, packet.keyframe), 1.0)
        for header, payload in zip(parts[::2], parts[1::2], strict=True):
            assert lender.received() == [
                (struct.unpack_from("!H", header, 6)[0], bytes(header[16:]) + payload)
            ]
    assert lender.ask().rtp["packets"] == alone.state().packets
