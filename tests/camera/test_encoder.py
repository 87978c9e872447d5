"""The encoder: what goes in comes out at once, can be decoded, and obeys."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import av
import numpy as np
import pytest
from av import VideoCodecContext, VideoFrame

from edge_agent.camera.drivers.base import EncodedPacket
from edge_agent.camera.encoder import H264Encoder
from edge_agent.camera.encoder_settings import EncoderSettings
from edge_agent.camera.parameter_sets import Declared, declared
from edge_agent.errors import CameraError

_SIZE = (320, 240)
_STEP_US = 33_333


def frames(count: int, *, pixel_format: str = "yuv420p") -> list[VideoFrame]:
    """A pattern that moves, with noise that costs bits."""
    chance = np.random.default_rng(3)
    width, height = _SIZE
    made = []
    for number in range(count):
        ramp = (np.arange(width) + 4 * number) % 160 + 40
        luma = np.tile(ramp, (height, 1)) + chance.integers(0, 24, (height, width))
        chroma = np.full((height // 2, width), 128)
        data = np.vstack([luma, chroma]).astype(np.uint8)
        made.append(VideoFrame.from_ndarray(data, format=pixel_format))
    return made


def encoder(bitrate_bps: int = 2_000_000, **settings: Any) -> H264Encoder:
    wanted = EncoderSettings(bitrate_bps=bitrate_bps, **settings)
    return H264Encoder(width=_SIZE[0], height=_SIZE[1], fps=30, settings=wanted)


def encode(to: H264Encoder, count: int, *, start: int = 0, step_us: int = _STEP_US) -> list[EncodedPacket]:
    return [
        packet
        for number, frame in enumerate(frames(count), start)
        for packet in to.encode(frame, number * step_us)
    ]


def nal_types(data: bytes) -> list[int]:
    return [data[match.end()] & 0x1F for match in re.finditer(b"\x00\x00\x01", data)]


def decode(packets: list[EncodedPacket]) -> list[VideoFrame]:
    decoder = av.CodecContext.create("h264", "r")
    assert isinstance(decoder, VideoCodecContext)
    decoded = [frame for packet in packets for frame in decoder.decode(av.Packet(packet.data))]
    return decoded + decoder.decode(None)


def test_every_frame_goes_out_with_its_call_and_its_time() -> None:
    under_test = encoder()
    for number, frame in enumerate(frames(10)):
        packets = under_test.encode(frame, 5_000_000 + number * _STEP_US)
        assert [packet.pts_us for packet in packets] == [5_000_000 + number * _STEP_US]


def test_it_can_be_decoded_and_looks_the_same() -> None:
    packets = encode(encoder(8_000_000), 8)
    decoded = decode(packets)
    assert len(decoded) == 8
    for before, after in zip(frames(8), decoded, strict=True):
        difference = before.to_ndarray().astype(np.int16) - after.to_ndarray().astype(np.int16)
        assert np.abs(difference).mean() < 8


def test_keyframes_and_only_they_begin_with_parameter_sets() -> None:
    packets = encode(encoder(keyframe_interval_s=0.2), 20)
    assert packets[0].keyframe
    for packet in packets:
        assert packet.data.startswith((b"\x00\x00\x00\x01", b"\x00\x00\x01"))
        assert ({7, 8} <= set(nal_types(packet.data))) == packet.keyframe
        assert (5 in nal_types(packet.data)) == packet.keyframe


@pytest.mark.parametrize("step_us", [_STEP_US, 100_000])
def test_keyframes_come_by_time_whatever_the_frame_rate(step_us: int) -> None:
    packets = encode(encoder(keyframe_interval_s=0.5), 40, step_us=step_us)
    times = [packet.pts_us for packet in packets if packet.keyframe]
    assert np.diff(times).tolist() == pytest.approx([500_000] * (len(times) - 1), abs=20)


def test_a_stream_is_decodable_from_every_keyframe() -> None:
    packets = encode(encoder(keyframe_interval_s=0.3), 25)
    second = [index for index, packet in enumerate(packets) if packet.keyframe][1]
    assert len(decode(packets[second:])) == len(packets) - second


def test_a_keyframe_comes_on_request_and_only_once() -> None:
    under_test = encoder(keyframe_interval_s=100)
    encode(under_test, 5)
    under_test.request_keyframe()
    assert [packet.keyframe for packet in encode(under_test, 3, start=5)] == [True, False, False]
    forced = under_test.encode(frames(1)[0], 20 * _STEP_US, force_keyframe=True)
    assert forced[0].keyframe


@pytest.mark.parametrize(("before", "after"), [(3_000_000, 500_000), (500_000, 3_000_000)])
def test_the_bit_rate_is_live(before: int, after: int) -> None:
    under_test = encoder(before, keyframe_interval_s=100)
    encode(under_test, 60)
    first = sum(len(packet.data) for packet in encode(under_test, 30, start=60))
    under_test.set_bitrate(after)
    encode(under_test, 60, start=90)
    second = sum(len(packet.data) for packet in encode(under_test, 30, start=150))
    assert under_test.bitrate_bps == after
    assert max(first, second) > 3 * min(first, second)
    assert (second > first) == (after > before)


def test_the_bit_rate_is_kept_whatever_the_frame_rate() -> None:
    under_test = encoder(1_000_000)
    encode(under_test, 90)
    slow = encode(under_test, 60, start=31, step_us=100_000)
    measured_bps = sum(len(packet.data) for packet in slow[20:]) * 8 / 4
    assert measured_bps == pytest.approx(1_000_000, rel=0.3)


def test_lowering_the_bit_rate_costs_no_keyframe() -> None:
    under_test = encoder(3_000_000, keyframe_interval_s=100)
    encode(under_test, 3)
    under_test.set_bitrate(1_000_000)
    assert not any(packet.keyframe for packet in encode(under_test, 3, start=3))


@pytest.mark.parametrize(
    ("profile", "named"), [("baseline", "constrained_baseline"), ("main", "main"), ("high", "high")]
)
@pytest.mark.parametrize(("level", "told"), [("auto", None), ("3.1", "3.1"), ("5.2", "5.2")])
def test_the_stream_itself_declares_the_profile_and_the_level(
    profile: str, named: str, level: str, told: str | None
) -> None:
    packets = encode(encoder(profile=profile, level=level), 3)
    said = declared(packets[0].data)
    assert said is not None
    assert said.profile == named
    assert told is None or said.level == told
    assert len(decode(packets)) == 3


def test_a_change_holds_from_the_next_frame_on_which_is_a_keyframe() -> None:
    under_test = encoder(keyframe_interval_s=100)
    encode(under_test, 4)
    wanted = replace(under_test.settings, profile="high", level="4.2")
    under_test.change(wanted)
    assert under_test.settings == wanted
    packets = encode(under_test, 4, start=4)
    assert [packet.keyframe for packet in packets] == [True, False, False, False]
    assert declared(packets[0].data) == Declared("high", "4.2")
    assert len(decode(packets)) == 4


def test_a_change_that_x264_refuses_changes_nothing() -> None:
    under_test = encoder(keyframe_interval_s=100)
    encode(under_test, 2)
    before = under_test.settings
    with pytest.raises(CameraError, match="could not be opened"):
        under_test.change(replace(before, quality=-5, level="nonsense"))
    assert under_test.settings == before
    assert [packet.keyframe for packet in encode(under_test, 2, start=2)] == [False, False]


def test_the_keyframe_interval_is_live_and_needs_no_keyframe() -> None:
    under_test = encoder(keyframe_interval_s=100)
    encode(under_test, 5)
    under_test.change(replace(under_test.settings, keyframe_interval_s=0.1))
    later = encode(under_test, 7, start=10)
    assert [packet.keyframe for packet in later] == [True, False, False, True, False, False, True]
    under_test.change(replace(under_test.settings, keyframe_interval_s=100))
    assert not any(packet.keyframe for packet in encode(under_test, 10, start=17))


def _size(**settings: Any) -> int:
    return sum(len(packet.data) for packet in encode(encoder(keyframe_interval_s=100, **settings), 60)[30:])


def test_constant_quality_costs_what_the_picture_needs_and_no_more_than_the_bit_rate() -> None:
    fine, coarse = _size(bitrate_bps=20_000_000, quality=15), _size(bitrate_bps=20_000_000, quality=40)
    assert fine > 3 * coarse
    capped = _size(bitrate_bps=500_000, quality=15)
    assert capped < fine / 3
    assert capped * 8 < 500_000 * 1.3


def test_constant_quality_can_be_switched_on_off_and_capped_otherwise_at_any_time() -> None:
    under_test = encoder(2_000_000, keyframe_interval_s=100)
    steps: list[dict[str, Any]] = [
        {"quality": 30},
        {"bitrate_bps": 400_000},
        {"quality": None},
        {"bitrate_bps": 4_000_000},
    ]
    for number, change in enumerate(steps):
        under_test.change(replace(under_test.settings, **change))
        assert len(encode(under_test, 3, start=10 * number)) == 3


def test_time_that_does_not_rise_is_made_to() -> None:
    under_test = encoder()
    times = [under_test.encode(frame, 1000)[0].pts_us for frame in frames(3)]
    assert times == [1000, 1001, 1002]


def test_nv12_is_taken_too() -> None:
    under_test = encoder()
    packets = [
        p for n, f in enumerate(frames(3, pixel_format="nv12")) for p in under_test.encode(f, n * _STEP_US)
    ]
    assert [frame.format.name for frame in decode(packets)] == ["yuv420p"] * 3


def test_colours_are_tagged() -> None:
    frame = decode(encode(encoder(), 2))[0]
    assert int(frame.colorspace) == 1
    assert int(frame.color_range) == 1


def test_a_frame_of_another_size_is_refused() -> None:
    with pytest.raises(CameraError, match=r"320x240.*64x64"):
        encoder().encode(VideoFrame(64, 64, "yuv420p"), 0)


def test_a_closed_encoder_says_so() -> None:
    under_test = encoder()
    under_test.close()
    under_test.close()
    with pytest.raises(CameraError, match="closed"):
        under_test.encode(frames(1)[0], 0)


def test_a_size_that_x264_cannot_is_told() -> None:
    with pytest.raises(CameraError, match="0x0"):
        H264Encoder(width=0, height=0, fps=30, settings=EncoderSettings(bitrate_bps=1_000_000))
