"""What the disk has no room for, has lost, or does not let go."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from edge_agent.errors import StorageError
from edge_agent.snapshots.upload.spool import Spool
from tests.clocks import ManualClock, settled
from tests.snapshots.pictures import content_of, picture_of
from tests.snapshots.upload.support import Owner, until, uploaded, url_of
from tests.upload_server import Fault, UploadServer


async def test_a_full_spool_refuses_the_new_and_keeps_the_old(server: UploadServer, tmp_path: Path) -> None:
    async with Owner(tmp_path / "spool", url="http://127.0.0.1:9/{id}", limit_mb=1) as owner:
        results = await asyncio.gather(
            *(owner.add(number, size_bytes=300_000) for number in range(5)), return_exceptions=True
        )
        refused = [result for result in results if isinstance(result, StorageError)]
        assert len(refused) == 2
        assert all(error.code == "spool_full" for error in refused)
        assert "900000 of 1000000 bytes (upload.limit_mb)" in refused[0].message
        assert owner.problem_codes() >= {"upload_spool_full"}
        assert owner.status.bytes == 900_000
    async with Owner(tmp_path / "spool", url=url_of(server), limit_mb=1) as owner:
        await owner.done(3)
        await owner.add(7)
        await owner.done(4)
        assert "upload_spool_full" not in owner.problem_codes()


async def test_a_disk_with_too_little_left_refuses_the_new(tmp_path: Path) -> None:
    async with Owner(tmp_path / "spool", url="http://127.0.0.1:9/{id}", min_free_mb=10_000_000) as owner:
        with pytest.raises(StorageError, match=r"are to stay free \(upload\.min_free_mb\)") as caught:
            await owner.add(1)
        assert caught.value.code == "disk_full"
        assert "upload_spool_full" in owner.problem_codes()
        assert list((tmp_path / "spool").iterdir()) == []


async def test_a_spool_that_cannot_be_used_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("a file where the directory should be")
    async with Owner(tmp_path / "spool", url="http://127.0.0.1:9/{id}") as owner:
        assert owner.status.state == "failed"
        assert owner.problem_codes() == {"upload_spool_unusable"}
        with pytest.raises(StorageError, match="takes nothing: cannot read uploads") as caught:
            await owner.add(1)
        assert caught.value.code == "spool_unusable"


async def test_damaged_uploads_are_told_and_the_rest_goes(server: UploadServer, tmp_path: Path) -> None:
    async with Owner(tmp_path / "spool", url="http://127.0.0.1:9/{id}") as owner:
        tickets = [await owner.add(number) for number in range(3)]
    (tmp_path / "spool" / f"{tickets[0]}.json").write_bytes(b"rubbish")
    # Found only when it is read to be sent: its length is right.
    (tmp_path / "spool" / f"{tickets[1]}.jpg").write_bytes(content_of(77))
    async with Owner(tmp_path / "spool", url=url_of(server)) as owner:
        await owner.done(1)
        await until(lambda: len(owner.events("damaged")) == 2, "both")
        assert {event["ticket"] for event in owner.events("damaged")} == set(tickets[:2])
        assert owner.problem_codes() == {"upload_damaged"}
        status = owner.status
        assert (status.damaged, status.waiting, status.bytes) == (2, 0, 0)
    assert [seen.path for seen in server.uploads()] == [f"/porch/{picture_of(2).file_name}"]
    assert len(list((tmp_path / "spool" / "damaged").iterdir())) == 4


async def test_what_has_waited_is_compared_with_what_was_taken(server: UploadServer, tmp_path: Path) -> None:
    clock = ManualClock()
    server.faults += [Fault(status=429, headers={"Retry-After": "120"})]
    async with Owner(tmp_path / "spool", clock=clock, url=url_of(server)) as owner:
        await owner.add(1)
        await until(lambda: owner.status.state == "backing_off", "a refusal")
        # Not tried once; the disk damages one, and leaves its length.
        tickets = [await owner.add(number) for number in (2, 3)]
        (tmp_path / "spool" / f"{tickets[0]}.jpg").write_bytes(content_of(77))
        await uploaded(owner, clock, 2)
        await until(lambda: owner.events("damaged"), "the damaged one")
        assert [event["ticket"] for event in owner.events("damaged")] == tickets[:1]
    assert sorted(server.stored) == [f"/porch/{picture_of(number).file_name}" for number in (1, 3)]


async def test_what_the_disk_does_not_let_go_is_not_sent_again(
    server: UploadServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = ManualClock()
    kept = Spool.remove

    def refuse(*_: Any) -> None:
        raise StorageError("cannot clear uploads: Read-only file system")

    monkeypatch.setattr(Spool, "remove", refuse)
    async with Owner(tmp_path / "spool", clock=clock, url=url_of(server)) as owner:
        await owner.add(1)
        await until(lambda: "upload_spool_unusable" in owner.problem_codes(), "the trouble")
        for _ in range(3):
            clock.advance(20)
            await settled()
        assert owner.events("done") == []
        assert owner.status.bytes == 3000
        monkeypatch.setattr(Spool, "remove", kept)
        await uploaded(owner, clock, 1)
        assert owner.raised("upload_spool_unusable") == ["raised", "solved"]
        assert len(server.uploads()) == 1
