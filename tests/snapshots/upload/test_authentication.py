from __future__ import annotations

import re
import ssl
from pathlib import Path
from typing import Any

import pytest

from tests.pki import Pki
from tests.snapshots.pictures import content_of
from tests.snapshots.upload.support import Owner, until
from tests.upload_server import UploadServer


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("pki")
    made = Pki(directory)
    made.authority("ca")
    made.authority("other")
    made.certificate("server", subject="server")
    made.certificate("client", subject="client")
    return directory


def tls_of(pki: Path, *, ask_client: bool = False) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki / "server.pem", pki / "server.key")
    if ask_client:
        context.load_verify_locations(pki / "ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
    return context


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("bearer", {"auth": "bearer", "token": "s3cret"}),
        ("digest", {"auth": "digest", "username": "porch", "password": "s3cret"}),
        ("digest", {"auth": "digest", "username": "pörch", "password": "s€cret"}),
    ],
)
async def test_who_this_is(tmp_path: Path, kind: str, given: dict[str, Any]) -> None:
    secret = given.get("token") or given["password"]
    with UploadServer(auth=(kind, given.get("username", ""), secret)) as server:
        async with Owner(tmp_path / "spool", url=f"{server.url}/{{id}}", concurrency=1, **given) as owner:
            for number in range(3):
                await owner.add(number, size_bytes=400_000)
            await owner.done(3)
        assert sorted(server.stored.values()) == sorted(content_of(number, 400_000) for number in range(3))
        # Digest is challenged once, and not for each picture.
        assert len(server.uploads()) == (4 if kind == "digest" else 3)


async def test_basic(tmp_path: Path) -> None:
    # "pörch:s€cret", as UTF-8.
    with UploadServer(auth=("basic", "", "cMO2cmNoOnPigqxjcmV0")) as server:
        given: dict[str, Any] = {"auth": "basic", "username": "pörch", "password": "s€cret"}
        async with Owner(tmp_path / "spool", url=f"{server.url}/{{id}}", **given) as owner:
            await owner.add(1)
            await owner.done(1)


@pytest.mark.parametrize("kind", ["basic", "digest"])
async def test_a_wrong_password_parks_and_says_what_to_do(tmp_path: Path, kind: str) -> None:
    with UploadServer(auth=(kind, "porch", "right")) as server:
        given: dict[str, Any] = {"auth": kind, "username": "porch", "password": "wrong"}
        async with Owner(tmp_path / "spool", url=f"{server.url}/{{id}}", **given) as owner:
            await owner.add(1)
            event = await owner.parked()
            assert event["http_status"] == 401
            assert "mend upload.auth" in event["message"]


async def test_tls_with_a_private_authority_and_a_client_certificate(pki: Path, tmp_path: Path) -> None:
    with UploadServer(tls=tls_of(pki, ask_client=True)) as server:
        files: dict[str, Any] = {"ca": pki / "ca.pem", "cert": pki / "client.pem", "key": pki / "client.key"}
        async with Owner(tmp_path / "spool", url=f"{server.url}/{{id}}", **files) as owner:
            for number in range(3):
                await owner.add(number, size_bytes=700_000)
            await owner.done(3)
        assert len(server.stored) == 3
        assert server.connections <= 2


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({}, "self-signed certificate in certificate chain|unable to get"),
        ({"ca": "other.pem"}, "certificate"),
        ({"ca": "missing.pem"}, r"the CA file '.*missing.pem' \(upload.ca\) cannot be used"),
        ({"ca": "ca.pem", "cert": "ca.key"}, r"\(upload.cert, upload.key\) cannot be used"),
    ],
)
async def test_what_is_wrong_with_tls_is_told_and_nothing_is_parked(
    pki: Path, tmp_path: Path, files: dict[str, str], why: str
) -> None:
    with UploadServer(tls=tls_of(pki)) as server:
        given = {name: pki / file for name, file in files.items()}
        config: dict[str, Any] = {"url": f"{server.url}/{{id}}", **given}
        async with Owner(tmp_path / "spool", **config) as owner:
            await owner.add(1)
            await until(lambda: "upload_failing" in owner.problem_codes(), "a problem")
            assert owner.status.last_error.code == "tls_failed"
            assert re.search(why, owner.status.last_error.message)
            assert owner.status.parked == 0
        assert server.seen == []


async def test_a_certificate_that_was_renewed_is_used(pki: Path, tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    authority.write_bytes((pki / "other.pem").read_bytes())
    with UploadServer(tls=tls_of(pki)) as server:
        config: dict[str, Any] = {"url": f"{server.url}/{{id}}", "ca": authority}
        async with Owner(tmp_path / "spool", **config) as owner:
            await owner.add(1)
            authority.write_bytes((pki / "ca.pem").read_bytes())
            await owner.done(1)


async def test_without_verifying_where_the_owner_says_so(pki: Path, tmp_path: Path) -> None:
    with UploadServer(tls=tls_of(pki)) as server:
        async with Owner(tmp_path / "spool", url=f"{server.url}/{{id}}", verify=False) as owner:
            await owner.add(1)
            await owner.done(1)
