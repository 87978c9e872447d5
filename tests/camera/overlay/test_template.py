from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.camera.overlay.template import (
    TOKENS,
    Template,
    Token,
    checked,
    field_of,
    refuse_unknown,
    said,
)
from edge_agent.errors import RefusedError

NOW = datetime(2026, 6, 5, 4, 3, 2, tzinfo=UTC)
STATUS: dict[str, Any] = {
    "profile": {"active": "night", "until": None},
    "stream": {"fps": 29.97, "sub": None},
    "problems": [{"code": "camera_down"}],
}


def filled(text: str, **values: Any) -> str:
    return Template.of(text).filled(lambda token: said(token, values.get(token.name.replace(".", "_"))))


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("plain", "plain"),
        ("{name}: {date} {time}", "Porch: 2026-06-05 04:03:02"),
        ("{time:%H h %M}", "04 h 03"),
        ("{exposure_us} µs, {gain} {gain:.0f}", "12000 µs, 1.50 2"),
        ("{lux} {temperature_c}°C", "- -°C"),
        ("{{x}} {stream.fps:.0f} {stream.fps}", "{x} 30 29.97"),
        ("{profile.active}{problems.0.code}", "night-"),
        ("a\nb", "a\nb"),
    ],
)
def test_a_text_is_filled_with_what_is_known(text: str, drawn: str) -> None:
    values = {
        "name": "Porch",
        "date": NOW,
        "time": NOW,
        "exposure_us": 12000,
        "gain": 1.5,
        "stream_fps": 29.97,
        "profile_active": "night",
    }
    assert filled(text, **values) == drawn


@pytest.mark.parametrize(
    ("value", "drawn"),
    [
        (None, "-"),
        (True, "on"),
        (False, "off"),
        (1 / 3, "0.333333"),
        (7, "7"),
        ("two\nlines  apart", "two lines apart"),
        ("x" * 100, "x" * 59 + "…"),
        ({"a": 1}, "{'a': 1}"),
    ],
)
def test_any_value_is_said_in_few_words(value: Any, drawn: str) -> None:
    assert said(Token("profile.active", ""), value) == drawn


def test_a_number_s_way_does_nothing_to_what_is_no_number() -> None:
    assert said(Token("stream.state", ".1f"), "failed") == "failed"
    assert said(Token("stream.fps", "d"), 1.5) == "1.5"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{tme}", "there is no '{tme}'; did you mean 'time'? There are"),
        ("{}", "there is no '{}'. There are name, node, time"),
        ("{Name}", "did you mean 'name'?"),
        ("{a..b}", "there is no '{a..b}'"),
        ("{", "a brace that is none is written twice, {{ or }}"),
        ("}", "written twice"),
        ("{name!r}", "without '!r'"),
        ("{name:x}", "without ':x'"),
        ("{time:%9999999H}", "is no way to write a time; right is one like %H:%M:%S"),
        ("{date:%-99d}", "no way to write a date"),
        ("{date: }", "no way to write a date"),
        ("{gain:99999f}", "'99999f' is no way to write 'gain'"),
        ("{profile.active:>99}", "no way to write"),
        ("bell\a", "control character"),
    ],
)
def test_a_text_that_cannot_be_is_told(text: str, message: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011 - its text is what is looked at
        checked(text)
    assert message.lower() in str(error.value).lower()


@given(st.text(max_size=200))
def test_any_text_is_taken_or_refused_and_never_grows_beyond_bounds(text: str) -> None:
    try:
        checked(text)
    except ValueError:
        return
    assert len(Template.of(text).filled(lambda token: said(token, 1.5))) < 20_000


def test_the_fields_of_status_are_named_once() -> None:
    assert Template.of("{a.b} {time} {c.d:.1f} {a.b}").fields == ("a.b", "c.d")
    assert all(not Template.of("{" + token + "}").fields for token in TOKENS)


def test_a_field_is_found_by_its_path() -> None:
    assert field_of(STATUS, "profile.active") == "night"
    assert field_of(STATUS, "problems.0.code") == "camera_down"
    assert field_of(STATUS, "stream.sub.fps") is None
    for path in ("profile.actve", "problems.7.code", "nothing.at", "profile.active.more"):
        with pytest.raises(KeyError):
            field_of(STATUS, path)


def test_an_unknown_field_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(RefusedError) as error:
        refuse_unknown("{profile.actve}", document=lambda: STATUS)
    assert error.value.message == (
        "'overlay.text': status has no field 'profile.actve'; did you mean 'profile.active'?"
    )
    assert error.value.field == "overlay.text"
    with pytest.raises(RefusedError):
        refuse_unknown("{upload.waiting}", document=lambda: STATUS)
    refuse_unknown("{upload.waiting} {profile.active}", document=lambda: STATUS, promised={"upload"})


def test_a_text_without_fields_does_not_ask_for_the_status() -> None:
    def document() -> dict[str, Any]:
        raise AssertionError

    refuse_unknown("{name} {time}", document=document)
