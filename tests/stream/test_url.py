from __future__ import annotations

import pytest

from edge_agent.errors import ConfigError
from edge_agent.stream.url import parse_stream_url


@pytest.mark.parametrize(
    ("url", "host", "port", "masked"),
    [
        ("rtsp://localhost:8554/porch", "localhost", 8554, "rtsp://localhost:8554/porch"),
        ("rtsp://u:p%40ss@cam.example/a/b", "cam.example", 554, "rtsp://u:***@cam.example/a/b"),
        ("rtsps://[fe80::1]:8322/x", "fe80::1", 8322, "rtsps://[fe80::1]:8322/x"),
        ("RTSPS://host/x", "host", 322, "RTSPS://host/x"),
        ("rtsp://host/x?user=a&pass=b", "host", 554, "rtsp://host/x?user=a&pass=***"),
        ("rtmp://host/live/key", "host", 1935, "rtmp://host/live/***"),
        ("rtmps://host/cam", "host", 443, "rtmps://host/cam"),
        ("srt://host:8890?streamid=publish:cam", "host", 8890, "srt://host:8890?streamid=publish:cam"),
        ("srt://u:pw@host:8890/cam", "host", 8890, "srt://u:***@host:8890/cam"),
        ("whip://host:8889/cam/whip", "host", 8889, "whip://host:8889/cam/whip"),
    ],
)
def test_a_usable_url(url: str, host: str, port: int, masked: str) -> None:
    parsed = parse_stream_url(url)
    assert (parsed.raw, parsed.host, parsed.port, parsed.masked) == (url, host, port, masked)
    assert str(parsed) == masked
    assert "p%40ss" not in repr(parsed)


@pytest.mark.parametrize(
    ("url", "like", "why"),
    [
        ("rtspp://host/x", "rtsp://host:8554/name", "the scheme 'rtspp' is not known; did you mean 'rtsp'?;"),
        ("host/x", "rtsp://host:8554/name", "the scheme '' is not known;"),
        ("rtsp:///x", "rtsp://host:8554/name", "there is no host)"),
        ("rtsp://host:0/x", "rtsp://host:8554/name", "the port is 0)"),
        ("rtsp://host:70000/x", "rtsp://host:8554/name", "the host or the port cannot be read)"),
        ("rtsp://host", "rtsp://host:8554/name", "there is no path, the stream's name on the server)"),
        ("rtsp://host/a b", "rtsp://host:8554/name", "there is a space or a control character in it)"),
        ("rtmp://host", "rtmp://host/name", "there is no path, the stream's name on the server)"),
        ("srt://host/x", "srt://host:8890?streamid=publish:name", "there is no port)"),
        ("srt://host:1", "srt://host:8890?streamid=publish:name", "there is no path, the stream's name on"),
    ],
)
def test_an_unusable_url_is_refused_with_the_reason(url: str, like: str, why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_stream_url(url)
    expected = f"stream.url: '{url}' cannot be published to: it must be a URL like {like} ({why}"
    assert caught.value.message.startswith(expected)
    assert caught.value.field == "stream.url"


def test_a_refusal_hides_the_password() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_stream_url("rtsp://u:hush@host:70000/x")
    assert "hush" not in caught.value.message
    assert caught.value.value == "rtsp://u:***@host:70000/x"
    assert caught.value.__suppress_context__
