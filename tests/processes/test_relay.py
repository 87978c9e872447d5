from __future__ import annotations

import asyncio
import logging
import os

import pytest

from edge_agent.processes.relay import LineRelay, relay_lines

MODULE = "edge_agent.camera.process"


def heard(caplog: pytest.LogCaptureFixture) -> list[tuple[str, int, str]]:
    return [(record.name, record.levelno, record.getMessage()) for record in caplog.records]


@pytest.fixture(autouse=True)
def everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


@pytest.mark.parametrize(
    ("line", "logger", "level", "message"),
    [
        ("WARNING edge_agent.camera.x: odd", "edge_agent.camera.x", logging.WARNING, "odd"),
        ("ERROR __main__: gone", MODULE, logging.ERROR, "gone"),
        ("[0:01:02] [12]  WARN RPI hm", MODULE, logging.WARNING, "[0:01:02] [12]  WARN RPI hm"),
        ("[0:01:02.34] [12]  INFO Camera x", MODULE, logging.INFO, "[0:01:02.34] [12]  INFO Camera x"),
        ("plain", MODULE, logging.INFO, "plain"),
        ("100 % sure %s", MODULE, logging.INFO, "100 % sure %s"),
    ],
)  # fmt: skip
def test_a_line_keeps_its_level(
    caplog: pytest.LogCaptureFixture, line: str, logger: str, level: int, message: str
) -> None:
    LineRelay(module=MODULE).feed(f"{line}\n".encode())
    assert heard(caplog) == [(logger, level, message)]


def test_a_traceback_is_one_level(caplog: pytest.LogCaptureFixture) -> None:
    LineRelay(module=MODULE).feed(b'Traceback (most recent call last):\n  File "x"\nValueError: y\n')
    assert {level for _, level, _ in heard(caplog)} == {logging.ERROR}


def test_lines_in_pieces_and_bytes_that_are_no_text(caplog: pytest.LogCaptureFixture) -> None:
    relay = LineRelay(module=MODULE)
    for piece in (b"one ", b"line\n\xff", b"two\nthe ", b"rest"):
        relay.feed(piece)
    relay.end()
    assert [message for *_, message in heard(caplog)] == ["one line", "\ufffdtwo", "the rest"]


def test_a_line_without_end_is_cut(caplog: pytest.LogCaptureFixture) -> None:
    relay = LineRelay(module=MODULE)
    for _ in range(100):
        relay.feed(b"x" * 1000)
    assert max(len(message) for *_, message in heard(caplog)) <= 3000
    assert len(heard(caplog)) > 10


def test_a_flood_is_bounded_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    now_s = [0.0]
    relay = LineRelay(module=MODULE, monotonic=lambda: now_s[0])
    relay.feed(b"flood\n" * 10_000)
    assert len(heard(caplog)) == 400
    now_s[0] = 60.0
    relay.feed(b"after\n")
    assert [message for *_, message in heard(caplog)][400:] == [
        "9600 lines were too many and are lost",
        "after",
    ]


async def test_a_pipe_is_read_to_its_end(caplog: pytest.LogCaptureFixture) -> None:
    reading, writing = os.pipe()
    task = asyncio.create_task(relay_lines(reading, module=MODULE))
    os.write(writing, b"INFO edge_agent.a: hello\nlast")
    os.close(writing)
    await asyncio.wait_for(task, 5)
    assert [message for *_, message in heard(caplog)] == ["hello", "last"]
