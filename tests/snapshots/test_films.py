"""Videos of what is in the store, by the command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import pytest

from edge_agent.errors import RefusedError
from tests.snapshots.studio import Studio


def _bytes_of(path: str) -> bytes:
    return Path(path).read_bytes()


def _names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


async def film(studio: Studio, *, dry_run: bool = False, **arguments: Any) -> dict[str, Any]:
    return await studio.ask("images", {"action": "video", **arguments}, dry_run=dry_run)


async def test_a_film_is_made_of_one_reasons_pictures_the_oldest_first(tmp_path: Path) -> None:
    async with Studio(tmp_path).open() as studio:
        for number in range(4):
            await studio.take(reason="timelapse garden" if number != 2 else "a visitor")
        tried = await film(studio, reason="timelapse garden", dry_run=True)
        assert tried == {"frames": 3, "duration_s": 0.12}
        result = await film(studio, reason="timelapse garden", fps=10)
        assert (result["frames"], result["skipped"], result["duration_s"]) == (3, 0, 0.3)
        with av.open(result["file"]) as made:
            assert len(list(made.decode(video=0))) == 3
        assert len(_bytes_of(result["file"])) == result["size_bytes"]


async def test_a_film_can_be_sent(tmp_path: Path) -> None:
    async with Studio(tmp_path).open() as studio:
        await studio.take()
        result = await film(studio, send=True)
        sent = studio.messages(result["topic"].removeprefix("edge/v1/porch/"))
        assert b"".join(message.payload for message in sent) == _bytes_of(result["file"])


async def test_only_the_newest_films_are_kept(tmp_path: Path) -> None:
    async with Studio(tmp_path).open() as studio:
        await studio.take()
        for _ in range(7):
            studio.clock.advance(60)
            newest = (await film(studio))["file"]
        kept = _names(tmp_path / "state/videos")
        assert len(kept) == 5
        assert newest.endswith(kept[-1])


async def test_a_film_of_nothing_is_refused(tmp_path: Path) -> None:
    async with Studio(tmp_path).open() as studio:
        with pytest.raises(RefusedError, match="no such JPEG"):
            await film(studio, reason="nobody")
        with pytest.raises(RefusedError, match="does not go with video"):
            await film(studio, picture="latest")
