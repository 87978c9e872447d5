"""What a server refuses, or takes only later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edge_agent.errors import RefusedError
from tests.clocks import ManualClock, settled
from tests.snapshots.pictures import picture_of
from tests.snapshots.upload.support import Owner, until, uploaded, url_of
from tests.upload_server import Fault, UploadServer


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 501])
async def test_what_is_refused_is_parked_and_told_and_holds_up_nobody(
    server: UploadServer, tmp_path: Path, status: int
) -> None:
    server.faults += [Fault(status=status)]
    async with Owner(tmp_path / "spool", url=url_of(server), concurrency=1) as owner:
        ticket = await owner.add(1)
        await owner.add(2)
        event = await owner.parked()
        assert (event["ticket"], event["code"], event["http_status"]) == (ticket, "refused", status)
        assert str(status) in event["message"]
        await owner.done(1)
        status_now = owner.status
        assert (status_now.parked, status_now.waiting, status_now.bytes) == (1, 0, 3000)
        assert status_now.last_error.code == "refused"
        assert owner.problem_codes() == {"upload_parked"}


async def test_parked_ones_stay_parked_over_a_restart_until_somebody_says_so(
    server: UploadServer, tmp_path: Path
) -> None:
    server.faults += [Fault(status=403)] * 3
    async with Owner(tmp_path / "spool", url=url_of(server)) as owner:
        tickets = [await owner.add(number) for number in range(3)]
        await owner.parked(3)
    async with Owner(tmp_path / "spool", url=url_of(server)) as owner:
        assert owner.status.parked == 3
        assert owner.problem_codes() == {"upload_parked"}
        await owner.uploads.drop(tickets[0])
        assert await owner.uploads.retry(tickets[1]) == 1
        await owner.done(1)
        # To add a picture again is to want it sent.
        assert await owner.add(2) == tickets[2]
        await owner.done(2)
        assert owner.status.parked == 0
        assert owner.problem_codes() == set()
        assert await owner.uploads.retry() == 0
    assert list((tmp_path / "spool").iterdir()) == []
    assert len(server.stored) == 2


async def test_only_parked_ones_are_retried_or_dropped(tmp_path: Path) -> None:
    async with Owner(tmp_path / "spool", url="http://127.0.0.1:9/{id}") as owner:
        ticket = await owner.add(1)
        for name, why in ((ticket, "is not parked"), ("../x", "is not known")):
            with pytest.raises(RefusedError, match=why):
                await owner.uploads.drop(name)
            with pytest.raises(RefusedError, match=why):
                await owner.uploads.retry(name)


async def test_so_many_failures_are_enough_where_the_owner_says_so(
    server: UploadServer, tmp_path: Path
) -> None:
    server.faults += [Fault(status=500)] * 10
    async with Owner(tmp_path / "spool", url=url_of(server), max_attempts=3) as owner:
        await owner.add(1)
        event = await owner.parked()
        assert event["code"] == "gave_up"
        assert "after 3 attempts" in event["message"]
        assert len(server.uploads()) == 3


async def test_a_picture_that_the_server_never_takes_holds_up_nobody(tmp_path: Path) -> None:
    poisoned = f"/porch/{picture_of(0).file_name}"
    with UploadServer() as server:
        async with Owner(tmp_path / "spool", url="http://127.0.0.1:9/{id}") as owner:
            for number in range(6):
                await owner.add(number)
        server.poisoned = poisoned
        async with Owner(tmp_path / "spool", url=url_of(server), concurrency=1) as owner:
            await owner.done(5)
            assert owner.status.waiting + owner.status.uploading == 1
        assert poisoned not in server.stored


async def test_an_hour_without_a_server(tmp_path: Path) -> None:
    clock = ManualClock()
    with UploadServer() as server:
        url, port = url_of(server), server.port
    async with Owner(tmp_path / "spool", clock=clock, url=url, retry_base_s=2, retry_cap_s=300) as owner:
        for number in range(20):
            await owner.add(number)
        for _ in range(3600 // 5):
            await until(lambda: owner.status.uploading == 0, "an end of the attempt")
            clock.advance(5)
            await settled()
        await until(lambda: owner.status.uploading == 0, "an end of the attempt")
        assert owner.raised("upload_failing") == ["raised"]
        assert owner.status.waiting == 20
        assert (owner.status.state, owner.status.parked) == ("backing_off", 0)
        with UploadServer(port=port) as server:
            await uploaded(owner, clock, 20)
            assert len(server.stored) == 20
            assert set(server.stores.values()) == {1}
        assert owner.raised("upload_failing") == ["raised", "solved"]
        assert owner.status.last_success is not None


async def test_an_hour_with_a_server_that_is_not_well(tmp_path: Path) -> None:
    clock = ManualClock()
    ill = True
    with UploadServer(fault=lambda: Fault(status=503) if ill else None) as server:
        config: dict[str, Any] = {"retry_base_s": 2, "retry_cap_s": 300, "concurrency": 4}
        async with Owner(tmp_path / "spool", clock=clock, url=url_of(server), **config) as owner:
            for number in range(20):
                await owner.add(number)
            for _ in range(3600 // 5):
                await until(lambda: owner.status.uploading == 0, "an end of the attempt")
                clock.advance(5)
                await settled()
            # Not each picture for itself: all of them together wait for one server.
            assert 10 <= len(server.uploads()) <= 80
            assert owner.raised("upload_failing") == ["raised"]
            ill = False
            await uploaded(owner, clock, 20)
            assert set(server.stores.values()) == {1}
            assert len(server.stored) == 20
            assert owner.raised("upload_failing") == ["raised", "solved"]


async def test_retry_after_is_waited(server: UploadServer, tmp_path: Path) -> None:
    clock = ManualClock()
    server.faults += [Fault(status=429, headers={"Retry-After": "120"})]
    async with Owner(tmp_path / "spool", clock=clock, url=url_of(server)) as owner:
        await owner.add(1)
        await until(lambda: owner.status.state == "backing_off", "a refusal")
        await owner.add(2)
        for _ in range(11):
            clock.advance(10)
            await settled()
        assert len(server.uploads()) == 1
        await uploaded(owner, clock, 2)
