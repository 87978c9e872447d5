"""Pictures to put into a store, and a store to put them into."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from PIL import Image

from edge_agent.clock import rfc3339
from edge_agent.snapshots.limits import Limits
from edge_agent.snapshots.picture import Picture, picture_id
from edge_agent.snapshots.store import Store
from tests.clocks import ManualClock

__all__ = ["NOON", "a_minute", "content", "files_in", "jpeg", "limits", "opened", "picture", "read", "until"]

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)


def content(number: int = 0, size_bytes: int = 1000) -> bytes:
    """Return bytes that only this picture has; they are no image."""
    return random.Random(number).randbytes(size_bytes)


def jpeg(width: int = 64, height: int = 48, *, format_: str = "JPEG") -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (width, height), (200, 60, 20)).save(stream, format_)
    return stream.getvalue()


def picture(number: int, taken: bytes, *, at: datetime | None = None, **more: Any) -> Picture:
    """Return the record of the `number`th picture: one a second from noon on."""
    moment = at or NOON + timedelta(seconds=number)
    facts: dict[str, Any] = {
        "id": picture_id(moment, number),
        "time": rfc3339(moment),
        "format": "jpeg",
        "width": 64,
        "height": 48,
        "size_bytes": len(taken),
        "sha256": hashlib.sha256(taken).hexdigest(),
        "cause": f"command {number}",
        **more,
    }
    return Picture(**facts)


def limits(**changed: Any) -> Limits:
    wide: dict[str, Any] = {
        "limit_bytes": 10**12,
        "limit_count": 10**9,
        "min_free_bytes": 0,
        "keep_s": None,
        **changed,
    }
    return Limits(**wide)


@asynccontextmanager
async def opened(
    path: Path,
    *,
    clock: ManualClock | None = None,
    ready: bool = True,
    timeout_s: float = 20.0,
    **changed: Any,
) -> AsyncIterator[Store]:
    """Open the store below `path`, and wait until it knows what it has."""
    async with Store(
        directory=path / "pictures",
        index_path=path / "index.sqlite3",
        limits=limits(**changed),
        clock=clock or ManualClock(NOON),
    ) as store:
        if ready:
            await until(lambda: store.facts.state == "ready", lambda: str(store.facts), timeout_s)
        yield store


async def until(condition: Callable[[], object], what: Callable[[], str], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, what()
        await asyncio.sleep(0.005)


async def a_minute(clock: ManualClock) -> None:
    """Let the store's next upkeep begin and end."""

    def asleep() -> bool:
        return any(not woken.done() for _, woken in clock._sleepers)

    await until(asleep, lambda: "the store has not begun to wait for its next upkeep")
    clock.advance(60)
    await until(asleep, lambda: "the store's upkeep has not ended")


async def read(store: Store, id_: str) -> bytes:
    _, descriptor = await store.open_picture(id_)
    with os.fdopen(descriptor, "rb") as file:
        return file.read()


def files_in(path: Path) -> set[str]:
    """Return the names of all files of the store's directory, the days' records left out."""
    directory = path / "pictures"
    return {file.name for file in directory.rglob("*") if file.is_file() and file.name != "records.jsonl"}
