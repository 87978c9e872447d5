"""The journal of commands: what was taken on, and how it ended, on disk.

A caller that repeats an `id` gets the first outcome, also when the agent was killed in between. A command
that was under way at a kill is ended at the next start, so that nobody waits for it for ever.

The file holds one JSON object a line, appended when a command is taken on and when it ends. It is written
before the command is carried out and read at the start; lines that a kill cut short are passed over. A kill
of the process loses nothing; only a power cut can lose the last lines that the kernel still held. A disk
that refuses stops no command: the ids are then known until the agent ends, and `trouble` says so. Where it
has only the beginning of a command, the end is marked there, in place: nobody is answered a second time.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import json
import logging
import os
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from edge_agent.clock import Clock, rfc3339
from edge_agent.contract.wire import encoded
from edge_agent.errors import StorageError
from edge_agent.saving import RETRY_EVERY_S
from edge_agent.storage import write_atomically

__all__ = ["Entry", "Journal"]

logger = logging.getLogger(__name__)

_MAX_FILE_BYTES: Final = 64 * 1024 * 1024
_UNDER_WAY: Final = b"null}\n"
# As long, so that it takes no room on the disk: it has ended, and nobody could write down how.
_ENDED: Final = b"true}\n"


@dataclass(frozen=True, slots=True)
class Entry:
    """One command: its outcome is None while it is under way.

    `since_s` is when it became known, by this run's monotonic clock: a wall clock that jumps ages nothing.
    """

    key: str
    command: str
    time: datetime
    outcome: dict[str, Any] | None = None
    since_s: float = 0.0

    @property
    def caller_id(self) -> str | int | None:
        """The id that the caller gave; None where it gave none."""
        try:
            found = json.loads(self.key)
        except (ValueError, RecursionError):
            return None
        return found if isinstance(found, str | int) else None


class Journal:
    """The commands of the last `window_s` seconds that carried an id, at most `max_entries` of them."""

    def __init__(
        self,
        *,
        path: Path,
        clock: Clock,
        window_s: float,
        max_entries: int,
        on_trouble: Callable[[str | None], None] | None = None,
    ) -> None:
        self._path = path
        self._clock = clock
        self._window_s = window_s
        self._max_entries = max_entries
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        # Where in the file it says of a command that it is under way.
        self._places: dict[str, int] = {}
        self._descriptor: int | None = None
        self._lines = 0
        self._torn = False
        self._again: asyncio.TimerHandle | None = None
        self._on_trouble = on_trouble
        self.trouble: str | None = None

    def open(self) -> list[Entry]:
        """Read the file and return the commands that were under way when the agent ended."""
        now, monotonic = self._clock.now(), self._clock.monotonic()
        for entry in self._read():
            # A clock that was set back makes entries of the future: they count as new, not as ancient.
            age_s = max(0.0, (now - entry.time).total_seconds())
            self._entries[entry.key] = replace(entry, since_s=monotonic - age_s)
        self._expire()
        self._compact()
        return [entry for entry in self._entries.values() if entry.outcome is None]

    def find(self, key: str) -> Entry | None:
        """Return what is known of an id, None where it is new."""
        self._expire()
        return self._entries.get(key)

    def begin(self, key: str, command: str) -> None:
        """Note that a command is taken on."""
        entry = Entry(key, command, self._clock.now(), since_s=self._clock.monotonic())
        self._entries[key] = entry
        self._entries.move_to_end(key)
        self._append(entry)

    def finish(self, key: str, outcome: dict[str, Any]) -> None:
        """Note how a command ended."""
        started = self._entries.get(key)
        if started is None:
            self.remember(key, str(outcome.get("command", "")), outcome)
        else:
            self._entries[key] = replace(started, outcome=outcome)
        self._append(self._entries[key])

    def remember(self, key: str, command: str, outcome: dict[str, Any]) -> None:
        """Keep an outcome in memory only: a refusal is found again without the disk's help."""
        self._entries[key] = Entry(key, command, self._clock.now(), outcome, since_s=self._clock.monotonic())

    def close(self) -> None:
        """Let go of the file."""
        if self._again is not None:
            self._again.cancel()
            self._again = None
        self._let_go()

    def _let_go(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _expire(self) -> None:
        oldest = self._clock.monotonic() - self._window_s
        expired: list[str] = []
        for key, entry in self._entries.items():
            if entry.since_s >= oldest and len(self._entries) - len(expired) <= self._max_entries:
                break
            # What is under way is known until it ends: its id must not be carried out a second time.
            if entry.outcome is not None:
                expired.append(key)
        for key in expired:
            del self._entries[key]

    def _append(self, entry: Entry) -> None:
        line = _line(entry)
        try:
            if self._descriptor is None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._descriptor = os.open(
                    self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600
                )
            whole = b"\n" + line if self._torn else line
            self._torn = True
            if os.write(self._descriptor, whole) < len(whole):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # noqa: TRY301 - as the next write would
            self._torn = False
            self._note_place(entry, line, os.lseek(self._descriptor, 0, os.SEEK_CUR))
        except OSError as error:
            self._set_trouble(error.strerror or str(error))
            self._mark_ended(entry)
            return
        self._lines += 1
        # After trouble, too: what could not be appended meanwhile is only in memory.
        if self.trouble is not None or self._lines > 2 * self._max_entries + 100:
            self._compact()

    def _note_place(self, entry: Entry, line: bytes, end: int) -> None:
        if entry.outcome is None and line.endswith(_UNDER_WAY):
            self._places[entry.key] = end - len(_UNDER_WAY)
        else:
            self._places.pop(entry.key, None)

    def _mark_ended(self, entry: Entry) -> None:
        """Say in the line that is there that a command has ended, where there is no room for a second one."""
        place = self._places.pop(entry.key, None)
        if entry.outcome is None or place is None:
            return
        # Not the descriptor at hand: what is opened to append writes at the end only.
        with contextlib.suppress(OSError):
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.pwrite(descriptor, _ENDED, place)
            finally:
                os.close(descriptor)

    def _set_trouble(self, why: str | None) -> None:
        """Tell what is wrong with the disk, None where nothing is; what is wrong is tried again."""
        if why is not None and self._again is None:
            # Without a loop nobody waits for commands either.
            with contextlib.suppress(RuntimeError):
                self._again = asyncio.get_running_loop().call_later(RETRY_EVERY_S, self._try_again)
        if (why is None) == (self.trouble is None):
            return
        if why is None:
            logger.info("The journal of commands can be written again")
            self.trouble = None
        else:
            logger.warning("The journal of commands cannot be written: %s", why)
            self.trouble = f"{self._path} cannot be written ({why}): a repeated id is forgotten at a restart"
        if self._on_trouble is not None:
            self._on_trouble(self.trouble)

    def _try_again(self) -> None:
        self._again = None
        # As a whole: what could not be appended is in it.
        self._compact()

    def _compact(self) -> None:
        self._let_go()
        try:
            lines = [_line(entry) for entry in self._entries.values()]
            # On the event loop, like every line of it; the journal promises to outlive a kill, no more.
            write_atomically(self._path, b"".join(lines), wait_for_disk=False)
            ends = itertools.accumulate(map(len, lines))
            for entry, line, end in zip(self._entries.values(), lines, ends, strict=True):
                self._note_place(entry, line, end)
        except StorageError as error:
            cause = error.__cause__
            self._set_trouble(cause.strerror or str(cause) if isinstance(cause, OSError) else error.message)
        else:
            self._torn = False
            self._set_trouble(None)
        # Also where it failed: the next try is as many lines away.
        self._lines = len(self._entries)

    def _read(self) -> Iterator[Entry]:
        try:
            with self._path.open("rb") as file:
                content = file.read(_MAX_FILE_BYTES)
        except FileNotFoundError:
            return
        except OSError as error:
            logger.warning("The journal of commands cannot be read, starting a new one: %s", error)
            return
        unreadable = 0
        # A last line without its end would swallow the next one.
        self._torn = bool(content) and not content.endswith(b"\n")
        for line in content.splitlines():
            if not line:
                continue
            try:
                document = json.loads(line)
                if document["outcome"] is True:
                    continue  # it has ended, and how is not known: see _ENDED
                yield Entry(
                    key=str(document["key"]),
                    command=str(document["command"]),
                    time=datetime.fromisoformat(document["time"]).astimezone(UTC),
                    outcome=_object_or_none(document["outcome"]),
                )
            except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
                unreadable += 1
        if unreadable:
            logger.warning(
                "%d lines of the journal of commands could not be read and are dropped", unreadable
            )


def _object_or_none(value: Any) -> dict[str, Any] | None:
    if value is None or isinstance(value, dict):
        return value
    raise TypeError("an outcome is an object")


def _line(entry: Entry) -> bytes:
    document = {
        "key": entry.key,
        "command": entry.command,
        "time": rfc3339(entry.time),
        "outcome": entry.outcome,
    }
    return encoded(document) + b"\n"
