from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from edge_agent.camera.drivers.base import Sample, Wish
from edge_agent.camera.drivers.file import h264
from edge_agent.camera.settings import CameraSettings
from edge_agent.errors import CameraError
from tests.camera.drivers.clips import FPS, FRAMES, GROUP, HEIGHT, WIDTH, luma_of_frame, make_clip
from tests.camera.drivers.file_player import playing
from tests.camera.drivers.prints import frame_of

FRAME_US = 1_000_000 // FPS
LIVE_CHANGE = {"image": {"brightness": 0.2}}


def plane(sample: Sample) -> Any:
    assert sample.frame is not None
    return sample.frame.to_ndarray()[: sample.frame.height].astype(int)


def left_luma(sample: Sample) -> float:
    picture = plane(sample)
    height, width = picture.shape
    return float(np.median(picture[height // 2 :, : width // 4]))


def kinds(data: bytes) -> list[int]:
    return [part[0] & 0x1F for part in data.split(b"\x00\x00\x01")[1:]]


def decoded(samples: list[Sample]) -> int:
    decoder: Any = av.CodecContext.create("h264", "r")
    packets = [av.Packet(packet.data) for sample in samples for packet in sample.packets]
    return sum(len(decoder.decode(packet)) for packet in [*packets, None])


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".avi", ".h264"])
def test_h264_passes_through_as_annex_b_with_parameter_sets(tmp_path: Path, suffix: str) -> None:
    with playing(make_clip(tmp_path / f"clip{suffix}")) as player:
        samples = player.take(2 * FRAMES)
        assert all(sample.frame is None and len(sample.packets) == 1 for sample in samples)
        packets = [sample.packets[0] for sample in samples]
        assert [packet.keyframe for packet in packets] == [n % GROUP == 0 for n in range(2 * FRAMES)]
        assert [packet.pts_us for packet in packets] == [sample.pts_us for sample in samples]
        for packet in packets:
            assert packet.data.startswith((b"\x00\x00\x00\x01", b"\x00\x00\x01"))
            if packet.keyframe:
                assert kinds(packet.data).count(7) == kinds(packet.data).count(8) == 1
        assert decoded(samples) == 2 * FRAMES


@pytest.mark.parametrize(
    ("codec", "suffix", "b_frames"),
    [("mpeg4", ".avi", 0), ("libx264", ".mp4", 2), ("libx264", ".ts", 2), ("libx264", ".h264", 2)],
)
def test_what_cannot_pass_through_is_decoded_in_order(
    tmp_path: Path, codec: str, suffix: str, b_frames: int
) -> None:
    with playing(make_clip(tmp_path / f"clip{suffix}", codec=codec, b_frames=b_frames)) as player:
        samples = player.take(2 * FRAMES + 3)
        assert not any(sample.packets for sample in samples)
        shown = [left_luma(sample) for sample in samples]
        assert shown == pytest.approx([luma_of_frame(n) for n in range(2 * FRAMES + 3)], abs=5)


@pytest.mark.parametrize("clip", ["passable", "reordered", "mpeg4"])
def test_it_plays_at_the_files_own_speed_without_drift(clip: str, request: pytest.FixtureRequest) -> None:
    with playing(request.getfixturevalue(clip)) as player:
        (first,) = player.take()
        begun_s = player.clock.at_s
        samples = [first, *player.take(5 * FRAMES)]
        assert player.clock.at_s - begun_s == pytest.approx(5 * FRAMES / FPS, abs=0.001)
        assert samples[-1].pts_us - first.pts_us == pytest.approx(5 * FRAMES * FRAME_US, abs=10)
        for earlier, later in pairwise(samples):
            assert later.pts_us - earlier.pts_us == pytest.approx(FRAME_US, abs=1000)
            assert later.reading.sequence == earlier.reading.sequence + 1
            assert later.reading.timestamp_ns == later.pts_us * 1000
        assert first.reading.frame_duration_us == FRAME_US
        assert first.reading.lux is None


def test_nothing_is_due_before_its_time(passable: Path) -> None:
    with playing(passable) as player:
        player.take()
        before_s = player.clock.at_s
        assert player.driver.read(0.01) is None
        assert player.clock.at_s == pytest.approx(before_s + 0.01)
        player.take()
        assert player.clock.at_s == pytest.approx(before_s + 1 / FPS, abs=0.001)


def test_a_reader_that_was_held_up_gets_no_rush_of_old_frames(passable: Path) -> None:
    with playing(passable) as player:
        (before,) = player.take()
        player.clock.at_s += 30.0
        begun_s = player.clock.at_s
        samples = player.take(FRAMES)
        assert samples[0].pts_us - before.pts_us == pytest.approx(30_000_000, abs=1000)
        assert player.clock.at_s - begun_s == pytest.approx((FRAMES - 1) / FPS, abs=0.001)


@pytest.mark.parametrize("clip", ["passable", "mpeg4"])
def test_a_lower_frame_rate_drops_frames_and_keeps_the_speed(
    clip: str, request: pytest.FixtureRequest
) -> None:
    with playing(request.getfixturevalue(clip)) as player:
        player.change({"video": {"fps": FPS / 4}})
        assert player.driver.applied().video.fps == FPS / 4
        samples = player.take(12)[2:]
        steps = [later.pts_us - earlier.pts_us for earlier, later in pairwise(samples)]
        assert steps == pytest.approx([4 * FRAME_US] * len(steps), abs=1000)
        lumas = [left_luma(sample) for sample in samples]
        assert all(
            (later - earlier) % (8 * FRAMES) == pytest.approx(32, abs=8) for earlier, later in pairwise(lumas)
        )


def test_a_live_change_decodes_from_the_next_frame_on_and_back_at_a_keyframe(passable: Path) -> None:
    with playing(passable) as player:
        player.take(GROUP + 3)
        player.change(LIVE_CHANGE)
        assert player.driver.applied().image.brightness == 0.2
        changed = player.take(4)
        assert [bool(sample.packets) for sample in changed] == [False] * 4
        expected = [luma_of_frame(GROUP + 3 + n) + 0.2 * 219 for n in range(4)]
        assert [left_luma(sample) for sample in changed] == pytest.approx(expected, abs=5)
        player.change({"image": {"brightness": 0.0}})
        back = player.take(GROUP)
        first = next(sample for sample in back if sample.packets)
        assert first.packets[0].keyframe
        assert all(sample.packets for sample in back[back.index(first) :])
        for earlier, later in pairwise([*changed, *back]):
            assert later.pts_us - earlier.pts_us == pytest.approx(FRAME_US, abs=1000)


def test_a_long_group_is_not_caught_up_with_but_started_again(tmp_path: Path) -> None:
    with playing(make_clip(tmp_path / "long.mp4", frames=120, group=250)) as player:
        before = player.take(100)[-1]
        player.change({"view": {"roi": {"width": 0.5}}})
        after = player.take(2)
        assert left_luma(after[0]) == pytest.approx(luma_of_frame(0), abs=5)
        assert after[0].pts_us - before.pts_us == pytest.approx(FRAME_US, abs=1000)


def test_a_bit_rate_of_ones_own_needs_the_encoder(passable: Path) -> None:
    with playing(passable) as player:
        own_bps = player.driver.applied().video.bitrate_bps
        assert 1000 < own_bps < 2_000_000
        player.change({"video": {"bitrate_auto": False, "bitrate_bps": 500_000}})
        assert player.driver.applied().video.bitrate_bps == 500_000
        assert player.take()[0].frame is not None


def test_configure_takes_size_and_flips(mpeg4: Path) -> None:
    with playing(mpeg4) as player:
        player.configure({"video": {"width": 96, "height": 72}, "view": {"hflip": True, "vflip": True}})
        picture = plane(player.take()[0])
        assert picture.shape == (72, 96)
        assert picture[-4:].mean() > 220
        assert picture[:56, :40].max() < 30 < picture[:56, 56:].min()


def test_upside_down_is_both_flips_and_undone_by_them(mpeg4: Path) -> None:
    with playing(mpeg4) as player:
        player.configure({"view": {"rotation": 180}})
        assert plane(player.take()[0])[-8:].mean() > 220
        player.configure({"view": {"rotation": 180, "hflip": True, "vflip": True}})
        assert plane(player.take()[0])[:8].mean() > 220


def test_a_region_fills_the_picture(mpeg4: Path) -> None:
    with playing(mpeg4) as player:
        player.change({"view": {"roi": {"x": 0.5, "y": 0.5, "width": 0.5, "height": 0.5}}})
        picture = plane(player.take()[0])
        assert picture.shape == (HEIGHT, WIDTH)
        assert picture.mean() == pytest.approx(16, abs=3)


def test_another_shape_is_cut_not_bent(mpeg4: Path) -> None:
    with playing(mpeg4) as player:
        player.configure({"video": {"width": WIDTH, "height": 64}})
        picture = plane(player.take()[0])
        assert picture.shape == (64, WIDTH)
        assert picture[:4].max() < 220  # the bright rows at the top are cut away


def test_contrast_and_saturation(mpeg4: Path) -> None:
    with playing(mpeg4) as player:
        player.change({"image": {"contrast": 0.0, "saturation": 0.0}})
        (sample,) = player.take()
        assert sample.frame is not None
        planes = sample.frame.to_ndarray().astype(int)
        assert planes[:HEIGHT].min() >= 125
        assert planes[:HEIGHT].max() <= 127
        assert set(np.unique(planes[HEIGHT:])) == {128}


def test_a_still_of_what_passes_through_is_its_last_picture(passable: Path) -> None:
    with playing(passable) as player:
        for _ in range(3):
            last = player.take(4)[-1]
            (still,) = player.driver.stills(last, Wish())
            assert still.reading == last.reading
            picture = frame_of(still).to_ndarray()[HEIGHT // 2 : HEIGHT, : WIDTH // 4]
            assert np.median(picture) == pytest.approx(luma_of_frame(last.reading.sequence), abs=5)


def test_a_still_is_as_large_as_the_file_where_that_is_asked_for(mpeg4: Path) -> None:
    with playing(mpeg4) as player:
        player.configure({"video": {"width": 96, "height": 72}, "view": {"vflip": True}})
        (last,) = player.take()
        (as_streamed,) = player.driver.stills(last, Wish())
        assert (frame_of(as_streamed).width, frame_of(as_streamed).height) == (96, 72)
        (still,) = player.driver.stills(last, Wish(size=(WIDTH + 1000, HEIGHT + 1000)))
        frame = frame_of(still)
        assert (frame.width, frame.height) == (WIDTH, HEIGHT)
        picture = frame.to_ndarray()[:HEIGHT]
        assert picture[-8:].mean() > 220
        assert picture[: HEIGHT // 2].max() < 220


def test_what_is_configured_begins_with_a_keyframe(passable: Path) -> None:
    with playing(passable) as player:
        player.configure({"view": {"hflip": True}})
        player.take(2)
        player.configure({"view": {"hflip": False}})
        assert player.take()[0].packets[0].keyframe


def test_what_is_out_of_reach_is_held_within(passable: Path) -> None:
    with playing(passable) as player:
        wanted = {
            "video": {"width": 4000, "height": 3000, "fps": 500.0},
            "view": {"rotation": 90},
            "focus": {"mode": "manual", "position": 3.0},
            "hdr": "auto",
        }
        player.configure(wanted)
        applied = player.driver.applied()
        assert (applied.video.width, applied.video.height, applied.video.fps) == (WIDTH, HEIGHT, FPS)
        assert applied.view.rotation == 0
        assert applied.focus == CameraSettings().focus
        assert applied.hdr == "off"


def test_capabilities(passable: Path) -> None:
    with playing(passable) as player:
        can = player.capabilities
        assert (can.driver, can.model, can.sensor) == ("file", "passable.mp4", None)
        assert (can.resolutions[0].width, can.resolutions[0].height, can.resolutions[0].fps_max) == (
            160,
            120,
            FPS,
        )
        assert can.controls["video.fps"].max == FPS
        assert can.unavailable["focus.mode"] == "a file has no lens"
        with pytest.raises(CameraError, match="has no lens"):
            player.driver.trigger_focus()


def test_parameter_sets_come_after_the_delimiter_and_only_once() -> None:
    delimiter, sets, slice_ = (
        b"\0\0\0\1\x09\xf0",
        b"\0\0\0\1\x67\x42\0\0\0\1\x68\xce",
        b"\0\0\0\1\x65\x88\x84",
    )
    assert h264.with_parameter_sets(slice_, sets) == sets + slice_
    assert h264.with_parameter_sets(delimiter + slice_, sets) == delimiter + sets + slice_
    assert h264.with_parameter_sets(delimiter + sets + slice_, sets) == delimiter + sets + slice_
