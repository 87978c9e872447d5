from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_agent.errors import RefusedError, StorageError
from edge_agent.snapshots.upload.record import ticket_of
from edge_agent.snapshots.upload.spool import Spool
from tests.clocks import ManualClock, settled
from tests.snapshots.pictures import content_of, picture_of
from tests.snapshots.upload.support import Owner, until
from tests.upload_server import Fault, UploadServer


@pytest.fixture
def server() -> Iterator[UploadServer]:
    with UploadServer() as running:
        yield running


def url_of(server: UploadServer) -> str:
    return f"{server.url}/{{node}}/{{file_name}}"


async def uploaded(owner: Owner, clock: ManualClock, count: int) -> None:
    """Let time pass until so many are uploaded."""

    def are_uploaded() -> bool:
        clock.advance(1)
        return bool(owner.status.uploaded == count)

    await until(are_uploaded, f"{count} uploads; {owner.status}", timeout_s=30)


async def test_a_picture_comes_with_all_that_is_said_of_it(server: UploadServer, tmp_path: Path) -> None:
    async with Owner(tmp_path / "spool", url=url_of(server)) as owner:
        assert owner.uploads.configured
        ticket = await owner.add(1)
        await owner.done(1)
        [seen] = server.seen
        picture = picture_of(1)
        assert seen.method == "PUT"
        assert seen.path == f"/porch/{picture.file_name}"
        assert seen.body == content_of(1)
        assert seen.headers["content-type"] == "image/jpeg"
        assert seen.headers["idempotency-key"] == f"{picture.id}-{picture.sha256[:16]}"
        assert seen.headers["x-checksum-sha256"] == picture.sha256
        assert seen.headers["content-digest"].startswith("sha-256=:")
        [event] = owner.events()
        assert (event["event_type"], event["ticket"], event["id"]) == ("done", ticket, picture.id)
        status = owner.status
        assert (status.state, status.waiting, status.bytes, status.uploaded) == ("idle", 0, 0, 1)
        assert status.last_success is not None
        assert list((tmp_path / "spool").iterdir()) == []


async def test_what_is_added_is_on_disk_and_in_status(tmp_path: Path) -> None:
    async with Owner(
        tmp_path / "spool", url="http://127.0.0.1:9/{id}", retry_base_s=60, retry_cap_s=60
    ) as owner:
        tickets = [await owner.add(number) for number in (2, 1)]
        names = {file.name for file in (tmp_path / "spool").iterdir()}
        assert names == {f"{ticket}.{kind}" for ticket in tickets for kind in ("jpg", "json")}
        await until(lambda: owner.status.last_error, "an error")
        status = owner.status
        assert (status.state, status.waiting, status.uploading) == ("backing_off", 2, 0)
        assert status.bytes == 6000
        assert status.oldest == picture_of(1).time
        assert status.last_error.code == "unreachable"
        assert "cannot be reached: Connection refused" in (status.reason or "")


async def test_a_restart_goes_on_and_asks_first(server: UploadServer, tmp_path: Path) -> None:
    async with Owner(tmp_path / "spool", url="http://127.0.0.1:9/{id}") as owner:
        for number in (1, 2):
            await owner.add(number)
    # Of the last run the server has one: it was killed between the answer and the note of it.
    server.stored[f"/porch/{picture_of(1).file_name}"] = content_of(1)
    async with Owner(tmp_path / "spool", url=url_of(server)) as owner:
        await owner.done(2)
        assert sorted(event["found"] for event in owner.events("done")) == [False, True]
    assert [seen.path for seen in server.uploads()] == [f"/porch/{picture_of(2).file_name}"]


async def test_the_same_picture_to_the_same_place_is_one_upload(tmp_path: Path) -> None:
    async with Owner(tmp_path / "spool", url="http://127.0.0.1:9/{id}") as owner:
        tickets = await asyncio.gather(*(owner.add(1) for _ in range(5)))
        assert len({*tickets, await owner.add(1)}) == 1
        assert owner.status.waiting + owner.status.uploading == 1


@pytest.mark.parametrize("order", ["oldest", "newest"])
async def test_the_order_is_the_owner_s(server: UploadServer, tmp_path: Path, order: str) -> None:
    async with Owner(tmp_path / "spool", url="http://127.0.0.1:9/{id}") as owner:
        for number in (2, 1, 3):
            await owner.add(number)
    async with Owner(tmp_path / "spool", url=url_of(server), order=order, concurrency=1) as owner:
        await owner.done(3)
    wanted = [f"/porch/{picture_of(number).file_name}" for number in (1, 2, 3)]
    assert [seen.path for seen in server.uploads()] == (wanted if order == "oldest" else wanted[::-1])


