from __future__ import annotations

import pytest

from edge_agent.masking import is_secret_name, mask_text, mask_url


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("rtsp://host:8554/porch", "rtsp://host:8554/porch"),
        ("rtsp://user:pass@host:8554/porch", "rtsp://user:***@host:8554/porch"),
        ("rtsp://user:p@ss:word@host/porch", "rtsp://user:***@host/porch"),
        ("rtsp://user:pa/ss@host/porch", "rtsp://user:***@host/porch"),
        ("rtsp://user:@host/", "rtsp://user:***@host/"),
        ("rtsp://token@host/", "rtsp://***@host/"),
        ("rtsp://u:p@[::1]:8554/a", "rtsp://u:***@[::1]:8554/a"),
        ("rtsp://[::1]:8554/a@b", "rtsp://[::1]:8554/a@b"),
        ("http://host/user@home", "http://host/user@home"),
        (
            "https://host/put?name=a&token=abc&X-Amz-Signature=def",
            "https://host/put?name=a&token=***&X-Amz-Signature=***",
        ),
        ("https://host/?apikey=abc#access_token=def", "https://host/?apikey=***#access_token=***"),
        ("srt://host:8890?streamid=publish:cam", "srt://host:8890?streamid=publish:cam"),
        (
            "srt://host:8890?streamid=publish:cam:u:p&mode=caller",
            "srt://host:8890?streamid=publish:cam:***&mode=caller",
        ),
        ("srt://h:1?streamid=publish%3Acam%3Au%3Ap", "srt://h:1?streamid=publish%3Acam:***"),
        ("srt://h:1?streamid=secret&passphrase=also", "srt://h:1?streamid=***&passphrase=***"),
        ("rtmp://host/cam?user=u&pass=p", "rtmp://host/cam?user=u&pass=***"),
        ("rtmps://host/live2/abcd-efgh", "rtmps://host/live2/***"),
        ("/dev/video0", "/dev/video0"),
        ("user:pass@host", "user:pass@host"),
    ],
)
def test_a_url_is_shown_without_its_secrets(url: str, masked: str) -> None:
    assert mask_url(url) == masked


def test_urls_inside_text_are_masked() -> None:
    text = "cannot open 'rtsp://u:p@host/a': refused; tried https://h/?key=k, too"
    assert mask_text(text) == "cannot open 'rtsp://u:***@host/a': refused; tried https://h/?key=*** too"


@pytest.mark.parametrize(
    "name",
    ["Authorization", "Proxy-Authorization", "Cookie", "X-Api-Key", "apikey", "password", "PIN", "x-auth"],
)
def test_secrets_are_told_by_their_names(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name", ["Accept", "Content-Type", "author", "monkey", "keepalive_s", "speed", "keys"]
)
def test_harmless_names_are_left_alone(name: str) -> None:
    assert not is_secret_name(name)
