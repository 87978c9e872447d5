"""Uploads a second, each durable before and after, beside plain requests in a loop, to one server."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from random import Random

import requests

from edge_agent.clock import SystemClock
from edge_agent.contract.events import Events
from edge_agent.contract.topics import Topics
from edge_agent.health.problems import Problems
from edge_agent.snapshots.picture import Picture
from edge_agent.snapshots.upload.config import UploadConfig
from edge_agent.snapshots.upload.uploads import Uploads
from tests.snapshots.pictures import picture_of

__all__ = ["disk_per_s", "plain_per_s", "server", "spooled_per_s"]

_HEADERS = {"Content-Type": "image/jpeg"}


@contextmanager
def server() -> Iterator[str]:
    """Run a server that takes pictures, in a process of its own; give its URL."""
    process = subprocess.Popen([sys.executable, "-m", "tests.upload_server"], stdout=subprocess.PIPE)
    try:
        if process.stdout is None:
            raise RuntimeError("the server did not start")
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.communicate()


def plain_per_s(url: str, pictures: list[tuple[Picture, bytes]], *, keep_alive: bool) -> float:
    """Send one after the other, from memory, and return how many a second."""
    put: Callable[..., requests.Response] = requests.Session().put if keep_alive else requests.put
    begun = time.perf_counter()
    for picture, content in pictures:
        put(f"{url}/plain/{picture.file_name}", data=content, headers=_HEADERS).raise_for_status()
    return len(pictures) / (time.perf_counter() - begun)


def disk_per_s(
    directory: Path, pictures: list[tuple[Picture, bytes]], *, threads: int, at_once: int
) -> float:
    """Write them down for good and clear them away, with nothing else to do; return how many a second.

    It is what a spool has to have of the disk: two files each, whole before the second has its name, and the
    second gone for good before the first; those that come at once share a wait for the directory.
    """
    place = directory / f"disk-{os.urandom(4).hex()}"
    place.mkdir()
    whole = os.open(place, os.O_RDONLY)

    def keep(share: list[tuple[Picture, bytes]]) -> None:
        for begin in range(0, len(share), at_once):
            some = [(place / picture.id, content) for picture, content in share[begin : begin + at_once]]
            files = []
            for path, content in some:
                for suffix, data in ((".jpg", content), (".new", bytes(700))):
                    files.append(os.open(path.with_suffix(suffix), os.O_WRONLY | os.O_CREAT, 0o600))
                    os.write(files[-1], data)
            for descriptor in files:
                os.fsync(descriptor)
                os.close(descriptor)
            for path, _ in some:
                path.with_suffix(".new").rename(path.with_suffix(".json"))
            os.fsync(whole)
            for path, _ in some:
                path.with_suffix(".json").unlink()
            os.fsync(whole)
            for path, _ in some:
                path.with_suffix(".jpg").unlink()

    begun = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(keep, [pictures[number::threads] for number in range(threads)]))
    took_s = time.perf_counter() - begun
    os.close(whole)
    return len(pictures) / took_s


def spooled_per_s(
    url: str, directory: Path, pictures: list[tuple[Picture, bytes]], *, at_once: int, concurrency: int
) -> float:
    """Add them, `at_once` at a time, and return how many a second were confirmed and cleared away."""
    return asyncio.run(_spooled_per_s(url, directory, pictures, at_once, concurrency))


async def _spooled_per_s(
    url: str, directory: Path, pictures: list[tuple[Picture, bytes]], at_once: int, concurrency: int
) -> float:
    clock, random = SystemClock(), Random(1)
    warm, all_done = asyncio.Event(), asyncio.Event()
    events = Events(topics=Topics(root="bench", node="porch"), clock=clock, publish=lambda _: None)
    uploads = Uploads(
        config=UploadConfig(url=f"{url}/spool/{{file_name}}", concurrency=concurrency, min_free_mb=0),
        directory=directory / f"spool-{os.urandom(4).hex()}",
        node="porch",
        clock=clock,
        random=random,
        events=events,
        problems=Problems(clock=clock, events=events, changed=lambda: None),
        status_changed=lambda: None,
    )
    seen: list[str] = []

    def heard(kind: str, document: object) -> None:
        seen.append(kind)
        if len(seen) == at_once:
            warm.set()
        if len(seen) == len(pictures) + at_once:
            all_done.set()

    events.listen(heard)
    async with uploads:
        # What the first ones load is not measured.
        for number in range(at_once):
            content = Random(-number).randbytes(1000)
            await uploads.add(picture_of(3000 + number, content), content)
        await warm.wait()
        begun = time.perf_counter()
        queue = iter(pictures)

        async def adder() -> None:
            for picture, content in queue:
                await uploads.add(picture, content)

        await asyncio.gather(*(adder() for _ in range(at_once)))
        await all_done.wait()
        return len(pictures) / (time.perf_counter() - begun)
