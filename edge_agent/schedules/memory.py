"""What schedules did, over restarts: what holds, which times were seen to, and the last outcomes."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from edge_agent.clock import rfc3339
from edge_agent.storage import set_aside, write_atomically

__all__ = ["CLOCK_CORRECTION", "Held", "Memory", "Result"]

logger = logging.getLogger(__name__)

# A clock that is set back by less than this was a little wrong: what it brings again was done already. More
# is a clock that was quite wrong: what it brought on did not count.
CLOCK_CORRECTION: Final = timedelta(hours=1)
_MAX_RESULTS: Final = 10
_MAX_BYTES: Final = 4 * 1024 * 1024


class Held(BaseModel):
    """The time of a profile's schedule that was seen to last, and when that was."""

    model_config = ConfigDict(frozen=True)

    schedule: str
    profile: str
    at: AwareDatetime
    seen_at: AwareDatetime


class Result(BaseModel):
    """How one run ended.

    `outcome` is done, failed, held (what was set by hand holds for a while), skipped (missed, by its rule),
    overridden (another one holds), by_hand (somebody set something else meanwhile) or ended_with_agent.
    """

    model_config = ConfigDict(frozen=True)

    schedule: str
    does: str
    time: AwareDatetime
    outcome: str
    late_s: float | None = None
    took_s: float | None = None
    error: str | None = None

    def document(self) -> dict[str, Any]:
        """Return the entry in `status.schedule.last`."""
        return {**self.model_dump(), "time": rfc3339(self.time)}


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True)

    held: Held | None = None
    seen: dict[str, AwareDatetime] = {}
    running: dict[str, AwareDatetime] = {}
    results: list[Result] = Field([], max_length=_MAX_RESULTS)


class Memory:
    """`seen` says up to which time a command's schedule was seen to. Changes count when they are written."""

    def __init__(self, *, path: Path) -> None:
        self._path = path
        self.held: Held | None = None
        self.seen: dict[str, datetime] = {}
        self.running: dict[str, datetime] = {}
        self.results: list[Result] = []
        self._ahead: dict[str, datetime] = {}
        self.dirty = False

    def load(self) -> None:
        """Read it. What is damaged is as if there had been nothing: what should hold is then done anew."""
        try:
            with self._path.open("rb") as file:
                document = _Document.model_validate(json.loads(file.read(_MAX_BYTES)))
        except FileNotFoundError:
            return
        except OSError as error:
            logger.warning("%s cannot be read; what should hold now is done anew: %s", self._path, error)
            return
        except (ValidationError, ValueError, RecursionError) as error:
            logger.warning(
                "%s is damaged and set aside; what should hold now is done anew: %s", self._path, error
            )
            set_aside(self._path)
            return
        self.held, self.results = document.held, list(document.results)
        self.seen, self.running = dict(document.seen), dict(document.running)

    def document(self) -> bytes:
        """Return what is to be written."""
        self.dirty = False
        return (
            _Document(held=self.held, seen=self.seen, running=self.running, results=self.results)
            .model_dump_json()
            .encode()
        )

    def write(self, content: bytes) -> None:
        """Write a document; it blocks for the disk. Raises StorageError."""
        write_atomically(self._path, content)

    def add(self, result: Result) -> None:
        """Keep one more outcome, of the last ones."""
        self.results = [*self.results, result][-_MAX_RESULTS:]
        self.dirty = True

    def keep_only(self, names: Iterable[str]) -> None:
        """Forget the times of schedules that are gone."""
        known = set(names)
        self.seen = {name: at for name, at in self.seen.items() if name in known}
        self._ahead = {name: at for name, at in self._ahead.items() if name in known}

    def clock_is(self, now: datetime) -> None:
        """Take note of the time at a start and after a jump."""
        for name, at in list(self.seen.items()):
            if at - now > CLOCK_CORRECTION:
                # Which of both clocks was wrong turns out later: if it goes forward again, this one is.
                self._ahead[name] = max(at, self._ahead.get(name, at))
                self.seen[name] = now
        for name, at in list(self._ahead.items()):
            if at <= now:
                self.seen[name] = max(at, self.seen.get(name, at))
                del self._ahead[name]
