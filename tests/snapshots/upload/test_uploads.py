"""Pictures on their way to a server, and how they get there."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from edge_agent.errors import RefusedError
from edge_agent.snapshots.upload.record import ticket_of
from tests.snapshots.pictures import content_of, picture_of
from tests.snapshots.upload.support import Owner, until, url_of
from tests.upload_server import Fault, UploadServer


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


async def test_a_header_of_the_owner_comes_in_place_of_the_agent_s(
    server: UploadServer, tmp_path: Path
) -> None:
    headers = {"content-type": "application/x-porch", "ACCEPT": "x/y", "X-Checksum": "none"}
    async with Owner(tmp_path / "spool", url=url_of(server), headers=headers) as owner:
        await owner.add(1)
        await owner.done(1)
    [seen] = server.seen
    assert seen.headers.items() >= {(name.lower(), value) for name, value in headers.items()}
    assert len(seen.names) == len(set(seen.names))


async def test_what_is_added_is_on_disk_and_in_status(tmp_path: Path) -> None:
    async with Owner(
        tmp_path / "spool", url="http://127.0.0.1:9/{id}", retry_base_s=60, retry_cap_s=60
    ) as owner:
        tickets = [await owner.add(number) for number in (2, 1)]
        names = {file.name for file in (tmp_path / "spool").iterdir()}
        assert names == {f"{ticket}.{kind}" for ticket in tickets for kind in ("jpg", "json")}
        # Both may have been on their way when the first one failed.
        await until(lambda: owner.status.last_error and not owner.status.uploading, "an error")
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


async def test_what_hangs_holds_up_nothing_that_may_go_later(server: UploadServer, tmp_path: Path) -> None:
    with UploadServer() as other:
        other.faults += [Fault(status=503, headers={"Retry-After": "1"})]
        server.faults += [Fault(pause_s=60)]
        config: dict[str, Any] = {"allow": [other.url], "allow_private": True, "concurrency": 2}
        async with Owner(tmp_path / "spool", url=url_of(server), **config) as owner:
            await owner.add(1, url=f"{other.url}/x")
            await until(lambda: owner.status.last_error, "a refusal")
            await owner.add(2)
            await owner.done(1)
            assert owner.status.uploading == 1
            assert other.stored == {"/x": content_of(1)}


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
