from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from edge_agent.errors import RefusedError, StorageError
from edge_agent.snapshots.upload.rounds import Rounds
from edge_agent.snapshots.upload.spool import Spool
from tests.snapshots.pictures import content_of
from tests.snapshots.upload.disks import cut_power, mounted_again, own_disk
from tests.snapshots.upload.support import until
from tests.snapshots.upload.test_spool import found_in, record_of


@asynccontextmanager
async def rounds_of(spool: Spool) -> AsyncIterator[Rounds]:
    rounds = Rounds(spool=spool, room=lambda _: None)
    rounds.start()
    await rounds.run(spool.open)
    yield rounds
    assert await rounds.stop(10)


def kept(rounds: Rounds, number: int, content: bytes | Path | None = None) -> asyncio.Future[None]:
    """Return the future of an upload's being on disk for good."""
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def ended(error: BaseException | None) -> None:
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)

    rounds.keep(record_of(number), content_of(number) if content is None else content, ended)
    return future


async def test_what_comes_at_once_shares_the_waits_for_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[int] = []
    real = Spool.sync

    def sync(spool: Spool) -> None:
        waits.append(len(waits))
        real(spool)

    monkeypatch.setattr(Spool, "sync", sync)
    async with rounds_of(Spool(directory=tmp_path)) as rounds:
        await asyncio.gather(*(kept(rounds, number) for number in range(64)))
    assert len(waits) <= 64 // 2
    assert len(found_in(tmp_path)) == 64


async def test_nothing_is_said_to_be_kept_before_the_disk_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    def noted(name: str) -> Any:
        real = getattr(Spool, name)

        def note(spool: Spool, *args: Any) -> Any:
            result = real(spool, *args)
            told.append(name)
            return result

        return note

    for name in ("begin", "flush", "publish", "sync"):
        monkeypatch.setattr(Spool, name, noted(name))
    async with rounds_of(Spool(directory=tmp_path)) as rounds:
        await kept(rounds, 1)
        assert told == ["begin", "flush", "publish", "sync"]


async def test_what_stands_in_the_way_of_one_is_told_to_that_one_alone(tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    (tmp_path / "secret").write_bytes(content_of(2))
    async with rounds_of(Spool(directory=tmp_path / "spool", store=store)) as rounds:
        outcomes = await asyncio.gather(
            kept(rounds, 1),
            kept(rounds, 2, tmp_path / "secret"),
            kept(rounds, 3, store / "missing"),
            kept(rounds, 4),
            return_exceptions=True,
        )
    assert [type(outcome) for outcome in outcomes] == [type(None), RefusedError, StorageError, type(None)]
    assert found_in(tmp_path / "spool") == [record_of(1), record_of(4)]
    assert len(list((tmp_path / "spool").iterdir())) == 4


@pytest.mark.parametrize("step", ["flush", "publish", "sync"])
async def test_where_the_disk_refuses_nothing_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def refuse(*_: Any) -> None:
        raise StorageError("cannot keep uploads: Input/output error")

    async with rounds_of(Spool(directory=tmp_path)) as rounds:
        await kept(rounds, 1)
        with monkeypatch.context() as patch:
            patch.setattr(Spool, step, refuse)
            outcomes = await asyncio.gather(
                *(kept(rounds, number) for number in (2, 3)), return_exceptions=True
            )
        assert [type(outcome) for outcome in outcomes] == [StorageError, StorageError]
        assert found_in(tmp_path) == [record_of(1)]
        assert len(os.listdir(tmp_path)) == 2  # noqa: PTH208 - it does not block the loop for long
        await kept(rounds, 4)
    assert found_in(tmp_path) == [record_of(1), record_of(4)]


async def test_what_was_asked_before_the_end_is_done(tmp_path: Path) -> None:
    async with rounds_of(Spool(directory=tmp_path)) as rounds:
        keeping = [kept(rounds, number) for number in range(40)]
    await asyncio.gather(*keeping)
    assert len(found_in(tmp_path)) == 40


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own whose power can be cut."""
    with own_disk(tmp_path) as mount:
        yield mount


async def test_a_power_cut_in_the_middle_of_the_rounds_loses_no_promise(disk: Path) -> None:
    promised: list[int] = []
    numbers = iter(range(10_000))

    async def add(rounds: Rounds) -> None:
        for number in numbers:
            try:
                await kept(rounds, number)
            except StorageError:
                return
            promised.append(number)

    async with rounds_of(Spool(directory=disk / "spool")) as rounds:
        adding = [asyncio.create_task(add(rounds)) for _ in range(8)]
        await until(lambda: len(promised) >= 100, "a hundred promises")
        await asyncio.to_thread(cut_power, disk)
        await asyncio.gather(*adding)
    mounted_again(disk)
    found = Spool(directory=disk / "spool").open()
    assert found.damaged == []
    assert {record_of(number).ticket for number in promised} <= {record.ticket for record in found.records}
    for record in found.records:
        assert (disk / "spool" / record.content_name).stat().st_size == record.picture.size_bytes
