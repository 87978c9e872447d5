from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from edge_agent.stream.config import StreamServerConfig


def test_by_default_nothing_is_asked() -> None:
    assert StreamServerConfig().api is None


@pytest.mark.parametrize(
    "fields",
    [
        {"api": "http://127.0.0.1:9997"},
        {"api": "https://server.example", "username": "me", "password": "secret", "ca": "/etc/ca.pem"},
        {"api": "http://[::1]:9997/", "token": "secret"},
        {
            "rtsp_url": "rtsps://cams.example/porch",
            "webrtc_url": "off",
            "hls_url": "https://c.example/x.m3u8",
        },
        {"public_host": "2001:db8::5"},
    ],
)
def test_what_is_right(fields: dict[str, Any]) -> None:
    assert StreamServerConfig(**fields)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"api": "127.0.0.1:9997"}, "must be a URL like http://host:port"),
        ({"api": "off"}, "must be a URL like http://host:port"),
        ({"api": "http://me:hunter2@host:9997"}, "must not hold a user or a password"),
        ({"webrtc_url": "https://me:hunter2@host/"}, "must not hold a user or a password"),
        ({"hls_url": "rtsp://host/x"}, "must be a URL like http://host:port"),
        ({"rtsp_url": "http://host/x"}, "must be a URL like rtsp://host:port"),
        ({"hls_url": "http://host:99999/x"}, "must be a URL like http://host:port"),
        ({"password": "hunter2"}, "'password' is given without 'username'"),
        ({"username": "me", "token": "hunter2"}, "two ways in"),
        ({"public_host": "http://host"}, "pattern"),
        ({"poll_s": 0.1}, "0.5"),
    ],
)
def test_what_is_wrong_is_told_without_what_is_secret(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError) as caught:
        StreamServerConfig(**fields)
    assert says in str(caught.value)
    assert "hunter2" not in str(caught.value)
