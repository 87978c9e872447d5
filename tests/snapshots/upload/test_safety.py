"""What a hostile command, server or name server may not do."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edge_agent.errors import RefusedError
from tests.clocks import settled
from tests.snapshots.pictures import content_of, picture_of
from tests.snapshots.upload.support import Owner, until
from tests.upload_server import Fault, UploadServer


@pytest.fixture
def server() -> Iterator[UploadServer]:
    with UploadServer() as running:
        yield running


@pytest.fixture
def inside() -> Iterator[UploadServer]:
    """Another server, which nobody has allowed."""
    with UploadServer() as running:
        yield running


def resolving(monkeypatch: pytest.MonkeyPatch, **names: list[str]) -> list[str]:
    """Answer for some names, with another address each time they are asked; return what was asked."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def answer(host: str, port: Any, *args: Any, **kwargs: Any) -> Any:
        asked.append(host)
        addresses = names.get(host.replace(".", "_"))
        if addresses is None:
            return real(host, port, *args, **kwargs)
        address = addresses.pop(0) if len(addresses) > 1 else addresses[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return asked


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://127.0.0.1:1/../x", "invalid_url"),
        ("http://bucket.example/a/%2e%2e/x", "invalid_url"),
        ("http://elsewhere.example/x", "upload_not_allowed"),
        ("http://bucket.example.evil.example/a/x", "upload_not_allowed"),
        ("http://bucket.example@evil.example/a/x", "invalid_url"),
        ("http://127.0.0.1:{port}/x", "address_not_allowed"),
        ("http://localhost:{port}/x", "address_not_allowed"),
        ("file:///etc/passwd", "invalid_url"),
    ],
)
async def test_a_command_s_url_is_refused_before_anything_is_kept(
    server: UploadServer, tmp_path: Path, url: str, code: str
) -> None:
    allow = ["http://bucket.example/a", f"http://127.0.0.1:{server.port}", f"http://localhost:{server.port}"]
    async with Owner(tmp_path / "spool", allow=allow) as owner:
        with pytest.raises(RefusedError) as caught:
            await owner.add(1, url=url.format(port=server.port))
        assert caught.value.code == code
    assert (list((tmp_path / "spool").iterdir()), server.seen) == ([], [])


async def test_an_allowed_presigned_url_gets_the_picture_and_no_credentials(
    server: UploadServer, inside: UploadServer, tmp_path: Path
) -> None:
    config: dict[str, Any] = {
        "url": f"{server.url}/{{id}}",
        "auth": "basic",
        "username": "porch",
        "password": "hidden1",
        "headers": {"X-Api": "hidden2"},
        "allow": [inside.url],
        "allow_private": True,
    }
    async with Owner(tmp_path / "spool", **config) as owner:
        await owner.add(1, url=f"{inside.url}/bucket/key?X-Amz-Signature=hidden3")
        await owner.add(2)
        await owner.done(2)
        assert "hidden" not in "".join(message.payload.decode() for message in owner.sent)
    assert server.seen[0].headers["authorization"].startswith("Basic ")
    [seen] = inside.seen
    assert seen.body == content_of(1)
    assert seen.path == "/bucket/key?X-Amz-Signature=hidden3"
    assert not {"authorization", "x-api", "cookie"} & set(seen.headers)


