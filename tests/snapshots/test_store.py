from __future__ import annotations

import asyncio
import os
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from edge_agent.errors import RefusedError, StorageError
from edge_agent.snapshots.index import Query
from edge_agent.snapshots.picture import id_prefix
from edge_agent.snapshots.store import Store
from tests.clocks import ManualClock
from tests.snapshots.gallery import NOON, a_minute, content, files_in, opened, picture, read


async def fill(store: Store, *numbers: int, **more: Any) -> list[str]:
    """Store pictures and return their ids."""
    ids = []
    for number in numbers:
        taken = content(number)
        record = picture(number, taken, **more)
        await store.add(record, taken)
        ids.append(record.id)
    return ids


def state_of(store: Store) -> str:
    return store.facts.state


def open_files() -> set[Path]:
    return set(Path("/proc/self/fd").iterdir())


async def test_what_was_stored_is_there_after_a_restart(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        ids = await fill(store, 1, 2, 3, reason="why not", lux=12.5)
        assert await read(store, ids[1]) == content(2)
        facts = store.facts
    async with opened(tmp_path) as store:
        assert store.facts.model_copy(update={"free_bytes": None}) == facts.model_copy(
            update={"free_bytes": None}
        )
        assert (facts.count, facts.size_bytes, facts.oldest, facts.newest) == (3, 3000, ids[0], ids[2])
        assert [found.id for found in await store.newest(Query(), limit=10)] == ids[::-1]
        assert await store.find(ids[0]) == picture(1, content(1), reason="why not", lux=12.5)
        assert (await store.find("latest")).id == ids[2]
        assert await read(store, ids[2]) == content(3)


async def test_pages_follow_each_other_without_gap_or_twin(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        ids = await fill(store, *range(25))
        seen: list[str] = []
        while page := await store.newest(Query(before=seen[-1] if seen else None), limit=10):
            seen += [found.id for found in page]
            await fill(store, 100 + len(seen))  # what comes meanwhile is newer, and moves no page
        assert seen == ids[::-1]


async def test_a_search_takes_what_fits_all_of_it(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        plain = await fill(store, 0, 1, 2)
        moved = await fill(store, 3, 4, reason="motion")
        raw = await fill(store, 5, format="dng", reason="motion")
        await store.lock([moved[0], plain[1]], locked=True)

        async def found(query: Query) -> list[str]:
            return [each.id for each in await store.newest(query, limit=100)]

        assert await found(Query(reason="motion")) == [*raw, *moved[::-1]]
        assert await found(Query(format="dng")) == raw
        assert await found(Query(locked=True)) == [moved[0], plain[1]]
        assert await found(Query(locked=True, reason="motion")) == [moved[0]]
        assert await found(Query(locked=False, before=raw[0])) == [moved[1], plain[2], plain[0]]
        assert await found(Query(after=plain[0], before=plain[2])) == [plain[1]]


async def test_a_locked_picture_is_only_deleted_by_force_and_then_the_others_too(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        ids = await fill(store, 1, 2)
        assert await store.lock(ids, locked=True) == ids
        assert await store.lock(ids[:1], locked=True) == []
        await store.lock(ids[:1], locked=False)
        with pytest.raises(RefusedError, match=f"{ids[1]} is locked; nothing was deleted") as caught:
            await store.delete(ids)
        assert caught.value.code == "locked"
        assert store.facts.count == 2
        assert (await store.delete(ids, force=True, dry_run=True)).count == 2
        assert store.facts.count == 2
        assert (await store.delete(ids, force=True)).count == 2
        assert (store.facts.count, store.facts.locked, store.facts.size_bytes) == (0, 0, 0)
        assert list((tmp_path / "pictures").iterdir()) == []


async def test_an_unknown_id_among_known_ones_deletes_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        ids = await fill(store, 1)
        missing = picture(2, b"").id
        with pytest.raises(RefusedError, match=f"there is no picture {missing}") as caught:
            await store.delete([*ids, missing])
        assert caught.value.code == "unknown_picture"
        assert await read(store, ids[0]) == content(1)


async def test_all_before_a_time_go_and_the_locked_ones_stay(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        ids = await fill(store, *range(450))
        await store.lock([ids[3]], locked=True)
        bound = id_prefix(NOON + timedelta(seconds=440))
        assert await store.count_before(bound) == (440, 1)
        told: list[int] = []
        assert (await store.delete_before(bound, progress=told.append)).count == 439
        assert told == [200, 400, 439]
        left = await store.newest(Query(), limit=100)
        assert [found.id for found in left] == [*ids[:439:-1], ids[3]]
        assert len(files_in(tmp_path)) == 11
        assert (await store.delete_before(bound, locked_too=True)).count == 1


async def test_an_id_that_is_taken_is_refused_and_the_first_picture_stays(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        (taken,) = await fill(store, 1)
        with pytest.raises(RefusedError, match="already") as caught:
            await store.add(picture(1, b"another"), b"another")
        assert caught.value.code == "picture_exists"
        assert await read(store, taken) == content(1)


async def test_a_file_that_somebody_deleted_is_told_and_forgotten(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(tmp_path) as store:
        ids = await fill(store, 1, 2)
        next((tmp_path / "pictures").rglob(f"{ids[0]}.jpg")).unlink()
        with pytest.raises(RefusedError, match="there is no picture"):
            await store.open_picture(ids[0])
        assert "somebody has deleted it" in caplog.text
        assert [found.id for found in await store.newest(Query(), limit=9)] == [ids[1]]


async def test_a_picture_that_became_a_link_is_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    async with opened(tmp_path) as store:
        (taken,) = await fill(store, 1)
        file = next((tmp_path / "pictures").rglob(f"{taken}.jpg"))
        file.unlink()
        file.symlink_to(secret)
        with pytest.raises(StorageError):
            await store.open_picture(taken)
        await store.delete([taken])
    assert secret.read_bytes() == b"secret"
    assert files_in(tmp_path) == set()


async def test_a_picture_is_read_whole_also_where_it_is_deleted_meanwhile(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        (taken,) = await fill(store, 1)
        _, descriptor = await store.open_picture(taken)
        await store.delete([taken])
        with os.fdopen(descriptor, "rb") as file:
            assert file.read() == content(1)


async def test_a_descriptor_that_nobody_waits_for_any_more_is_closed(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        (taken,) = await fill(store, 1)
        before = open_files()
        waiting = asyncio.ensure_future(store.open_picture(taken))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await store.find(taken)  # the thread has done everything that was before this
        assert open_files() == before


async def test_thumbnails_are_kept_beside_and_counted_and_go_with_their_picture(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        ids = await fill(store, 1, 2)
        assert await store.thumbnail(ids[0]) is None
        await store.keep_thumbnail(ids[0], b"small")
        assert await store.thumbnail(ids[0]) == b"small"
    async with opened(tmp_path) as store:
        assert store.facts.size_bytes == 2005
        (tmp_path / "index.sqlite3").unlink()
    async with opened(tmp_path) as store:
        assert store.facts.size_bytes == 2005
        await store.delete([ids[0]])
        assert store.facts.size_bytes == 1000
        assert files_in(tmp_path) == {f"{ids[1]}.jpg"}


async def test_locking_to_and_fro_does_not_fill_the_disk(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        ids = await fill(store, 1, 2)
        for turn in range(1000):
            await store.lock(ids[:1], locked=turn % 2 == 0)
        await store.lock(ids[1:], locked=True)
        records = next((tmp_path / "pictures").rglob("records.jsonl"))
        assert records.stat().st_size < 250_000
        (tmp_path / "index.sqlite3").unlink()
    async with opened(tmp_path) as store:
        assert [found.locked for found in await store.newest(Query(), limit=9)] == [True, False]


async def test_a_store_that_cannot_be_opened_says_so_and_comes_back_by_itself(tmp_path: Path) -> None:
    clock = ManualClock(NOON)
    (tmp_path / "pictures").touch()
    async with opened(tmp_path, clock=clock, ready=False) as store:
        assert state_of(store) == "failed"
        assert store.problem == (
            "store_failed",
            f"pictures cannot be stored: {tmp_path}/pictures: File exists",
        )
        with pytest.raises(StorageError, match="File exists") as caught:
            await store.add(picture(1, b"1"), b"1")
        assert caught.value.code == "store_failed"
        (tmp_path / "pictures").unlink()
        await a_minute(clock)
        assert state_of(store) == "ready"
        assert store.problem is None
        await store.add(picture(1, b"1"), b"1")


async def test_two_agents_do_not_share_an_index(tmp_path: Path) -> None:
    async with opened(tmp_path) as first:
        await fill(first, 1)
        async with opened(tmp_path, ready=False) as second:
            assert second.facts.state == "failed"
            assert "locked" in str(second.facts.reason)
        await fill(first, 2)
        assert first.facts.count == 2


async def test_too_many_who_wait_are_told_to_come_again(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        results = await asyncio.gather(
            *(store.newest(Query(), limit=1) for _ in range(200)), return_exceptions=True
        )
        refused = [each for each in results if isinstance(each, RefusedError)]
        assert len(refused) == 200 - 64
        assert {each.code for each in refused} == {"busy"}


async def test_a_directory_that_vanishes_is_told_and_what_returns_is_found(tmp_path: Path) -> None:
    clock = ManualClock(NOON)
    async with opened(tmp_path, clock=clock) as store:
        await fill(store, 1)
        shutil.move(tmp_path / "pictures", tmp_path / "elsewhere")
        await a_minute(clock)
        assert state_of(store) == "failed"
        with pytest.raises(StorageError):
            await store.add(picture(2, b"2"), b"2")
        shutil.move(tmp_path / "elsewhere", tmp_path / "pictures")
        await a_minute(clock)
        assert state_of(store) == "ready"
        assert store.facts.count == 1
