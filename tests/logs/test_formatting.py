from __future__ import annotations

import io
import logging
import os
import sys
import tempfile

import pytest

from edge_agent.logs.formatting import LineFormatter, SecretMask, is_journal


def record(message: str, *arguments: object, level: int = logging.INFO) -> logging.LogRecord:
    return logging.LogRecord("edge_agent.x", level, __file__, 1, message, arguments, None)


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("the broker refused hunter22", "hunter22"),
        ("rtsp://agent:other1@host/x is away", "other1"),
        ("PUT failed, Authorization: Bearer abcdef", "abcdef"),
        ("{'password': 'x y z', 'host': 'a'}", "x y z"),
        ("options token=qwertz, more", "qwertz"),
    ],
)
def test_secrets_are_masked_wherever_they_stand(text: str, hidden: str) -> None:
    masked = SecretMask(["hunter22"])(text)
    assert hidden not in masked
    assert "***" in masked


def test_the_longer_of_two_secrets_goes_whole() -> None:
    assert SecretMask(["pass", "password1"])("x password1 y") == "x ******** y"


@pytest.mark.parametrize(
    "text", ["the camera child is back", "'password' is given without 'username'", "a=b"]
)
def test_ordinary_words_stay(text: str) -> None:
    assert SecretMask(["hunter22"])(text) == text


def test_a_traceback_is_masked_and_each_line_has_its_priority() -> None:
    made = record("it %s", "failed", level=logging.ERROR)
    try:
        int("rtsp://u:secret9@h/")
    except ValueError:
        made.exc_info = sys.exc_info()
    lines = LineFormatter(mask=SecretMask(), journal=True).format(made).splitlines()
    assert lines[0] == "<3>ERROR edge_agent.x: it failed"
    assert len(lines) > 3
    assert all(line.startswith("<3>") for line in lines)
    assert "secret9" not in "".join(lines)


@pytest.mark.parametrize(
    ("level", "sign"),
    [(logging.DEBUG, "<7>"), (logging.INFO, "<6>"), (logging.WARNING, "<4>"), (logging.CRITICAL, "<2>")],
)
def test_the_priority_is_the_level_s(level: int, sign: str) -> None:
    assert LineFormatter(mask=SecretMask(), journal=True).format(record("x", level=level)).startswith(sign)


def test_on_a_terminal_there_is_the_time() -> None:
    line = LineFormatter(mask=SecretMask(), journal=False).format(record("hello"))
    assert line[:2] == "20"
    assert line.endswith("INFO edge_agent.x: hello")


def test_the_journal_is_told_from_a_redirected_stream() -> None:
    with tempfile.TemporaryFile("w") as file:
        found = os.fstat(file.fileno())
        assert is_journal(file, {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"})
        assert not is_journal(file, {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino + 1}"})
        assert not is_journal(file, {})
    assert not is_journal(io.StringIO(), {"JOURNAL_STREAM": "1:2"})
