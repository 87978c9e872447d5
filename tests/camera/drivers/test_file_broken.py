"""Files that end, break, shrink, or never were videos."""

from __future__ import annotations

import logging
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from edge_agent.camera.drivers.file.driver import FileDriver
from edge_agent.camera.drivers.file.options import FileOptions
from edge_agent.errors import CameraError, CameraUnavailableError
from tests.camera.drivers.clips import FPS, FRAMES, make_clip
from tests.camera.drivers.file_player import WaitingClock, playing

FRAME_US = 1_000_000 // FPS
LIVE_CHANGE = {"image": {"brightness": 0.2}}


def test_without_loop_the_camera_is_gone_at_the_end(passable: Path, reordered: Path) -> None:
    for path in (passable, reordered):
        with playing(path, loop=False) as player:
            player.take(FRAMES)
            with pytest.raises(CameraUnavailableError, match="has come to its end, and 'loop' is off"):
                player.driver.read(1.0)


def opened(path: Path) -> None:
    clock = WaitingClock()
    driver = FileDriver(options=FileOptions(path=path), clock=clock, wait=clock.wait)
    try:
        driver.open()
    finally:
        driver.close()


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CameraUnavailableError, match=r"gone\.mp4' cannot be opened: No such file") as caught:
        opened(tmp_path / "gone.mp4")
    assert caught.value.value == str(tmp_path / "gone.mp4")


@pytest.mark.parametrize("content", [b"", b"this is no video" * 100])
def test_a_file_that_is_no_video(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "text.mp4").write_bytes(content)
    with pytest.raises(CameraUnavailableError, match=r"text\.mp4' cannot be opened: "):
        opened(tmp_path / "text.mp4")


def test_a_folder_is_no_video(tmp_path: Path) -> None:
    with pytest.raises(CameraUnavailableError, match="cannot be opened"):
        opened(tmp_path)


def test_a_file_without_a_picture(tmp_path: Path) -> None:
    container: Any = av.open(str(tmp_path / "sound.wav"), "w")
    stream: Any = container.add_stream("pcm_s16le", rate=8000, layout="mono")
    sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
    sound.sample_rate = 8000
    container.mux(stream.encode(sound))
    container.close()
    with pytest.raises(CameraUnavailableError, match="has no picture in it"):
        opened(tmp_path / "sound.wav")


@pytest.mark.parametrize("suffix", [".mkv", ".ts", ".avi"])
@pytest.mark.parametrize("change", [{}, LIVE_CHANGE], ids=["passing", "decoding"])
def test_a_file_that_was_cut_off_starts_again(tmp_path: Path, suffix: str, change: dict[str, Any]) -> None:
    path = make_clip(tmp_path / f"clip{suffix}", frames=60)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with playing(path) as player:
        player.change(change)
        samples = player.take(150)
        for earlier, later in pairwise(samples):
            assert 0 < later.pts_us - earlier.pts_us <= 3 * FRAME_US


def test_a_file_that_shrinks_while_it_plays_starts_again_and_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = make_clip(tmp_path / "clip.mp4", frames=600, group=10)
    with playing(path) as player:
        player.take(5)
        with path.open("r+b") as file:
            file.truncate(path.stat().st_size // 2)
        with caplog.at_level(logging.WARNING):
            samples = player.take(1000)
        assert all(0 < b.pts_us - a.pts_us <= 3 * FRAME_US for a, b in pairwise(samples))
        assert len([record for record in caplog.records if "starts again" in record.getMessage()]) == 1


def test_a_file_of_which_nothing_can_be_decoded_is_an_error_not_a_busy_loop(
    mpeg4: Path, tmp_path: Path
) -> None:
    whole = mpeg4.read_bytes()
    start, end = whole.index(b"movi") + 12, whole.index(b"idx1")
    (tmp_path / "broken.avi").write_bytes(whole[:start] + bytes(end - start) + whole[end:])
    with (
        pytest.raises(CameraError, match=r"no picture of .*broken\.avi' can be decoded"),
        playing(tmp_path / "broken.avi") as player,
    ):
        player.take(3 * FRAMES)
