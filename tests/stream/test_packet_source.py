from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.errors import ProcessError
from edge_agent.stream.packet_source import PacketSource, parameter_sets
from edge_agent.stream.packets import PacketMessage, StreamFormat, encode_format, encode_packet
from tests.stream.fakes import encoded, listen


@pytest.fixture
def peers(packet_socket: Path) -> Iterator[tuple[PacketSource, socket.socket]]:
    with listen(packet_socket) as listener:
        source = PacketSource(path=str(packet_socket))
        assert source.connect()
        camera, _ = listener.accept()
        with camera:
            yield source, camera
        source.close()


def test_nobody_there(packet_socket: Path) -> None:
    source = PacketSource(path=str(packet_socket))
    assert not source.connect()
    assert not source.connected


def test_messages_that_come_in_crumbs(peers: tuple[PacketSource, socket.socket]) -> None:
    source, camera = peers
    stream_format = StreamFormat("h264", 640, 480, 25.0)
    both = encode_format(stream_format) + encode_packet(b"abc", pts_us=-7, keyframe=True)
    assert source.read() is None
    for position in range(0, len(both), 5):
        camera.sendall(both[position : position + 5])
    assert source.read() == stream_format
    assert source.read() == PacketMessage(b"abc", -7, keyframe=True)
    assert source.read() is None


def test_what_came_with_another_one_is_told_of(peers: tuple[PacketSource, socket.socket]) -> None:
    source, camera = peers
    assert not source.pending
    camera.sendall(b"".join(encode_packet(b"abc", pts_us=n, keyframe=True) for n in range(2)))
    assert source.read() == PacketMessage(b"abc", 0, keyframe=True)
    assert source.pending
    assert source.read() == PacketMessage(b"abc", 1, keyframe=True)
    assert not source.pending


def test_a_message_by_halves_is_not_lost(peers: tuple[PacketSource, socket.socket]) -> None:
    source, camera = peers
    frame = encode_packet(bytes(1000), pts_us=1, keyframe=False)
    camera.sendall(frame[:500])
    assert source.read() is None
    camera.sendall(frame[500:])
    assert source.read() == PacketMessage(bytes(1000), 1, keyframe=False)


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\x09" + bytes(13),
        b"\x02\x00\xff\xff\xff\xff" + bytes(8),
        encode_format.__doc__ or "",
        b"\x01\x00" + bytes(12),
    ],
    ids=["kind", "length", "text", "empty format"],
)
def test_nonsense_ends_the_connection(
    peers: tuple[PacketSource, socket.socket], nonsense: bytes | str
) -> None:
    source, camera = peers
    camera.sendall(nonsense.encode() if isinstance(nonsense, str) else nonsense)
    with pytest.raises(ProcessError, match="the camera's packets cannot be understood"):
        source.read()
    assert not source.connected


def test_parameter_sets_of_a_real_keyframe() -> None:
    small, large = encoded(160, 120)[0], encoded(320, 240)[0]
    sets = parameter_sets(small.data)
    assert [unit[0] & 0x1F for unit in sets] == [7, 8]
    assert parameter_sets(small.data) == sets
    assert parameter_sets(large.data) != sets
    assert all(unit in small.data for unit in sets)


@pytest.mark.parametrize("data", [b"", b"\x00\x00\x01", b"\x00\x00\x01\x65abc", b"no start code"])
def test_data_without_parameter_sets(data: bytes) -> None:
    assert parameter_sets(data) == ()
