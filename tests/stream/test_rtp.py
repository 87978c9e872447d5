"""RTP against a depacketizer of its own, and against what the specification says."""

from __future__ import annotations

import itertools
import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.stream.packets import PacketMessage
from edge_agent.stream.rtp import RtpSender, nal_units
from tests.stream.fakes import encoded

Frame = tuple[int, int, bool, int, int, bytes]


def sent(sender: RtpSender, data: bytes, ticks: int = 0) -> list[Frame]:
    """Return channel, length, marker, sequence, time stamp and payload of each packet."""
    parts, size_bytes = sender.packets(PacketMessage(data, 0, keyframe=True), ticks)
    stream = b"".join(parts)
    assert len(stream) == size_bytes
    frames: list[Frame] = []
    while stream:
        dollar, channel, length, version, kind, sequence, stamp, _ = struct.unpack_from("!BBHBBHII", stream)
        assert (dollar, version, kind & 0x7F) == (0x24, 0x80, 96)
        frames.append((channel, length, bool(kind & 0x80), sequence, stamp, stream[16 : 4 + length]))
        stream = stream[4 + length :]
    return frames


def units_of(frames: list[Frame]) -> list[bytes]:
    """Put the fragments together again, as a receiver does."""
    units: list[bytes] = []
    for *_, payload in frames:
        if payload[0] & 0x1F != 28:
            units.append(payload)
            continue
        if payload[1] & 0x80:
            units.append(bytes([payload[0] & 0xE0 | payload[1] & 0x1F]))
        units[-1] += payload[2:]
    return units


# Within a unit no start code can be: an encoder prevents it by putting in a 3.
units = st.lists(
    st.tuples(st.sampled_from([0x65, 0x41, 0x67, 0x06]), st.integers(0, 6000)), min_size=1, max_size=5
).map(lambda found: [bytes([head]) + bytes((i * 7 + head) % 255 + 1 for i in range(n)) for head, n in found])


@given(units=units, long_codes=st.booleans(), shift=st.integers(0, 50))
def test_what_is_sent_comes_out_again(units: list[bytes], long_codes: bool, shift: int) -> None:
    code = b"\0\0\0\1" if long_codes else b"\0\0\1"
    data = b"".join(code + unit for unit in units)
    frames = sent(RtpSender(chance=random.Random(1)), data)
    assert units_of(frames) == units
    assert [marker for _, _, marker, *_ in frames] == [False] * (len(frames) - 1) + [True]
    assert all(length <= 1442 for _, length, *_ in frames)
    # The same out of the middle of a buffer that is used again.
    buffer = bytearray(shift) + data + bytes(9)
    view = memoryview(buffer)[shift : shift + len(data)]
    packet = PacketMessage(view, 0, keyframe=True, within=buffer, offset=shift)
    again, _ = RtpSender(chance=random.Random(1)).packets(packet, 0)
    assert b"".join(again) == b"".join(
        RtpSender(chance=random.Random(1)).packets(PacketMessage(data, 0, keyframe=True), 0)[0]
    )


@given(st.lists(st.sampled_from([b"\0", b"\0", b"\0\0\0", b"\1", b"\3", b"x"]), max_size=300).map(b"".join))
def test_start_codes_are_found_among_many_zeros(data: bytes) -> None:
    whole = b"\0\0\1" + data
    expected = [part.rstrip(b"\0") for part in whole.split(b"\0\0\1")[1:]]
    found = [whole[begin:end] for begin, end in nal_units(whole, 0, len(whole))]
    assert found == [unit for unit in expected if unit]


def test_a_real_frame_comes_out_again() -> None:
    data = encoded(640, 480)[0].data
    found = units_of(sent(RtpSender(chance=random.Random(2)), data))
    assert found == [data[begin:end] for begin, end in nal_units(data, 0, len(data))]
    assert [unit[0] & 0x1F for unit in found][:2] == [7, 8]


def test_numbers_go_on_and_times_are_counted_from_one_beginning() -> None:
    sender = RtpSender(chance=random.Random(3), channel=4)
    small = b"\0\0\1\x41abc"
    frames = [frame for ticks in range(0, 70_000 * 3000, 3000) for frame in sent(sender, small, ticks)]
    assert {channel for channel, *_ in frames} == {4}
    numbers = [sequence for *_, sequence, _, _ in frames]
    assert all((after - before) % 65536 == 1 for before, after in itertools.pairwise(numbers))
    stamps = [stamp for *_, stamp, _ in frames]
    assert all((b - a) % (1 << 32) == 3000 for a, b in itertools.pairwise(stamps))


def test_the_numbers_of_fragments_go_on_too() -> None:
    sender = RtpSender(chance=random.Random(8))
    # Several slices of a picture, each in more fragments than the first room is for; 65,536 is passed twice.
    picture = b"".join(b"\0\0\1\x41" + b"x" * 1428 * count for count in (70, 100, 1, 300))
    frames = [frame for ticks in range(300) for frame in sent(sender, picture, ticks)]
    numbers = [sequence for *_, sequence, _, _ in frames]
    assert len(numbers) > 2 * 65_536
    assert all((after - before) % 65_536 == 1 for before, after in itertools.pairwise(numbers))


@pytest.mark.parametrize("data", [b"", b"\0\0\1", b"no start code"])
def test_nothing_is_sent_of_nothing(data: bytes) -> None:
    assert sent(RtpSender(chance=random.Random(4)), data) == []


def test_a_report_says_what_was_sent_and_when() -> None:
    sender = RtpSender(chance=random.Random(5))
    ((_, _, _, _, stamp, _),) = sent(sender, b"\0\0\1\x41abc", ticks=9000)
    report = sender.report(9000, time_s=1_000_000_000.5)
    dollar, channel, length = struct.unpack_from("!BBH", report)
    assert (dollar, channel, length) == (0x24, 1, len(report) - 4)
    _, kind, words, _, seconds, fraction, ticks, packets, octets = struct.unpack_from("!BBHIIIIII", report, 4)
    assert (kind, words) == (200, 6)
    assert (seconds, fraction) == (1_000_000_000 + 2_208_988_800, 1 << 31)
    # Of the payload alone, without the start code that goes nowhere.
    assert (ticks, packets, octets) == (stamp, 1, len(b"\x41abc"))
    # A description with a name follows, whole words long.
    _, kind, words = struct.unpack_from("!BBH", report, 4 + 28)
    assert (kind, 4 + 28 + 4 * (words + 1)) == (202, len(report))