async def test_so_many_go_at_once_as_are_allowed(server: UploadServer, tmp_path: Path) -> None:
    server.faults += [Fault(pause_s=0.2)] * 8
    most = 0
    async with Owner(tmp_path / "spool", url=url_of(server), concurrency=3) as owner:
        for number in range(8):
            await owner.add(number)
        while owner.status.uploaded < 8:
            most = max(most, owner.status.uploading)
            await asyncio.sleep(0.01)
    assert most == 3
    assert server.connections == 3


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=500),
        Fault(status=503, headers={"Retry-After": "0"}),
        Fault(status=429),
        Fault(status=408),
        Fault(drop="before"),
    ],
)
async def test_what_may_work_later_is_tried_again(server: UploadServer, tmp_path: Path, fault: Fault) -> None:
    server.faults += [fault, fault]
    async with Owner(tmp_path / "spool", url=url_of(server)) as owner:
        await owner.add(1)
        await owner.done(1)
        assert owner.events("done")[0]["attempts"] == 3
    assert [seen.method for seen in server.uploads()] == ["PUT"] * 3
    assert len({seen.headers["idempotency-key"] for seen in server.uploads()}) == 1


async def test_a_server_that_took_it_and_did_not_say_so_is_asked(
    server: UploadServer, tmp_path: Path
) -> None:
    server.faults += [Fault(drop="after"), Fault(status=500, drop="after")]
    async with Owner(tmp_path / "spool", url=url_of(server)) as owner:
        await owner.add(1)
        await owner.done(1)
        assert owner.events("done")[0]["found"]
    assert server.methods() == ["PUT", "HEAD"]
    assert list(server.stores.values()) == [1]


@pytest.mark.parametrize(
    ("head", "wanted"),
    [("length", ["PUT", "HEAD"]), ("checksum", ["PUT", "HEAD"]), ("none", ["PUT", "HEAD", "PUT"])],
)
async def test_a_server_may_tell_lengths_or_checksums_or_nothing(
    tmp_path: Path, head: Any, wanted: list[str]
) -> None:
    with UploadServer(head=head) as server:
        server.faults += [Fault(drop="after")]
        async with Owner(tmp_path / "spool", url=url_of(server)) as owner:
            await owner.add(1)
            await owner.done(1)
        assert server.methods() == wanted
        assert list(server.stores.values()) == [1]


async def test_a_post_is_sent_again_under_the_same_key(server: UploadServer, tmp_path: Path) -> None:
    server.faults += [Fault(drop="after"), Fault(status=409)]
    config: dict[str, Any] = {
        "url": f"{server.url}/in",
        "method": "POST",
        "idempotency_header": "Idempotency-Key",
    }
    async with Owner(tmp_path / "spool", **config) as owner:
        await owner.add(1)
        await owner.done(1)
    assert server.methods() == ["POST"] * 3
    assert list(server.stores.values()) == [1]


async def test_multipart(server: UploadServer, tmp_path: Path) -> None:
    config: dict[str, Any] = {
        "url": f"{server.url}/in",
        "method": "POST",
        "body": "multipart",
        "field": "photo",
    }
    async with Owner(tmp_path / "spool", **config) as owner:
        await owner.add(1)
        await owner.done(1)
    [seen] = server.seen
    boundary = seen.headers["content-type"].partition("boundary=")[2].encode()
    head, _, rest = seen.body.partition(b"\r\n\r\n")
    assert b'name="photo"; filename="20261121T000001000Z-0002.jpg"' in head
    assert rest == content_of(1) + b"\r\n--" + boundary + b"--\r\n"
    assert "content-digest" not in seen.headers


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


async def test_off_without_a_url(tmp_path: Path) -> None:
    async with Owner(tmp_path / "spool") as owner:
        assert not owner.uploads.configured
        assert owner.status.state == "off"
        with pytest.raises(RefusedError, match=r"set upload\.url"):
            await owner.add(1)


async def test_a_picture_of_another_size_than_said_is_refused(tmp_path: Path) -> None:
    async with Owner(tmp_path / "spool", url="http://127.0.0.1:9/{id}") as owner:
        with pytest.raises(RefusedError, match="3000 bytes, which it has not"):
            await owner.uploads.add(picture_of(1), b"short")
        assert owner.status.waiting == 0


