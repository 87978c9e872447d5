"""Against the examples of the specifications."""

from __future__ import annotations

import base64

from edge_agent.stream.rtsp_auth import Credentials, authorization

MUFASA = Credentials("Mufasa", "Circle of Life")
_RFC_7616 = (
    'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={name}, '
    'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", '
    'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)
_CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"


def answered(*challenges: str, who: Credentials = MUFASA, method: str = "GET", url: str = "/x") -> str:
    answer = authorization(challenges, credentials=who, nonce=lambda: _CNONCE)
    assert answer is not None
    return answer(method, url)


def test_basic() -> None:
    value = answered('Basic realm="x"', who=Credentials("porch", "a:b"))
    assert base64.b64decode(value.removeprefix("Basic ")) == b"porch:a:b"


def test_digest_of_rfc_7616() -> None:
    url = "/dir/index.html"
    md5, sha256 = _RFC_7616.format(name="MD5"), _RFC_7616.format(name="SHA-256")
    assert 'response="8ca523f5e9506fed4657c9700eebdbec"' in answered(md5, url=url)
    strongest = answered('Basic realm="x"', md5, sha256, url=url)
    assert 'response="753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"' in strongest
    assert "algorithm=SHA-256" in strongest
    assert "nc=00000001" in strongest
    assert 'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"' in strongest


def test_digest_of_rfc_2069_counts_nothing() -> None:
    value = answered(
        'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"',
        who=Credentials("Mufasa", "CircleOfLife"),
        url="/dir/index.html",
    )
    assert 'response="1949323746fe6a43ef61f9606e7febea"' in value
    assert "qop" not in value


def test_each_answer_is_counted() -> None:
    answer = authorization([_RFC_7616.format(name="MD5")], credentials=MUFASA, nonce=lambda: _CNONCE)
    assert answer is not None
    answer("ANNOUNCE", "rtsp://host/x")
    assert "nc=00000002" in answer("SETUP", "rtsp://host/x")


def test_what_is_not_known_is_not_answered() -> None:
    assert (
        authorization(["Negotiate", 'Digest algorithm="SHA-512-256"'], credentials=MUFASA, nonce=str) is None
    )


def test_the_password_is_not_shown() -> None:
    assert "Circle" not in repr(MUFASA)