async def test_a_name_that_leads_inside_is_parked_and_nothing_is_sent(
    server: UploadServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolving(monkeypatch, bucket_example=["127.0.0.1"])
    url = f"http://bucket.example:{server.port}/x"
    async with Owner(tmp_path / "spool", allow=[f"http://bucket.example:{server.port}"]) as owner:
        await owner.add(1, url=url)
        event = await owner.parked()
        assert event["code"] == "address_not_allowed"
        assert "set upload.allow_private" in event["message"]
    assert (server.seen, server.connections) == ([], 0)


async def test_a_name_server_that_answers_otherwise_the_second_time_changes_nothing(
    server: UploadServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The first answer is a public address, of a network for documentation that nobody routes.
    asked = resolving(monkeypatch, bucket_example=["203.0.113.1", "127.0.0.1"])
    monkeypatch.setattr(
        "edge_agent.snapshots.upload.dialer.is_public", lambda address: address != "127.0.0.1"
    )
    allow = [f"http://bucket.example:{server.port}"]
    dialled: list[str] = []
    real = socket.socket.connect

    def connect(this: socket.socket, address: Any) -> None:
        dialled.append(address[0])
        if address[0] == "203.0.113.1":
            raise ConnectionRefusedError(111, "Connection refused")
        real(this, address)

    monkeypatch.setattr(socket.socket, "connect", connect)
    async with Owner(tmp_path / "spool", allow=allow) as owner:
        await owner.add(1, url=f"http://bucket.example:{server.port}/x")
        event = await owner.parked()
        assert event["code"] == "address_not_allowed"
    assert asked.count("bucket.example") == 2
    assert set(dialled) - {"127.0.0.1"} == {"203.0.113.1"}
    assert (server.seen, server.connections) == ([], 0)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirection_to_elsewhere_is_not_followed(
    server: UploadServer, inside: UploadServer, tmp_path: Path, status: int
) -> None:
    server.faults += [Fault(status=status, headers={"Location": f"{inside.url}/stolen"})]
    config: dict[str, Any] = {"auth": "bearer", "token": "hidden"}
    async with Owner(tmp_path / "spool", url=f"{server.url}/{{id}}", **config) as owner:
        await owner.add(1)
        event = await owner.parked()
        assert event["code"] == "redirected"
    assert (inside.seen, inside.connections) == ([], 0)


@pytest.mark.parametrize(
    "location",
    [
        "https://127.0.0.1:{port}/x",
        "http://localhost:{port}/x",
        "//127.0.0.1:1/x",
        "http://user@127.0.0.1:{port}/x",
        "/a/../../x%2f",
        "http://[",
        "",
        "\u00e9\u00e9",
    ],
)
async def test_a_redirection_that_is_no_plain_place_on_the_same_server_is_not_followed(
    server: UploadServer, tmp_path: Path, location: str
) -> None:
    headers = {"Location": location.format(port=server.port)}
    server.faults += [Fault(status=307, headers=headers)] * 5
    async with Owner(tmp_path / "spool", url=f"{server.url}/in/{{id}}") as owner:
        await owner.add(1)
        assert (await owner.parked())["code"] == "redirected"
    assert len({seen.path for seen in server.seen} - {"/x%2f"}) <= 1


async def test_a_redirection_on_the_same_server_is_followed_a_few_times(
    server: UploadServer, tmp_path: Path
) -> None:
    server.faults += [
        Fault(status=307, headers={"Location": f"{server.url}/second"}),
        Fault(status=308, headers={"Location": "/third"}),
    ]
    async with Owner(tmp_path / "spool", url=f"{server.url}/{{id}}") as owner:
        await owner.add(1)
        await owner.done(1)
        assert server.stored == {"/third": content_of(1)}
        assert [seen.body for seen in server.seen] == [content_of(1)] * 3
        server.faults += [Fault(status=307, headers={"Location": "/round"})] * 10
        await owner.add(2)
        assert (await owner.parked())["code"] == "redirected"
        assert len(server.seen) == 3 + 4


async def test_a_redirection_out_of_what_is_allowed_is_not_followed(
    server: UploadServer, tmp_path: Path
) -> None:
    server.faults += [Fault(status=307, headers={"Location": "/private/x"})]
    config: dict[str, Any] = {"allow": [f"{server.url}/public"], "allow_private": True}
    async with Owner(tmp_path / "spool", **config) as owner:
        await owner.add(1, url=f"{server.url}/public/x")
        assert (await owner.parked())["code"] == "redirected"
    assert [seen.path for seen in server.seen] == ["/public/x"]


async def test_an_answer_of_ten_gigabytes_is_read_no_further_than_its_beginning(
    server: UploadServer, tmp_path: Path
) -> None:
    server.faults += [Fault(status=201, body="endless"), Fault(status=500, body="endless")]
    async with Owner(tmp_path / "spool", url=f"{server.url}/{{id}}", concurrency=1) as owner:
        for number in (1, 2):
            await owner.add(number)
        await owner.done(2)
    # What the kernels on both sides hold, not more.
    assert server.sent_bytes < 20_000_000


async def test_a_server_that_trickles_is_left(server: UploadServer, tmp_path: Path) -> None:
    server.faults += [Fault(status=201, body="trickle")]
    timeout_s = {"connect": 0.2, "read": 0.3}
    async with Owner(tmp_path / "spool", url=f"{server.url}/{{id}}", timeout_s=timeout_s) as owner:
        await owner.add(1)
        await owner.done(1)
        assert owner.status.last_error.code == "timeout"
        assert owner.events("done")[0]["found"]


async def test_a_server_that_reads_slowly_gets_its_picture(server: UploadServer, tmp_path: Path) -> None:
    # Longer than the time limit in all, as slow lines are, but each block gets on.
    server.faults += [Fault(read_pause_s=0.02)]
    timeout_s = {"connect": 0.5, "read": 0.5}
    async with Owner(tmp_path / "spool", url=f"{server.url}/{{id}}", timeout_s=timeout_s) as owner:
        await owner.add(1, size_bytes=4_000_000)
        await owner.done(1)
        assert owner.events("done")[0]["attempts"] == 1


async def test_a_server_that_does_not_answer_is_left(server: UploadServer, tmp_path: Path) -> None:
    server.faults += [Fault(pause_s=60)]
    timeout_s = {"connect": 0.2, "read": 0.3}
    async with Owner(tmp_path / "spool", url=f"{server.url}/{{id}}", timeout_s=timeout_s) as owner:
        await owner.add(1)
        await owner.done(1)
        assert owner.status.last_error.code == "timeout"


@pytest.mark.parametrize(
    "answer",
    [
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 999999 What\r\n\r\n",
        b"",
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000,
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000,
        b"HTTP/1.1 201 Created\r\nContent-Length: nonsense\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
    ],
)
async def test_a_server_that_talks_nonsense_breaks_nothing(tmp_path: Path, answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)
        port = listening.getsockname()[1]
        config: dict[str, Any] = {
            "retry_base_s": 60,
            "retry_cap_s": 60,
            "timeout_s": {"connect": 2, "read": 2},
        }
        async with Owner(tmp_path / "spool", url=f"http://127.0.0.1:{port}/{{id}}", **config) as owner:
            await owner.add(1)
            await until(lambda: owner.status.uploading == 1, "an attempt")
            connection, _ = listening.accept()
            with connection:
                connection.settimeout(10)
                while not connection.recv(65_536).endswith(content_of(1)[-100:]):
                    pass
                connection.sendall(answer)
            await until(lambda: owner.status.last_error or owner.status.uploaded, "an outcome")
            if owner.status.uploaded:
                assert answer.startswith(b"HTTP/1.1 20")
            else:
                assert owner.status.last_error.code in {"bad_answer", "broke_off"}
                assert owner.status.waiting == 1


async def test_no_proxy_and_no_netrc_of_the_environment_has_a_say(
    server: UploadServer, inside: UploadServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password hidden\n")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, inside.url)
    async with Owner(tmp_path / "spool", url=f"{server.url}/{{id}}") as owner:
        await owner.add(1)
        await owner.done(1)
    assert inside.seen == []
    assert "authorization" not in server.seen[0].headers


async def test_what_is_not_allowed_any_more_is_parked(server: UploadServer, tmp_path: Path) -> None:
    url = f"{server.url}/x"
    config: dict[str, Any] = {"allow_private": True}
    async with Owner(tmp_path / "spool", allow=[url], bandwidth_kbps=8, **config) as owner:
        await owner.add(1, url=url)
    async with Owner(tmp_path / "spool", allow=["https://other.example"], **config) as owner:
        assert (await owner.parked())["code"] == "upload_not_allowed"
    assert picture_of(1).id not in str(server.stored)


@contextmanager
def saying(what: bytes) -> Iterator[int]:
    """A server of the loopback that says this again and again, and nothing else; gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    with connection, contextlib.suppress(OSError):
                        while what:
                            connection.sendall(what)
                        connection.settimeout(10)
                        while connection.recv(65_536):
                            pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        # Closing it does not end who waits in it.
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(10)


@pytest.mark.parametrize(
    ("scheme", "what"),
    [
        ("http", b"HTTP/1.1 100 Continue\r\n\r\n"),
        ("http", b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n"),
        ("https", b""),
    ],
)
async def test_a_server_that_never_comes_to_its_answer_is_left(
    tmp_path: Path, scheme: str, what: bytes
) -> None:
    timeout_s = {"connect": 0.2, "read": 0.3}
    with saying(what) as port:
        url = f"{scheme}://127.0.0.1:{port}/{{id}}"
        config: dict[str, Any] = {"timeout_s": timeout_s, "retry_base_s": 60, "retry_cap_s": 60}
        async with Owner(tmp_path / "spool", url=url, **config) as owner:
            await owner.add(1)
            await until(lambda: owner.status.last_error, "an end")
            assert owner.status.last_error.code in {"timeout", "bad_answer"}
            assert (owner.status.waiting, owner.status.parked) == (1, 0)


@pytest.mark.parametrize("before", [(100,), (102,), (103,), (100, 103, 103)])
async def test_what_a_server_says_before_its_answer_is_passed_over(
    tmp_path: Path, before: tuple[int, ...]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/{{id}}"
        async with Owner(tmp_path / "spool", url=url, concurrency=1) as owner:
            await owner.add(1)
            await until(lambda: owner.status.uploading == 1, "an attempt")
            connection, _ = listening.accept()
            with connection:
                connection.settimeout(10)
                for number in (1, 2):
                    if number == 2:
                        # On the same connection: the first one's answer must not be taken for this one's.
                        await owner.add(2)
                    while not (await asyncio.to_thread(connection.recv, 65_536)).endswith(
                        content_of(number)[-100:]
                    ):
                        pass
                    for status in before:
                        connection.sendall(f"HTTP/1.1 {status} Soon\r\nLink: <x>\r\n\r\n".encode())
                    await settled()
                    assert (owner.status.uploaded, owner.status.parked) == (number - 1, 0)
                    connection.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
                    await owner.done(number)
