"""What is kept and what goes: by size, number, age and free space, and what a full disk does."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from edge_agent.errors import EdgeAgentError, RefusedError, StorageError
from edge_agent.snapshots.index import Query
from edge_agent.snapshots.store import Store
from tests.clocks import ManualClock
from tests.snapshots.gallery import NOON, a_minute, content, files_in, opened, picture, read


async def add(store: Store, number: int, size_bytes: int = 1000, **more: Any) -> str:
    taken = content(number, size_bytes)
    record = picture(number, taken, **more)
    await store.add(record, taken)
    return record.id


async def ids_of(store: Store) -> list[str]:
    """Return the ids of all pictures, the oldest first."""
    return [found.id for found in await store.newest(Query(), limit=1000)][::-1]


def states_and_problem(store: Store) -> tuple[str, tuple[str, str] | None]:
    return store.facts.state, store.problem


@pytest.mark.parametrize("limit", [{"limit_bytes": 5500}, {"limit_count": 5}])
async def test_the_oldest_make_room_and_locked_ones_stay(tmp_path: Path, limit: dict[str, Any]) -> None:
    async with opened(tmp_path, **limit) as store:
        ids = [await add(store, number) for number in range(3)]
        await store.lock([ids[1]], locked=True)
        ids += [await add(store, number) for number in range(3, 20)]
        assert await ids_of(store) == [ids[1], *ids[16:]]
        assert (store.facts.count, store.facts.size_bytes, store.facts.oldest) == (5, 5000, ids[1])
        assert len(files_in(tmp_path)) == 5


async def test_a_picture_that_can_never_fit_is_refused_and_nothing_is_deleted_for_it(tmp_path: Path) -> None:
    async with opened(tmp_path, limit_bytes=5500) as store:
        ids = [await add(store, number) for number in range(5)]
        await store.lock(ids[:2], locked=True)
        with pytest.raises(RefusedError, match="the store is full: 5 pictures") as caught:
            await add(store, 9, 3600)
        assert caught.value.code == "store_full"
        assert await ids_of(store) == ids
        assert states_and_problem(store) == ("full", ("store_full", caught.value.message))

        last = await add(store, 10, 3500)
        assert await ids_of(store) == [*ids[:2], last]
        assert states_and_problem(store) == ("ready", None)


async def test_the_disk_s_free_space_is_kept_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk_bytes = 10_000

    def free_bytes(_: object) -> int:
        stored = sum(file.stat().st_size for file in tmp_path.rglob("*.jpg"))
        return max(0, disk_bytes - stored)

    monkeypatch.setattr("edge_agent.snapshots.files.PictureFiles.free_bytes", free_bytes)
    clock = ManualClock(NOON)
    async with opened(tmp_path, clock=clock, min_free_bytes=4000) as store:
        ids = [await add(store, number) for number in range(8)]
        assert await ids_of(store) == ids[2:]
        assert store.facts.free_bytes == 4000

        # Somebody else fills the disk: that alone deletes nothing, and neither does what would not help.
        await store.lock(ids[2:4], locked=True)
        disk_bytes = 6000
        await a_minute(clock)
        with pytest.raises(RefusedError, match="the disk is full") as caught:
            await add(store, 20)
        assert caught.value.code == "disk_full"
        assert await ids_of(store) == ids[2:]
        assert store.problem is not None
        assert store.problem[0] == "disk_full"

        disk_bytes = 9000
        await a_minute(clock)
        assert states_and_problem(store) == ("ready", None)
        await add(store, 21)
        assert store.facts.count == 5


async def test_age_is_enforced_by_a_steady_clock_and_spares_locked_ones(tmp_path: Path) -> None:
    clock = ManualClock(NOON)
    async with opened(tmp_path, clock=clock, keep_s=86_400) as store:
        old = [await add(store, n, at=NOON - timedelta(days=2, seconds=9 - n)) for n in range(5)]
        await store.lock([old[2]], locked=True)
        new = await add(store, 9)
        for _ in range(9):
            await a_minute(clock)
        assert await ids_of(store) == [*old, new]
        await a_minute(clock)
        assert await ids_of(store) == [old[2], new]


async def test_a_limit_that_was_lowered_holds_after_the_next_start(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        ids = [await add(store, number) for number in range(450)]
        await store.lock([ids[0]], locked=True)
    async with opened(tmp_path, limit_count=10) as store:
        assert await ids_of(store) == [ids[0], *ids[-9:]]


async def test_a_store_of_locked_pictures_over_its_limit_keeps_them(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        ids = [await add(store, number) for number in range(3)]
        await store.lock(ids, locked=True)
    async with opened(tmp_path, limit_count=2) as store:
        assert await ids_of(store) == ids


@contextlib.contextmanager
def _largest_file(size_bytes: int) -> Iterator[None]:
    """Have the system refuse larger files, as a quota does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_quota_that_is_met_midway_leaves_nothing_behind_and_keeps_the_old(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        first = await add(store, 1)
        with _largest_file(200_000):
            with pytest.raises(StorageError, match="File too large") as caught:
                await add(store, 2, 300_000)
            assert caught.value.code == "disk_full"
            assert states_and_problem(store)[0] == "full"
            assert files_in(tmp_path) == {f"{first}.jpg"}
            assert await read(store, first) == content(1)
            await add(store, 3)
            assert states_and_problem(store)[0] == "ready"
    async with opened(tmp_path) as store:
        assert store.facts.count == 2


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB below `tmp_path`."""
    mounted = tmp_path / "disk"
    mounted.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(mounted)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no small file system can be mounted here: {done.stderr.strip()}")
    try:
        yield mounted
    finally:
        subprocess.run(["umount", "-l", str(mounted)], check=True)


def _fill_up(filler: Path) -> None:
    """Leave nothing free on a disk."""
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    assert os.statvfs(filler.parent).f_bavail == 0


async def test_a_disk_that_is_full_to_the_brim_refuses_and_keeps_and_lets_delete(small_disk: Path) -> None:
    async with opened(small_disk) as store:
        ids = [await add(store, number, 100_000) for number in range(4)]
        filler = small_disk / "filler"
        _fill_up(filler)

        # With nothing free there is room only in place of what is there: the limits see to it.
        last = await add(store, 9, 50_000)
        assert await ids_of(store) == [*ids[1:], last]

        await store.lock([*ids[1:], last], locked=True)
        _fill_up(filler)
        for number in (10, 11):
            with pytest.raises(EdgeAgentError) as caught:
                await add(store, number, 50_000)
            assert caught.value.code == "disk_full"
        assert await ids_of(store) == [*ids[1:], last]
        assert await read(store, ids[1]) == content(1, 100_000)
        await store.delete([ids[1]], force=True)
        await add(store, 12, 50_000)
        assert store.problem is None
