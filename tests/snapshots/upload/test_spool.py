from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.errors import RefusedError, StorageError
from edge_agent.snapshots.upload.record import Parked, Record, ticket_of
from edge_agent.snapshots.upload.spool import Spool
from tests.snapshots.pictures import content_of, picture_of
from tests.snapshots.upload.disks import cut_power, mounted_again, own_disk


def record_of(number: int, url: str | None = None) -> Record:
    picture = picture_of(number)
    return Record(ticket=ticket_of(picture, url), picture=picture, url=url, added="2026-11-21T00:00:00.000Z")


def written(directory: Path, *numbers: int) -> Spool:
    spool = Spool(directory=directory)
    spool.open()
    for number in numbers:
        spool.write(record_of(number), content_of(number))
    spool.sync()
    return spool


def found_in(directory: Path) -> list[Record]:
    return Spool(directory=directory).open().records


def test_what_was_written_is_found_again_whole(tmp_path: Path) -> None:
    written(tmp_path / "a" / "spool", 1, 2)
    spool = Spool(directory=tmp_path / "a" / "spool")
    records = spool.open().records
    assert records == [record_of(1), record_of(2)]
    descriptor = spool.open_content(records[0])
    assert os.read(descriptor, 10_000) == content_of(1)
    os.close(descriptor)
    assert (tmp_path / "a" / "spool").stat().st_mode & 0o077 == 0
    assert all(file.stat().st_mode & 0o077 == 0 for file in (tmp_path / "a" / "spool").iterdir())


def test_what_was_removed_is_gone(tmp_path: Path) -> None:
    spool = written(tmp_path, 1, 2)
    spool.remove({record_of(1).ticket: record_of(1).content_name})
    assert found_in(tmp_path) == [record_of(2)]
    assert len(list(tmp_path.iterdir())) == 2


def test_that_it_is_parked_is_kept(tmp_path: Path) -> None:
    spool = written(tmp_path, 1)
    parked = Parked(code="refused", message="403", time="2026-11-21T00:00:00.000Z")
    spool.rewrite(record_of(1).model_copy(update={"parked": parked}))
    assert [record.parked for record in found_in(tmp_path)] == [parked]


