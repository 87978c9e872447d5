"""What a child writes to its standard error, taken into this program's log: with its level, and bounded."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import time
from collections.abc import Callable
from typing import Final

__all__ = ["LineRelay", "relay_lines"]

_CHUNK_BYTES: Final = 8192
_LONGEST: Final = 2000
_BURST: Final = 400
_PER_S: Final = 40.0
# A child's own line, as its logging writes it.
_OWN: Final = re.compile(r"(DEBUG|INFO|WARNING|ERROR|CRITICAL) ([\w.]+): (.*)", re.DOTALL)
# libcamera's and others': `[0:01:02.345678901] [1234]  WARN RPI vc4.cpp:12 ...`
_FOREIGN: Final = re.compile(r"\b(WARN(?:ING)?|ERROR|FATAL|DEBUG)\b")
_LEVELS: Final = {
    "DEBUG": logging.DEBUG,
    "INFO": logging.INFO,
    "WARN": logging.WARNING,
    "WARNING": logging.WARNING,
    "ERROR": logging.ERROR,
    "CRITICAL": logging.CRITICAL,
    "FATAL": logging.CRITICAL,
}


class LineRelay:
    """Logs lines of the child `module`. A child that writes without end is heard 40 times a second."""

    def __init__(self, *, module: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._module = module
        self._monotonic = monotonic
        self._logger = logging.getLogger(module)
        self._level = logging.INFO
        self._tokens = float(_BURST)
        self._at_s = monotonic()
        self._dropped = 0
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Take what was read; whole lines are logged."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        # The rest of a line without end is another line.
        if len(self._rest) > _LONGEST:
            lines.append(self._rest)
            self._rest = b""
        for line in lines:
            self._line(line.decode(errors="replace").rstrip())

    def end(self) -> None:
        """Log what was left without a line's end, and how much was not logged."""
        if self._rest:
            self.feed(b"\n")
        self._tell_dropped()

    def _line(self, text: str) -> None:
        if not text or not self._may():
            return
        own = _OWN.fullmatch(text)
        if own is not None:
            level, name, text = own.groups()
            self._level = _LEVELS[level]
            self._logger = logging.getLogger(name if name.startswith("edge_agent.") else self._module)
        elif text.startswith("Traceback "):
            self._level = logging.ERROR
        elif text.startswith("["):
            foreign = _FOREIGN.search(text[:80])
            self._level = _LEVELS[foreign[1]] if foreign else logging.INFO
        # What has no level of its own goes on with that of the line before.
        self._logger.log(self._level, "%s", text[:_LONGEST])

    def _may(self) -> bool:
        now_s = self._monotonic()
        self._tokens = min(float(_BURST), self._tokens + (now_s - self._at_s) * _PER_S)
        self._at_s = now_s
        if self._tokens < 1:
            self._dropped += 1
            return False
        self._tokens -= 1
        if self._tokens > _BURST / 4:
            self._tell_dropped()
        return True

    def _tell_dropped(self) -> None:
        if self._dropped:
            logging.getLogger(self._module).warning("%d lines were too many and are lost", self._dropped)
            self._dropped = 0


async def relay_lines(descriptor: int, *, module: str) -> None:
    """Log what comes from the pipe `descriptor` until its end; it is closed then."""
    relay = LineRelay(module=module)
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", buffering=0)
    )
    try:
        while data := await reader.read(_CHUNK_BYTES):
            relay.feed(data)
    finally:
        relay.end()
        transport.close()