async def test_a_file_of_the_store_is_sent_although_the_store_deletes_it(
    server: UploadServer, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    store.mkdir()
    original = store / "a.jpg"
    original.write_bytes(content_of(1))
    async with Owner(tmp_path / "spool", store=store, url="http://127.0.0.1:9/{id}") as owner:
        await owner.uploads.add(picture_of(1), original)
        original.unlink()
    async with Owner(tmp_path / "spool", url=url_of(server)) as owner:
        await owner.done(1)
    assert list(server.stored.values()) == [content_of(1)]


async def test_a_caller_who_leaves_loses_nothing(server: UploadServer, tmp_path: Path) -> None:
    async with Owner(tmp_path / "spool", url=url_of(server)) as owner:
        caller = asyncio.create_task(owner.add(1))
        await asyncio.sleep(0)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        await owner.done(1)


async def test_a_new_url_holds_for_what_waits(server: UploadServer, tmp_path: Path) -> None:
    async with Owner(tmp_path / "spool", url="http://127.0.0.1:9/old/{id}") as owner:
        ticket = await owner.add(1)
        assert ticket == ticket_of(picture_of(1), None)
    async with Owner(tmp_path / "spool", url=f"{server.url}/new/{{id}}") as owner:
        await owner.done(1)
    assert list(server.stored) == [f"/new/{picture_of(1).id}"]


@pytest.mark.parametrize("status", [409, 404, 500])
async def test_webdav_makes_the_folders_that_are_missing(tmp_path: Path, status: int) -> None:
    with UploadServer(webdav=True) as server:
        server.no_folder_status = status
        server.folders.add("/dav")
        url = f"{server.url}/dav/{{node}}/{{date:%Y/%m}}/{{file_name}}"
        async with Owner(tmp_path / "spool", url=url, method="WEBDAV", concurrency=4) as owner:
            await asyncio.gather(*(owner.add(number) for number in range(4)))
            await owner.done(4)
            assert owner.status.parked == 0
            await owner.add(4)
            await owner.done(5)
        assert server.folders == {"/", "/dav", "/dav/porch", "/dav/porch/2026", "/dav/porch/2026/11"}
        assert server.methods()[-1] == "PUT"
        assert len(server.stored) == 5


async def test_what_stands_in_the_way_of_a_folder_is_told(tmp_path: Path) -> None:
    with UploadServer(webdav=True) as server:
        server.folders.clear()
        async with Owner(tmp_path / "spool", url=f"{server.url}/a/b/{{id}}", method="WEBDAV") as owner:
            await owner.add(1)
            event = await owner.parked()
            assert event["http_status"] == 409


async def test_the_bandwidth_is_kept(server: UploadServer, tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    async with Owner(tmp_path / "spool", url=url_of(server), bandwidth_kbps=1600) as owner:
        begun = loop.time()
        for number in range(4):
            await owner.add(number, size_bytes=50_000)
        await owner.done(4)
        # 200 kB at 200 kB/s, less what may go at once after a rest and the last block of each.
        assert loop.time() - begun > 0.6


async def test_stopping_is_quick_and_breaks_off_what_hangs(server: UploadServer, tmp_path: Path) -> None:
    server.faults += [Fault(pause_s=60), Fault(body="trickle")]
    loop = asyncio.get_running_loop()
    async with Owner(tmp_path / "spool", url=url_of(server), concurrency=2) as owner:
        for number in range(2):
            await owner.add(number)
        await until(lambda: len(server.seen) == 2, "both on their way")
        begun = loop.time()
    assert loop.time() - begun < 4
    assert len(list((tmp_path / "spool").iterdir())) == 4


async def test_nothing_secret_is_told(tmp_path: Path) -> None:
    with UploadServer() as server:
        server.faults += [Fault(status=403), Fault(status=500)]
        url = f"{server.url}/{{id}}?X-Amz-Signature=hidden1"
        config: dict[str, Any] = {"auth": "bearer", "token": "hidden2", "headers": {"X-Api": "hidden3"}}
        async with Owner(tmp_path / "spool", url=url, **config) as owner:
            await owner.add(1)
            await owner.parked()
            await owner.uploads.retry()
            await owner.done(1)
            told = [message.payload.decode() for message in owner.sent]
            assert "hidden" not in json.dumps([owner.status.model_dump(), told])
            assert owner.status.url == f"{server.url}/{{id}}?***"
        assert server.seen[0].headers["authorization"] == "Bearer hidden2"
        assert server.seen[0].headers["x-api"] == "hidden3"
        assert server.seen[0].path.endswith("?X-Amz-Signature=hidden1")