def test_a_file_of_the_store_is_linked_and_outlives_its_deletion(tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    original = store / "a.jpg"
    original.write_bytes(content_of(1))
    spool = Spool(directory=tmp_path / "spool", store=store)
    spool.open()
    spool.write(record_of(1), original)
    kept = tmp_path / "spool" / record_of(1).content_name
    assert kept.stat().st_ino == original.stat().st_ino
    original.unlink()
    assert kept.read_bytes() == content_of(1)


def test_adding_again_never_writes_into_the_store_s_file(tmp_path: Path) -> None:
    original = tmp_path / "a.jpg"
    original.write_bytes(content_of(1))
    spool = written(tmp_path / "spool")
    spool.write(record_of(1), original)
    spool.write(record_of(1), content_of(1))
    kept = tmp_path / "spool" / record_of(1).content_name
    assert kept.stat().st_ino != original.stat().st_ino
    assert original.read_bytes() == kept.read_bytes() == content_of(1)


def test_from_another_file_system_it_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    original = tmp_path / "a.jpg"
    original.write_bytes(content_of(1))
    spool = written(tmp_path / "spool")
    monkeypatch.setattr(os, "link", refuse)
    spool.write(record_of(1), original)
    assert (tmp_path / "spool" / record_of(1).content_name).read_bytes() == content_of(1)
    assert found_in(tmp_path / "spool") == [record_of(1)]


@pytest.mark.parametrize("trick", ["outside", "climbing", "link", "directory", "size"])
def test_only_plain_files_of_the_store_are_taken(tmp_path: Path, trick: str) -> None:
    store = tmp_path / "store"
    store.mkdir()
    secret = tmp_path / "secret"
    secret.write_bytes(content_of(1))
    (store / "link.jpg").symlink_to(secret)
    (store / "directory").mkdir()
    (store / "size").write_bytes(b"short")
    source = {
        "outside": secret,
        "climbing": store / ".." / "secret",
        "link": store / "link.jpg",
        "directory": store / "directory",
        "size": store / "size",
    }[trick]
    spool = Spool(directory=tmp_path / "spool", store=store)
    spool.open()
    with pytest.raises(RefusedError):
        spool.write(record_of(1), source)
    assert spool.open().records == []


@pytest.mark.parametrize(
    "damage",
    ["empty", "cut", "bit", "binary", "swapped", "no picture", "short picture", "huge"],
)
def test_what_is_damaged_is_set_aside_and_blocks_nothing(tmp_path: Path, damage: str) -> None:
    written(tmp_path, 1, 2, 3)
    record = tmp_path / f"{record_of(2).ticket}.json"
    picture = tmp_path / record_of(2).content_name
    whole = record.read_bytes()
    if damage == "no picture":
        picture.unlink()
    elif damage == "short picture":
        picture.write_bytes(content_of(2)[:-1])
    elif damage == "swapped":
        record.write_bytes((tmp_path / f"{record_of(1).ticket}.json").read_bytes())
    else:
        record.write_bytes(
            {
                "empty": b"",
                "cut": whole[: len(whole) // 2],
                "bit": whole.replace(b"command", b"commane"),
                "binary": b"\x00\xff" * 50,
                "huge": b"x" * 10_000_000,
            }[damage]
        )
    found = Spool(directory=tmp_path).open()
    assert found.records == [record_of(1), record_of(3)]
    assert found.damaged == [record_of(2).ticket]
    assert found.aside == 1
    assert (tmp_path / "damaged" / record.name).exists()
    assert (tmp_path / "damaged" / picture.name).exists() is (damage != "no picture")
    again = Spool(directory=tmp_path).open()
    assert (again.records, again.damaged, again.aside) == (found.records, [], 1)


def test_what_a_kill_left_over_is_swept_and_what_is_foreign_stays(tmp_path: Path) -> None:
    written(tmp_path, 1)
    unpromised = record_of(2)
    (tmp_path / unpromised.content_name).write_bytes(b"half a pic")
    (tmp_path / f"{unpromised.ticket}.new").write_bytes(b"half a rec")
    (tmp_path / "README").write_text("mine")
    found = Spool(directory=tmp_path).open()
    assert (found.records, found.damaged) == ([record_of(1)], [])
    assert {file.name for file in tmp_path.iterdir()} == {
        "README",
        record_of(1).content_name,
        f"{record_of(1).ticket}.json",
    }


def test_no_ticket_leads_out_of_the_spool(tmp_path: Path) -> None:
    with pytest.raises(StorageError) as caught:
        written(tmp_path).read("../../etc/passwd")
    assert caught.value.code == "record_damaged"


def test_a_disk_that_is_away_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no directory")
    with pytest.raises(StorageError, match="cannot read uploads in"):
        Spool(directory=tmp_path / "file").open()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own whose power can be cut."""
    with own_disk(tmp_path) as mount:
        yield mount


def test_what_was_promised_outlives_a_power_cut_and_what_was_removed_does_not(disk: Path) -> None:
    store = disk / "store"
    store.mkdir()
    (store / "a.jpg").write_bytes(content_of(3))
    spool = written(disk / "state" / "spool", 1, 2)
    spool.write(record_of(3), store / "a.jpg")
    spool.sync()
    spool.remove({record_of(1).ticket: record_of(1).content_name})
    # Never promised: nobody waited for the disk.
    (disk / "state" / "spool" / record_of(4).content_name).write_bytes(content_of(4))
    cut_power(disk)
    mounted_again(disk)
    found = Spool(directory=disk / "state" / "spool").open()
    assert (found.records, found.damaged) == ([record_of(2), record_of(3)], [])
    for number in (2, 3):
        kept = disk / "state" / "spool" / record_of(number).content_name
        assert kept.read_bytes() == content_of(number)
    assert len(list((disk / "state" / "spool").iterdir())) == 4


def test_a_power_cut_at_any_moment_of_adding_loses_no_promise_and_reports_no_damage(disk: Path) -> None:
    promised: list[int] = []
    stop = threading.Event()

    def add(spool: Spool, first: int) -> None:
        number = first
        try:
            while not stop.is_set():
                spool.write(record_of(number), content_of(number))
                spool.sync()
                promised.append(number)
                number += 4
        except StorageError:
            pass

    spool = written(disk / "spool")
    threads = [threading.Thread(target=add, args=(spool, first)) for first in range(4)]
    for thread in threads:
        thread.start()
    while len(promised) < 25:
        os.sched_yield()
    cut_power(disk)
    stop.set()
    for thread in threads:
        thread.join(10)
    at_the_cut = list(promised)
    mounted_again(disk)
    found = Spool(directory=disk / "spool").open()
    assert found.damaged == []
    assert {record_of(number).ticket for number in at_the_cut} <= {r.ticket for r in found.records}
