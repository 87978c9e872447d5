from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge_agent.stream.packet_queue import PacketQueue, Put

# What happens to a queue: a packet (its size, whether a keyframe), a format, or its consumer's taking.
_EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("packet"), st.integers(1, 40), st.booleans()),
        st.tuples(st.just("format"), st.just(0), st.just(0)),
        st.tuples(st.just("take"), st.integers(1, 4), st.just(0)),
    ),
    max_size=80,
)


@given(_EVENTS)
def test_what_comes_out_is_decodable_bounded_and_counted(events: list[tuple[str, int, int]]) -> None:
    queue = PacketQueue(max_packets=5, max_bytes=100)
    out: list[tuple[bool, bool, int]] = []
    keyframes: dict[int, bool] = {}
    offered = dropped = 0

    def take() -> bool:
        entry = queue.take()
        if entry is not None:
            out.append((entry.is_packet, entry.keyframe, int(entry.frame[:4])))
        return entry is not None

    for kind, size, keyframe in events:
        if kind == "packet":
            keyframes[offered] = bool(keyframe)
            dropped += queue.put_packet(b"%04d" % offered + bytes(size), keyframe=bool(keyframe)).dropped
            offered += 1
        elif kind == "format":
            queue.put_format(b"9999")
        else:
            for _ in range(size):
                take()
        assert queue.packets <= 5
    while take():
        pass

    previous: int | None = None
    begins = True
    for is_packet, keyframe, number in out:
        if not is_packet:
            begins = True
            continue
        # A packet that is no keyframe follows directly upon the one it builds upon.
        assert keyframe or (not begins and previous == number - 1)
        assert keyframes[number] == keyframe
        previous, begins = number, False
    assert sum(is_packet for is_packet, _, _ in out) + dropped <= offered


def test_what_is_lost_before_the_first_keyframe_is_no_loss() -> None:
    queue = PacketQueue(max_packets=5, max_bytes=100)
    assert queue.put_packet(b"p", keyframe=False) == Put(left_out=1, why="beginning")
    assert queue.take() is None


def test_a_loss_asks_for_one_keyframe() -> None:
    queue = PacketQueue(max_packets=2, max_bytes=100)
    puts = [queue.put_packet(b"p", keyframe=number == 0) for number in range(6)]
    assert [put.dropped for put in puts] == [0, 0, 3, 1, 1, 1]
    assert [put.needs_keyframe for put in puts] == [False, False, True, False, False, False]


def test_a_format_outlives_the_packets_around_it() -> None:
    queue = PacketQueue(max_packets=2, max_bytes=100)
    queue.put_packet(b"0", keyframe=True)
    queue.put_format(b"a")
    queue.put_format(b"b")
    queue.put_packet(b"1", keyframe=True)
    queue.put_packet(b"2", keyframe=True)
    frames = []
    while (entry := queue.take()) is not None:
        frames.append(entry.frame)
    assert frames == [b"b", b"1", b"2"]


def test_it_tells_how_full_it_is_by_packets_or_by_bytes() -> None:
    queue = PacketQueue(max_packets=4, max_bytes=1000)
    assert queue.fill == 0
    queue.put_packet(b"1" * 10, keyframe=True)
    assert queue.fill == 0.25
    queue.put_packet(b"1" * 490, keyframe=False)
    assert queue.fill == 0.5
    queue.put_packet(b"1" * 250, keyframe=False)
    assert queue.fill == 0.75
    queue.take()
    queue.take()
    assert queue.fill == 0.25
