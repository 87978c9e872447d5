from __future__ import annotations

import pytest

from edge_agent.errors import RefusedError
from edge_agent.snapshots.upload.target import climbs, parse_target, shown_url


def test_a_url_is_taken_apart() -> None:
    target = parse_target("HTTPS://Pictures.Example.:8443/a/b.jpg?X-Amz-Signature=abc")
    assert (target.scheme, target.host, target.port, target.path) == (
        "https",
        "pictures.example",
        8443,
        "/a/b.jpg",
    )
    assert target.has_query
    assert target.origin == "https://pictures.example:8443"


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://h", "http://h:80"),
        ("https://h/", "https://h:443"),
        ("https://[2001:DB8::1]/x", "https://[2001:db8::1]:443"),
    ],
)
def test_the_usual_ports_are_meant(url: str, origin: str) -> None:
    assert parse_target(url).origin == origin


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://host/x", "the scheme 'ftp' is not known"),
        ("htps://host/x", "did you mean 'https'"),
        ("file:///etc/passwd", "the scheme 'file' is not known"),
        ("https:///x", "there is no host"),
        ("https://host:0/x", "the port is 0"),
        ("https://host:99999/x", "the host or the port cannot be read"),
        ("https://user:secret@host/x", "credentials are configured"),
        ("https://good.example\\@evil.example/", "must be percent-encoded"),
        ("https://host/a b", "must be percent-encoded"),
        ("https://host/a\r\nX: y", "must be percent-encoded"),
        ("https://mün.example/", "xn--"),
        ("https://host/x#y", "a fragment"),
        ("https://host/x#", "a fragment"),
        ("https://host/%zz", "two hexadecimal digits"),
        ("https://host/a/../b", "climbs"),
        ("https://host/a/%2e%2E/b", "climbs"),
        ("https://host/a/%252e%252e/b", "climbs"),
        ("https://host/a%2fb", "climbs"),
        ("https://host/a%5c..%5cb", "climbs"),
        ("https://host/a%00b", "climbs"),
        ("https://host/..;x/b", "climbs"),
        ("https://[fe80::1%25eth0]/x", "there is no host"),
        ("https://-.-/x", "there is no host"),
        ("https://host/" + "a" * 9000, "more than 8192"),
        ("nonsense", "the scheme '' is not known"),
    ],
)
def test_what_cannot_be_uploaded_to_is_refused_without_its_secrets(url: str, why: str) -> None:
    with pytest.raises(RefusedError) as caught:
        parse_target(url)
    assert why in caught.value.message
    assert caught.value.code == "invalid_url"
    assert "secret" not in f"{caught.value.message} {caught.value.value}"


def test_names_with_dots_do_not_climb() -> None:
    assert not climbs("/a..b/...c/.d/e%20f")


def test_a_query_is_never_shown() -> None:
    assert shown_url("https://h/p?a=1&X-Amz-Signature=abc#f") == "https://h/p?***"
    assert shown_url("https://u:p@h/p") == "https://u:***@h/p"
    assert shown_url("no url?sig=abc") == "no url?***"
    target = parse_target("https://h/p?anything=abc")
    assert "abc" not in f"{target} {target!r}"
