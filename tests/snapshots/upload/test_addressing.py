from __future__ import annotations

from typing import Any

import pytest

from edge_agent.errors import RefusedError
from edge_agent.snapshots.upload.addressing import Addressing, is_public
from tests.snapshots.pictures import picture_of

PICTURE = picture_of(1)


def addressing(**facts: Any) -> Addressing:
    return Addressing(**{"url": "http://10.0.0.5/in/{id}", "node": "porch", **facts})


def test_the_owner_s_own_url_is_trusted_wherever_it_is() -> None:
    found = addressing().destination(PICTURE, None)
    assert found.target.raw == f"http://10.0.0.5/in/{PICTURE.id}"
    assert (found.is_configured, found.with_credentials, found.may_be_private) == (True, True, True)


def test_without_a_url_there_is_nowhere_to_go() -> None:
    with pytest.raises(RefusedError, match=r"set upload\.url") as caught:
        addressing(url=None).destination(PICTURE, None)
    assert caught.value.code == "upload_not_configured"


@pytest.mark.parametrize(
    ("allow", "url"),
    [
        ("https://bucket.example", "https://bucket.example/any/where?sig=x"),
        ("https://bucket.example/", "https://bucket.example"),
        ("bucket.example", "https://bucket.example/x"),
        ("bucket.example:8443/a", "https://bucket.example:8443/a/b"),
        ("https://bucket.example/a/b/", "https://bucket.example/a/b/c"),
        ("https://bucket.example/a/b", "https://bucket.example/a/b"),
        ("https://Bucket.Example", "https://bucket.example:443/x"),
    ],
)
def test_what_is_allowed_goes_without_the_owner_s_credentials(allow: str, url: str) -> None:
    found = addressing(allow=[allow]).destination(PICTURE, url)
    assert (found.is_configured, found.with_credentials, found.may_be_private) == (False, False, False)


@pytest.mark.parametrize(
    ("allow", "url"),
    [
        ("https://bucket.example", "https://bucket.example.evil.example/x"),
        ("https://bucket.example", "https://evil.example/bucket.example"),
        ("https://bucket.example", "http://bucket.example/x"),
        ("https://bucket.example", "https://bucket.example:444/x"),
        ("bucket.example", "http://bucket.example/x"),
        ("https://bucket.example/a", "https://bucket.example/ab"),
        ("https://bucket.example/a", "https://bucket.example/"),
        ("https://bucket.example/a", "https://bucket.example/%61/b"),
        ("https://bucket.example/a", "https://sub.bucket.example/a"),
    ],
)
def test_what_is_not_allowed_is_refused(allow: str, url: str) -> None:
    with pytest.raises(RefusedError, match=r"no entry of upload\.allow covers it") as caught:
        addressing(allow=[allow]).destination(PICTURE, url)
    assert caught.value.code == "upload_not_allowed"
    assert caught.value.allowed


def test_the_configured_url_in_a_command_must_be_allowed_too() -> None:
    with pytest.raises(RefusedError, match=r"upload\.allow"):
        addressing().destination(PICTURE, "http://10.0.0.5/in/x")


def test_a_url_at_the_owner_s_server_has_his_credentials_unless_it_is_presigned() -> None:
    own = addressing(allow=["http://10.0.0.5/"])
    plain = own.destination(PICTURE, "http://10.0.0.5/other")
    assert (plain.with_credentials, plain.may_be_private) == (True, True)
    assert not own.destination(PICTURE, "http://10.0.0.5/other?sig=x").with_credentials


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "a.localhost", "10.1.2.3", "169.254.169.254", "[::1]"]
)
def test_an_address_inside_is_refused_at_once(host: str) -> None:
    url = f"http://{host}/latest/meta-data"
    with pytest.raises(RefusedError, match=r"set upload\.allow_private") as caught:
        addressing(allow=[f"http://{host}"]).destination(PICTURE, url)
    assert caught.value.code == "address_not_allowed"
    assert addressing(allow=[f"http://{host}"], allow_private=True).destination(PICTURE, url).may_be_private


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "127.9.9.9",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "fec0::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "2001:0:4136:e378:8000:63bf:80ff:fffe",
    ],
)
def test_addresses_inside(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1"])
def test_addresses_outside(address: str) -> None:
    assert is_public(address)
