"""A video of pictures, made by its process."""

from __future__ import annotations

import asyncio
from pathlib import Path

import av
import pytest
from PIL import Image

from edge_agent.errors import EdgeAgentError
from edge_agent.snapshots.video import VideoJob
from edge_agent.snapshots.video_maker import VideoMaker


def pictures(directory: Path, count: int, size: tuple[int, int] = (321, 241)) -> tuple[Path, ...]:
    """Return pictures that go from dark to light."""
    paths = []
    for number in range(count):
        level = round(255 * number / max(1, count - 1))
        path = directory / f"{number}.jpg"
        Image.new("RGB", size, (level, level, 40)).save(path)
        paths.append(path)
    return tuple(paths)


def _names(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


async def test_a_video_shows_the_pictures_in_their_order(tmp_path: Path) -> None:
    shares: list[float] = []
    job = VideoJob(files=pictures(tmp_path, 10), target=tmp_path / "film.mp4", fps=10)
    facts = await VideoMaker().make(job, shares.append)
    assert (facts.frames, facts.skipped, facts.width, facts.height) == (10, 0, 320, 240)
    assert facts.duration_s == 1.0
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    with av.open(str(job.target)) as film:
        light = [frame.to_ndarray(format="gray").mean() for frame in film.decode(video=0)]
        assert film.duration is not None
        assert film.duration / av.time_base == pytest.approx(1.0, abs=0.11)
    assert len(light) == 10
    assert light == sorted(light)
    assert light[-1] - light[0] > 150


async def test_a_picture_that_cannot_be_read_is_left_out_and_told(tmp_path: Path) -> None:
    files = pictures(tmp_path, 4)
    files[1].write_bytes(b"no picture")
    files[2].unlink()
    job = VideoJob(files=files, target=tmp_path / "film.mp4")
    facts = await VideoMaker().make(job, lambda _share: None)
    assert (facts.frames, facts.skipped) == (2, 2)


async def test_a_video_of_nothing_fails_and_leaves_nothing(tmp_path: Path) -> None:
    job = VideoJob(files=(tmp_path / "none.jpg",), target=tmp_path / "film.mp4")
    with pytest.raises(EdgeAgentError, match="none of the pictures") as caught:
        await VideoMaker().make(job, lambda _share: None)
    assert caught.value.code == "video_failed"
    assert _names(tmp_path) == []


async def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    job = VideoJob(files=pictures(tmp_path, 2), target=tmp_path / "no" / "film.mp4")
    with pytest.raises(EdgeAgentError, match="was not made"):
        await VideoMaker().make(job, lambda _share: None)


async def test_one_that_hangs_is_ended(tmp_path: Path) -> None:
    job = VideoJob(files=pictures(tmp_path, 1), target=tmp_path / "film.mp4")
    maker = VideoMaker(module="tests.processes.children.silent", silent_s=0.2)
    with pytest.raises(EdgeAgentError, match="no progress"):
        await maker.make(job, lambda _share: None)


async def test_two_at_once_are_one_too_many(tmp_path: Path) -> None:
    job = VideoJob(files=pictures(tmp_path, 3), target=tmp_path / "film.mp4")
    maker = VideoMaker()
    first = asyncio.create_task(maker.make(job, lambda _share: None))
    await asyncio.sleep(0)
    with pytest.raises(EdgeAgentError) as caught:
        await maker.make(job, lambda _share: None)
    assert caught.value.code == "busy"
    assert (await first).frames == 3
