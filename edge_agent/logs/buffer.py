"""The last log lines in memory, and whoever follows them."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from edge_agent.clock import rfc3339
from edge_agent.logs.formatting import SecretMask

__all__ = ["LogBuffer", "LogLine", "Wanted"]

_MAX_CHARS: Final = 2000


@dataclass(frozen=True, slots=True)
class LogLine:
    """One record, masked and bounded."""

    at: datetime
    level: int
    logger: str
    message: str

    def document(self) -> dict[str, Any]:
        """Return it as it goes on the wire."""
        return {
            "time": rfc3339(self.at),
            "level": logging.getLevelName(self.level).lower(),
            "logger": self.logger,
            "message": self.message,
        }


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines: at least this level, of this logger and those below it, with this text in any case."""

    level: int = 0
    logger: str | None = None
    contains: str | None = None

    def takes(self, line: LogLine) -> bool:
        """Whether this line is wanted."""
        if line.level < self.level:
            return False
        if self.logger is not None and not f"{line.logger}.".startswith(f"{self.logger}."):
            return False
        return self.contains is None or self.contains.lower() in line.message.lower()


class LogBuffer(logging.Handler):
    """Keeps the last `size` lines, from any thread. `on_line` is called with each, on its own thread."""

    def __init__(self, *, size: int, mask: SecretMask) -> None:
        super().__init__()
        self._mask = mask
        self._lines: deque[LogLine] = deque(maxlen=size)
        self._own = logging.Formatter("%(message)s")
        self._telling = threading.local()
        self.on_line: Callable[[LogLine], None] | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record in; one that cannot be formatted is logging's own to report."""
        try:
            text = self._mask(self._own.format(record))
        except Exception:  # noqa: BLE001 - as every handler of logging does
            self.handleError(record)
            return
        if len(text) > _MAX_CHARS:
            # The cause stands at a traceback's end, what it was about at its beginning.
            text = f"{text[: _MAX_CHARS // 4]} ... {text[-(_MAX_CHARS * 3 // 4) :]}"
        line = LogLine(datetime.fromtimestamp(record.created, UTC), record.levelno, record.name, text)
        self._lines.append(line)
        # What telling a line logs is kept, but not told: it would never end.
        if self.on_line is None or getattr(self._telling, "now", False):
            return
        self._telling.now = True
        try:
            self.on_line(line)
        finally:
            self._telling.now = False

    def last(self, count: int, wanted: Wanted) -> list[LogLine]:
        """Return the last `count` lines that are wanted, the oldest first."""
        self.acquire()
        try:
            lines = tuple(self._lines)
        finally:
            self.release()
        found = [line for line in lines if wanted.takes(line)]
        return found[-count:] if count else []
