"""The log from afar: its last lines, those to come, and how much is logged."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections import deque
from types import TracebackType
from typing import Final, Literal, Self

from pydantic import Field

from edge_agent.config import Section
from edge_agent.contract.command import Arguments, Call, Outcome, command
from edge_agent.feature import Feature, Host
from edge_agent.logs.buffer import LogBuffer, LogLine, Wanted
from edge_agent.logs.formatting import SecretMask

__all__ = ["LogsConfig", "LogsFeature"]

logger = logging.getLogger(__name__)

Level = Literal["debug", "info", "warning", "error"]

_MAX_BYTES: Final = 128 * 1024
_LINES_AN_EVENT: Final = 50
_WAITING: Final = 500
_BETWEEN_S: Final = 0.5
# Sending a line may log one: what these say is in the buffer, but nobody who follows causes more of it.
_OF_THE_WIRE: Final = ("edge_agent.mqtt", "edge_agent.agent", "edge_agent.contract", "edge_agent.logs")


class LogsConfig(Section):
    """How much of the log is kept in memory."""

    keep_lines: int = Field(1000, ge=10, le=20_000, description="Lines that are kept at most")


class LogsArguments(Arguments):
    """Which lines, and for how long."""

    lines: int = Field(100, ge=0, le=1000, description="The last so many lines that fit the rest")
    level: Level = Field("info", description="The least severe that is shown")
    logger: str | None = Field(
        None, min_length=1, max_length=100, description="This logger and those below it"
    )
    contains: str | None = Field(None, min_length=1, max_length=200, description="A text, in any case")
    follow_s: float = Field(
        0, ge=0, le=600, description="Seconds to tell new lines on event/log; it ends by itself"
    )
    set_level: Level | None = Field(
        None, description="Log from this level on, until the agent's next start; children from theirs on"
    )


class LogsFeature(Feature):
    """Keeps the last lines and carries out `logs`."""

    name = "logs"
    section = LogsConfig

    def __init__(self, *, host: Host, config: LogsConfig) -> None:
        super().__init__(host=host, config=config)
        self._buffer = LogBuffer(size=config.keep_lines, mask=SecretMask(host.configuration.secrets()))
        self._following: asyncio.Task[None] | None = None
        self._waiting: deque[LogLine] = deque()
        self._dropped = 0

    async def __aenter__(self) -> Self:
        logging.getLogger().addHandler(self._buffer)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end_following()
        logging.getLogger().removeHandler(self._buffer)

    @command(
        name="logs", arguments=LogsArguments, main="lines", changes=lambda given: given.set_level is not None
    )
    async def logs(self, call: Call) -> Outcome:
        """Return the last log lines, follow new ones on event/log for a while, or set what is logged."""
        arguments: LogsArguments = call.arguments
        wanted = Wanted(
            level=getattr(logging, arguments.level.upper()),
            logger=arguments.logger,
            contains=arguments.contains,
        )
        applied: dict[str, object] = {}
        if arguments.set_level is not None:
            applied["set_level"] = arguments.set_level
            if not call.dry_run:
                self._set_level(arguments.set_level, call.cause)
        if "follow_s" in call.given:
            applied["follow_s"] = arguments.follow_s
            if not call.dry_run:
                await self._end_following()
                if arguments.follow_s > 0:
                    self._follow(wanted, arguments.follow_s)
        found = self._buffer.last(arguments.lines, wanted)
        documents, left_off = _fitting(found)
        level = logging.getLevelName(logging.getLogger().getEffectiveLevel()).lower()
        return Outcome(
            applied=applied, result={"lines": documents, "left_off": left_off, "logging_level": level}
        )

    @staticmethod
    def _set_level(level: Level, cause: str) -> None:
        logging.getLogger().setLevel(level.upper())
        os.environ["CHILD_LOG_LEVEL"] = level.upper()
        logger.warning("From now on %s and above are logged (%s)", level, cause)

    def _follow(self, wanted: Wanted, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        ends_at_s = self.host.clock.monotonic() + seconds
        self._waiting.clear()
        self._dropped = 0

        def take(line: LogLine) -> None:
            if len(self._waiting) >= _WAITING:
                self._dropped += 1
            else:
                self._waiting.append(line)

        def on_line(line: LogLine) -> None:
            of_the_wire = any(line.logger.startswith(name) for name in _OF_THE_WIRE)
            if wanted.takes(line) and not of_the_wire and not loop.is_closed():
                loop.call_soon_threadsafe(take, line)

        self._buffer.on_line = on_line
        self._following = loop.create_task(self._tell(ends_at_s), name="logs follow")

    async def _tell(self, ends_at_s: float) -> None:
        clock = self.host.clock
        while (left_s := ends_at_s - clock.monotonic()) > 0:
            await clock.sleep(min(_BETWEEN_S, left_s))
            self._send()
        self._following = None
        self._ended()

    def _ended(self) -> None:
        self._buffer.on_line = None
        self._send()
        self.host.events.emit("log", "ended")

    def _send(self) -> None:
        if not self._waiting and not self._dropped:
            return
        lines = [self._waiting.popleft() for _ in range(min(_LINES_AN_EVENT, len(self._waiting)))]
        dropped, self._dropped = self._dropped, 0
        self.host.events.emit("log", "lines", lines=[line.document() for line in lines], dropped=dropped)

    async def _end_following(self) -> None:
        following, self._following = self._following, None
        if following is not None:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            self._ended()


def _fitting(lines: list[LogLine]) -> tuple[list[dict[str, object]], int]:
    """Return the newest lines that fit into one reply, the oldest first, and how many do not."""
    documents: list[dict[str, object]] = []
    room = _MAX_BYTES
    for line in reversed(lines):
        document = line.document()
        room -= len(json.dumps(document))
        if room < 0:
            break
        documents.append(document)
    return documents[::-1], len(lines) - len(documents)
