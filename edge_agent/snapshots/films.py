"""Videos of what is in the store: a time-lapse, or any pictures of one reason or one span of time."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from edge_agent.clock import Clock
from edge_agent.contract.topics import Topics
from edge_agent.errors import RefusedError, StorageError
from edge_agent.snapshots.index import Query
from edge_agent.snapshots.picture import Picture
from edge_agent.snapshots.store import Store
from edge_agent.snapshots.transfer import FromFile, Transfer
from edge_agent.snapshots.video import VideoJob
from edge_agent.snapshots.video_maker import VideoMaker

__all__ = ["Films"]

_MAX_FRAMES: Final = 50_000
_PAGE: Final = 1000
# They are made anew from the pictures at any time; the older ones go.
_KEPT: Final = 5
_HASHED_AT_ONCE: Final = 1024 * 1024


class Films:
    """Makes videos into `directory`, one at a time; the newest few are kept."""

    def __init__(
        self,
        *,
        store: Store,
        directory: Path,
        min_free_bytes: int,
        transfer: Transfer,
        topics: Topics,
        clock: Clock,
        maker: VideoMaker | None = None,
    ) -> None:
        self._store = store
        self._directory = directory
        self._min_free_bytes = min_free_bytes
        self._transfer = transfer
        self._topics = topics
        self._clock = clock
        self._maker = maker or VideoMaker()

    async def make(
        self, query: Query, *, fps: float, send: bool, dry_run: bool, progress: Callable[[float], None]
    ) -> dict[str, Any]:
        """Make one of the pictures that `query` finds. Raises RefusedError or StorageError."""
        pictures = await self._pictures(query)
        if dry_run:
            return {"frames": len(pictures), "duration_s": round(len(pictures) / fps, 3)}
        name = f"{self._clock.now():%Y%m%dT%H%M%SZ}.mp4"
        target = self._directory / name
        await asyncio.to_thread(self._make_room)
        job = VideoJob(
            files=tuple(self._store.path_of(picture) for picture in pictures), target=target, fps=fps
        )
        facts = await self._maker.make(job, progress)
        sha256 = await asyncio.to_thread(_sha256, target)
        told = {"file": str(target), "media_type": "video/mp4", **facts.model_dump(), "sha256": sha256}
        return {**told, **(await self._send(target, name, sha256) if send else {})}

    async def _pictures(self, query: Query) -> list[Picture]:
        """Return them, the oldest first."""
        found: list[Picture] = []
        while True:
            before = found[-1].id if found else query.before
            page = await self._store.newest(
                Query(before=before, after=query.after, format="jpeg", reason=query.reason), limit=_PAGE
            )
            found += page
            if len(found) > _MAX_FRAMES:
                raise RefusedError(
                    f"these are more than {_MAX_FRAMES} pictures; narrow them by 'after' and 'before'",
                    code="too_many",
                )
            if len(page) < _PAGE:
                break
        if not found:
            raise RefusedError("there is no such JPEG in the store", code="unknown_picture")
        return found[::-1]

    def _make_room(self) -> None:
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            films = sorted(self._directory.glob("*.mp4"))
            for film in films[: max(0, len(films) - _KEPT + 1)]:
                film.unlink(missing_ok=True)
            free_bytes = shutil.disk_usage(self._directory).free
        except OSError as error:
            raise StorageError(f"cannot write {self._directory}: {error.strerror or error}") from error
        if free_bytes < self._min_free_bytes:
            raise RefusedError(
                f"only {free_bytes // 1024**2} MB are free, snapshots.min_free_mb wants "
                f"{self._min_free_bytes // 1024**2}",
                code="disk_full",
            )

    async def _send(self, target: Path, name: str, sha256: str) -> dict[str, Any]:
        descriptor = await asyncio.to_thread(os.open, target, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            sent = await self._transfer.send(
                FromFile(descriptor), topic=self._topics.image(name.removesuffix(".mp4")), sha256=sha256
            )
        finally:
            os.close(descriptor)
        return sent.model_dump()


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_HASHED_AT_ONCE):
            digest.update(chunk)
    return digest.hexdigest()
