from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent.stream.messages import TlsTrust
from edge_agent.stream.mux import StreamTargetError
from edge_agent.stream.routes import Route, route_to
from edge_agent.stream.url import parse_stream_url


def route(url: str, trust: TlsTrust | None = None) -> Route:
    target = parse_stream_url(url)
    return route_to(target, trust=trust or TlsTrust(), connect_timeout_s=3, io_timeout_s=5)


def test_rtmp_is_bounded() -> None:
    found = route("rtmp://host/cam?user=u&pass=p")
    assert (found.format, found.url) == ("flv", "rtmp://host/cam?user=u&pass=p")
    assert found.options["rw_timeout"] == "5000000"
    assert "tls_verify" not in found.options
    assert "pass=p" not in repr(found)


def test_rtmps_proves_the_server(tmp_path: Path) -> None:
    own = str(tmp_path / "a:b.pem")
    found = route("rtmps://host/cam", TlsTrust(ca=own))
    assert found.options["tls_verify"] == "1"
    assert found.options["ca_file"] == own
    # What separates options for libav is escaped where it is a part of one.
    assert f"ca_file={own.replace(':', chr(92) + ':')}" in found.joined()
    assert route("rtmps://host/cam", TlsTrust(verify=False)).options["tls_verify"] == "0"


@pytest.mark.parametrize(
    ("url", "streamid"),
    [
        ("srt://host:8890?streamid=publish:cam:u:p", "publish:cam:u:p"),
        ("srt://host:8890?streamid=%23!::m=publish,r=cam", "#!::m=publish,r=cam"),
        ("srt://host:8890/cam", "publish:cam"),
        ("srt://u:p%40ss@host:8890/a/b", "publish:a/b:u:p%40ss"),
    ],
)
def test_srt_gets_an_id_and_limits(url: str, streamid: str) -> None:
    found = route(url)
    assert found.format == "mpegts"
    query = dict(part.split("=", 1) for part in found.url.partition("?")[2].split("&"))
    assert query.pop("streamid") == streamid
    assert query == {"mode": "caller", "pkt_size": "1316", "connect_timeout": "3000", "timeout": "5000000"}
    assert found.url.startswith("srt://host:8890?")


def test_srt_leaves_what_the_url_says() -> None:
    found = route("srt://[::1]:8890/cam?latency=200&pkt_size=1000&passphrase=long%20enough")
    assert found.url.startswith("srt://[::1]:8890?")
    for part in ("latency=200", "pkt_size=1000", "passphrase=long%20enough"):
        assert part in found.url


def test_whip_is_http_and_a_user_without_a_password_a_token() -> None:
    assert route("whip://u:p@host:8889/cam/whip").url == "http://u:p@host:8889/cam/whip"
    found = route("whip://to%3Aken@host:8889/cam/whip")
    assert found.url == "http://host:8889/cam/whip"
    assert found.options["authorization"] == "to:ken"
    assert found.options["handshake_timeout"] == "3000"


def test_whip_never_passes_an_unproved_server_for_a_proved_one() -> None:
    with pytest.raises(StreamTargetError, match="libav does not check certificates for WHIP") as caught:
        route("whips://host:8889/cam/whip")
    assert caught.value.stream_code == "stream_unsupported"
    assert route("whips://host:8889/cam/whip", TlsTrust(verify=False)).url == "https://host:8889/cam/whip"
