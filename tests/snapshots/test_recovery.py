"""A start after anything: a lost, torn or foreign index, and files of every kind without their other half."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import pytest

from edge_agent.snapshots.index import Query
from edge_agent.snapshots.picture import Picture
from edge_agent.snapshots.store import Store
from tests.snapshots.gallery import NOON, content, files_in, jpeg, opened, picture, read, until


async def everything(store: Store) -> list[Picture]:
    return await store.newest(Query(), limit=1000)


async def filled(path: Path, count: int = 20) -> list[Picture]:
    """Fill a store, the second picture locked, and close it."""
    async with opened(path) as store:
        for number in range(count):
            await store.add(picture(number, content(number), reason="r"), content(number))
        await store.lock([picture(1, b"").id], locked=True)
        return await everything(store)


def day_folder(path: Path) -> Path:
    return path / "pictures/2026/06/15"


async def test_an_index_that_is_gone_is_made_anew_with_all_that_was_known(tmp_path: Path) -> None:
    before = await filled(tmp_path)
    (tmp_path / "index.sqlite3").unlink()
    async with opened(tmp_path) as store:
        assert await everything(store) == before


@pytest.mark.parametrize("damage", ["cut", "overwritten"])
async def test_an_index_damaged_anywhere_costs_nothing(tmp_path: Path, damage: str) -> None:
    before = await filled(tmp_path)
    whole = (tmp_path / "index.sqlite3").read_bytes()
    chance = random.Random(7)
    places = [0, 1, 15, 16, 99, 100, 4095, 4096, len(whole) - 1]
    places += [chance.randrange(len(whole)) for _ in range(25)]
    for place in places:
        spoilt = whole[:place]
        if damage == "overwritten":
            spoilt += chance.randbytes(512) + whole[place + 512 :]
        (tmp_path / "index.sqlite3").write_bytes(spoilt)
        async with opened(tmp_path) as store:
            # What only a search stumbles on is mended then, and the search goes on while it is.
            await store.newest(Query(), limit=1000)
            await until(lambda: store.facts.state == "ready", lambda: str(store.facts))
            if damage == "cut":
                assert await everything(store) == before, f"cut at {place}"
            else:
                # Bytes inside a record may have changed without anyone's notice; the pictures' have not.
                assert [each.id for each in await everything(store)] == [each.id for each in before]
                assert store.facts.count == len(before)


async def test_an_index_of_another_version_is_made_anew(tmp_path: Path) -> None:
    before = await filled(tmp_path)
    with sqlite3.connect(tmp_path / "index.sqlite3") as database:
        database.execute("DROP TABLE pictures")
        database.execute("PRAGMA user_version = 99")
    database.close()
    async with opened(tmp_path) as store:
        assert await everything(store) == before


async def test_what_came_and_went_while_nobody_looked_is_seen(tmp_path: Path) -> None:
    before = await filled(tmp_path)
    folder = day_folder(tmp_path)
    (folder / before[0].file_name).unlink()
    (folder / before[5].file_name).unlink()
    stranger = jpeg(320, 200)
    (folder / "20260615T235959999Z-0001.jpg").write_bytes(stranger)
    async with opened(tmp_path) as store:
        found = await everything(store)
    assert found[1:] == [each for each in before[1:] if each != before[5]]
    new = found[0]
    assert (new.cause, new.time, new.width, new.height) == ("recovered", "2026-06-15T23:59:59.999Z", 320, 200)
    assert (new.size_bytes, new.locked) == (len(stranger), False)
    (tmp_path / "index.sqlite3").unlink()
    async with opened(tmp_path) as store:
        assert await everything(store) == found


async def test_a_picture_whose_record_was_torn_off_tells_for_itself(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        for number in range(3):
            await store.add(picture(number, jpeg(), reason="r"), jpeg())
        before = await everything(store)
    records = day_folder(tmp_path) / "records.jsonl"
    lines = records.read_bytes().splitlines(keepends=True)
    records.write_bytes(lines[0] + b"\xff\xfe nonsense\n" + lines[2][:40])
    (tmp_path / "index.sqlite3").unlink()
    async with opened(tmp_path) as store:
        found = await everything(store)
        assert found[2] == before[2]
        for now, then in zip(found[:2], before[:2], strict=True):
            assert now == then.model_copy(update={"cause": "recovered", "reason": None})


async def test_leavings_are_cleared_and_what_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    before = await filled(tmp_path)
    folder = day_folder(tmp_path)
    unfinished = f".{before[0].id[:-1]}9.jpg.tmp"
    orphan = "20260615T010203004Z-0001.thumb.jpg"
    for name in (unfinished, ".records.jsonl.tmp", orphan):
        (folder / name).write_bytes(b"half")
    mine = {"notes.txt", "holiday.jpg", ".hidden.tmp", "20260615T010203004Z-0001.jpg.bak"}
    wrong_day = "20260101T010203004Z-0001.jpg"
    no_picture = "20260615T020304005Z-0001.jpg"
    for name in (*mine, wrong_day, no_picture):
        (folder / name).write_bytes(b"not a picture")
    outside = tmp_path / "pictures" / "somewhere" / "else.jpg"
    outside.parent.mkdir()
    outside.write_bytes(b"not in a day")
    async with opened(tmp_path) as store:
        assert await everything(store) == before
    known = {each.file_name for each in before}
    assert files_in(tmp_path) == known | mine | {wrong_day, no_picture, "else.jpg"}


async def test_what_was_replaced_behind_the_store_s_back_is_told_as_it_is(tmp_path: Path) -> None:
    before = await filled(tmp_path, count=2)
    new = jpeg(100, 50)
    (day_folder(tmp_path) / before[0].file_name).write_bytes(new)
    (tmp_path / "index.sqlite3").unlink()
    async with opened(tmp_path) as store:
        found = await everything(store)
        assert (found[0].size_bytes, found[0].width) == (len(new), 100)
        assert await read(store, found[0].id) == new
        assert found[1] == before[1]


async def test_an_empty_day_goes_and_so_do_its_pictures_in_the_index(tmp_path: Path) -> None:
    before = await filled(tmp_path, count=2)
    for each in before:
        (day_folder(tmp_path) / each.file_name).unlink()
    async with opened(tmp_path) as store:
        assert (store.facts.count, store.facts.oldest) == (0, None)
        assert list((tmp_path / "pictures").iterdir()) == []
        await store.add(picture(1, b"1", at=NOON), b"1")
