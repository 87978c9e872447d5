"""The store of pictures, full: how long its answers take, and what it weighs.

Each start is a process of its own.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil

from edge_agent.snapshots.files import PictureFiles, day_of
from edge_agent.snapshots.index import Query
from edge_agent.snapshots.records import append_records
from tests.snapshots.gallery import NOON, content, opened, picture

__all__ = ["Seen", "measure_store"]

_MIB = 1024 * 1024
_PICTURE_BYTES = 200
_EVERY_S = 60
_TIMES = 200


@dataclass(frozen=True)
class Seen:
    """What was measured."""

    count: int
    start_s: float
    rebuild_s: float
    pages_s: dict[str, list[float]]
    empty_mib: float
    full_mib: float
    peak_mib: float


def measure_store(directory: Path, *, count: int) -> Seen:
    """Fill a store with a picture a minute, each of a few bytes, and measure it."""
    empty = _process(directory / "empty", "start")
    _fill(directory / "full", count)
    rebuilt = _process(directory / "full", "start")
    started = _process(directory / "full", "start")
    asked = _process(directory / "full", "ask")
    return Seen(
        count=started["count"],
        start_s=started["took_s"],
        rebuild_s=rebuilt["took_s"],
        pages_s=asked["pages_s"],
        empty_mib=empty["rss_mib"],
        full_mib=asked["rss_mib"],
        peak_mib=rebuilt["peak_mib"],
    )


def _fill(path: Path, count: int) -> None:
    files = PictureFiles(directory=path / "pictures")
    files.prepare()
    taken = content(size_bytes=_PICTURE_BYTES)
    per_day = 24 * 3600 // _EVERY_S
    for first in range(0, count, per_day):
        numbers = range(first, min(first + per_day, count))
        # From midnight on, so that it is one folder.
        days = NOON.replace(hour=0) + timedelta(days=first // per_day)
        new = [
            picture(number, taken, at=days + timedelta(seconds=(number - first) * _EVERY_S), reason="bench")
            for number in numbers
        ]
        with files.folder(day_of(new[0].id), create=True) as folder:
            for each in new:
                (path / "pictures" / day_of(each.id) / each.file_name).write_bytes(taken)
            append_records(folder, new)


def _process(path: Path, what: str) -> dict[str, Any]:
    program = [sys.executable, "-m", "tests.bench.pictures", str(path), what]
    done = subprocess.run(program, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


async def _measure(path: Path, what: str) -> dict[str, Any]:
    begun = time.monotonic()
    pages: dict[str, list[float]] = {}
    async with opened(path, timeout_s=600) as store:
        took_s = time.monotonic() - begun
        if what == "ask":
            newest = (await store.find("latest")).id
            oldest = str(store.facts.oldest)
            queries = {
                "list, the newest 100": Query(),
                "list, 100 in the middle": Query(before=f"{oldest[:6]}20T000000000Z"),
                "list, 100 by a reason": Query(reason="bench"),
                "list, a reason that none has": Query(reason="none"),
                "list, the oldest of all": Query(before=oldest),
            }
            for name, query in queries.items():
                pages[name] = [await _timed(store.newest(query, limit=100)) for _ in range(_TIMES)]
            pages["find"] = [await _timed(store.find(newest)) for _ in range(_TIMES)]
            taken = content(size_bytes=_PICTURE_BYTES)
            pages["add"] = [
                await _timed(store.add(picture(number, taken, at=NOON - timedelta(days=900 - number)), taken))
                for number in range(_TIMES)
            ]
        count = store.facts.count
    memory = psutil.Process(os.getpid()).memory_info().rss / _MIB
    return {"count": count, "took_s": took_s, "pages_s": pages, "rss_mib": memory, "peak_mib": _peak_mib()}


def _peak_mib() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


async def _timed(work: Any) -> float:
    begun = time.perf_counter()
    await work
    return time.perf_counter() - begun


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(_measure(Path(sys.argv[1]), sys.argv[2]))))
