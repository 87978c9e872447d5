from __future__ import annotations

from typing import Any

import pytest

from edge_agent.errors import RefusedError
from edge_agent.snapshots.upload.template import UrlTemplate
from tests.snapshots.pictures import picture_of


def rendered(text: str, **facts: Any) -> str:
    return UrlTemplate(text).render(node="porch", picture=picture_of(3, **facts)).raw


def test_the_words_in_braces_are_the_picture_s() -> None:
    assert rendered("https://h/{node}/{date:%Y/%m/%d}/{file_name}?id={id}") == (
        "https://h/porch/2026/11/21/20261121T000003000Z-0004.jpg?id=20261121T000003000Z-0004"
    )


def test_a_date_is_the_picture_s_in_utc() -> None:
    text = "https://h/{date}/{date:%H-%M}/{id}"
    assert rendered(text, time="2026-11-21T00:30:00+02:00").startswith("https://h/2026-11-20/22-30/")


def test_what_is_no_ascii_is_percent_encoded_and_what_is_encoded_stays() -> None:
    assert rendered("https://h/für alle/%41/{id}").startswith("https://h/f%C3%BCr%20alle/%41/")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("https://h/{nodes}", "'{nodes}' is not known; did you mean 'node'?"),
        ("https://h/{id:%Y}", "only a date has a format"),
        ("https://h/{date:%c}", "a date is made of"),
        ("https://h/{date:%Y:%m}", "a date is made of"),
        ("https://h/{date:../..}", "climbs"),
        ("https://h/{id", "a brace is not closed"),
        ("https://h/id}", "a brace is not closed"),
        ("https://{node}.h/x", "after the host"),
        ("ftp://h/{id}", "the scheme 'ftp'"),
        ("https://h/../{id}", "climbs"),
    ],
)
def test_what_makes_no_url_is_refused(text: str, why: str) -> None:
    with pytest.raises(RefusedError) as caught:
        UrlTemplate(text)
    assert why in caught.value.message


def test_a_picture_without_a_readable_time_is_refused() -> None:
    with pytest.raises(RefusedError, match="which is not RFC 3339"):
        rendered("https://h/{date}", time="yesterday")
