from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent.stream.config import StreamServerConfig
from edge_agent.stream.viewing import Viewing, ViewingUrls, path_name, reachable_host


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("rtsp://host:8554/porch", "porch"),
        ("rtsps://me:secret@host/house/porch/?x=1", "house/porch"),
        ("rtsp://host/a%20b", "a b"),
        ("rtmp://host/porch?user=me&pass=secret", "porch"),
        ("srt://host:8890?streamid=publish:porch:me:secret&pkt_size=1316", "porch"),
        ("srt://host:8890?streamid=%23!::m=publish,r=house/porch,u=me", "house/porch"),
        ("http://host:8889/porch/whip", "porch"),
        ("whips://host/house/porch/whip", "house/porch"),
    ],
)
def test_the_path_s_name(url: str, name: str) -> None:
    assert path_name(url) == name


def test_mediamtx_s_own_addresses() -> None:
    viewing = Viewing.of("rtsp://me:secret@server.example:8554/house/a b", StreamServerConfig())
    assert viewing.urls() == ViewingUrls(
        rtsp="rtsp://server.example:8554/house/a%20b",
        webrtc="http://server.example:8889/house/a%20b",
        whep="http://server.example:8889/house/a%20b/whep",
        hls="http://server.example:8888/house/a%20b/index.m3u8",
    )


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3", "[::1]", "0.0.0.0", "cam.localhost"])
def test_this_machine_is_named_as_others_reach_it(host: str) -> None:
    viewing = Viewing(url=f"rtsp://{host}:8554/porch", reachable=lambda: "porch.local")
    assert viewing.urls() == ViewingUrls(), "not known before it was found out"
    assert viewing.refresh()
    assert not viewing.refresh(), "nothing new"
    urls = viewing.urls()
    assert urls.rtsp == "rtsp://porch.local:8554/porch"
    assert urls.hls == "http://porch.local:8888/porch/index.m3u8"


def test_a_configured_host_is_what_viewers_are_told() -> None:
    config = StreamServerConfig(public_host="cams.example")
    assert not Viewing.of("rtsp://localhost:8554/porch", config).refresh()
    assert Viewing.of("rtsp://localhost:8554/porch", config).urls().rtsp == "rtsp://cams.example:8554/porch"
    assert Viewing.of("rtsp://inside:8554/porch", config).urls().webrtc == "http://cams.example:8889/porch"


def test_addresses_of_the_new_kind_are_bracketed() -> None:
    assert Viewing(url="rtsp://[2001:db8::5]/porch").urls().rtsp == "rtsp://[2001:db8::5]/porch"
    here = Viewing(url="rtsp://[::1]:8554/porch", reachable=lambda: "2001:db8::5")
    here.refresh()
    assert here.urls().hls == "http://[2001:db8::5]:8888/porch/index.m3u8"


@pytest.mark.parametrize("scheme", ["rtmp", "srt"])
def test_another_scheme_is_watched_over_rtsp(scheme: str) -> None:
    urls = Viewing(url=f"{scheme}://server.example:1935/porch?streamid=publish:porch").urls()
    assert urls.rtsp == "rtsp://server.example:8554/porch"


def test_what_is_elsewhere_or_off() -> None:
    config = StreamServerConfig(
        rtsp_url="off", webrtc_url="https://cams.example/porch/", hls_url="https://cams.example/porch.m3u8"
    )
    assert Viewing.of("rtsp://localhost:8554/porch", config).urls() == ViewingUrls(
        rtsp=None,
        webrtc="https://cams.example/porch/",
        whep="https://cams.example/porch/whep",
        hls="https://cams.example/porch.m3u8",
    )
    off = Viewing.of("rtsp://localhost:8554/porch", StreamServerConfig(webrtc_url="off")).urls()
    assert (off.webrtc, off.whep) == (None, None)


def test_a_full_name_or_one_that_is_announced_is_better_than_an_address(tmp_path: Path) -> None:
    announced = tmp_path / "avahi"
    announced.touch()
    assert reachable_host(mdns=announced, hostname=lambda: "porch") == "porch.local"
    assert reachable_host(mdns=announced, hostname=lambda: "porch.example") == "porch.example"
    found = reachable_host(mdns=tmp_path / "none", hostname=lambda: "porch")
    # Whatever network this machine has: it is never its own loopback.
    assert found
    assert not found.startswith("127.")
    assert found not in {"localhost", "::1", "porch.local"}
