"""Schedules that commands saved, beside those of the owner's files, with a version that counts the changes.

A saved one takes the place of a file's of the same name. A file's schedule can be switched on and off
without being copied: then it follows its file in everything else.
"""

from __future__ import annotations

import contextlib
import json
import logging
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge_agent.errors import RefusedError, StorageError
from edge_agent.schedules.schedule import Schedule
from edge_agent.storage import write_atomically

__all__ = ["MAX_SAVED", "Saved", "Store", "saved_path"]

logger = logging.getLogger(__name__)

MAX_SAVED: Final = 500
_MAX_BYTES: Final = 4 * 1024 * 1024


def saved_path(state_dir: Path) -> Path:
    """Return the file that schedules are saved in."""
    return state_dir / "schedules.d" / "saved.json"


class Saved(BaseModel):
    """The document on disk. `switches` says which of the files' schedules are on or off instead."""

    model_config = ConfigDict(frozen=True)

    version: int = Field(0, ge=0)
    schedules: dict[str, Schedule] = {}
    switches: dict[str, bool] = {}


class Store:
    """One file, replaced as a whole. Its methods block for the disk; they raise StorageError."""

    def __init__(self, *, path: Path) -> None:
        self._path = path
        self.saved = Saved()

    def load(self, *, set_aside: bool = True) -> str | None:
        """Read what was saved; return what is wrong with it. What is damaged can be set aside."""
        try:
            with self._path.open("rb") as file:
                content = file.read(_MAX_BYTES)
            document = json.loads(content)
            for name, fields in document["schedules"].items():
                fields["name"] = name
            self.saved = Saved.model_validate(document)
        except FileNotFoundError:
            return None
        except OSError as error:
            return f"{self._path}: {error.strerror or error}"
        except (ValidationError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            if not set_aside:
                return f"{self._path}: it is damaged"
            aside = self._path.with_suffix(".damaged")
            logger.warning("%s is damaged; it is set aside as %s", self._path, aside, exc_info=True)
            with contextlib.suppress(OSError):
                self._path.replace(aside)
            return f"{self._path}: it was damaged and is set aside as {aside.name}"
        return None

    def require(self, version: int | None) -> None:
        """Raise RefusedError where somebody else changed something since the caller looked."""
        if version is not None and version != self.saved.version:
            raise RefusedError(
                f"the schedules are at version {self.saved.version}, not {version}: somebody else changed "
                "them; list them, and send it again",
                code="version_conflict",
                field="if_version",
                value=version,
                allowed=self.saved.version,
            )

    def put(self, schedule: Schedule) -> None:
        """Save a schedule."""
        known = {name: kept for name, kept in self.saved.schedules.items() if name != schedule.name}
        if len(known) >= MAX_SAVED:
            raise RefusedError(f"{MAX_SAVED} schedules are saved; delete one first", code="too_many")
        self._write(schedules={**known, schedule.name: schedule}, switches=self._switches_but(schedule.name))

    def drop(self, name: str) -> None:
        """Forget what was saved of a schedule."""
        known = {other: kept for other, kept in self.saved.schedules.items() if other != name}
        self._write(schedules=known, switches=self._switches_but(name))

    def switch(self, name: str, *, enabled: bool) -> None:
        """Switch a schedule on or off."""
        saved = self.saved.schedules.get(name)
        if saved is not None:
            self.put(saved.model_copy(update={"enabled": enabled}))
        else:
            self._write(schedules=self.saved.schedules, switches={**self._switches_but(name), name: enabled})

    def _switches_but(self, name: str) -> dict[str, bool]:
        return {other: on for other, on in self.saved.switches.items() if other != name}

    def _write(self, *, schedules: dict[str, Schedule], switches: dict[str, bool]) -> None:
        saved = Saved(version=self.saved.version + 1, schedules=schedules, switches=switches)
        document: dict[str, Any] = {
            "version": saved.version,
            "schedules": {name: schedule.document() for name, schedule in schedules.items()},
            "switches": switches,
        }
        content = json.dumps(document, indent=1, ensure_ascii=False).encode()
        if len(content) > _MAX_BYTES:
            raise StorageError(f"the saved schedules would take more than {_MAX_BYTES} bytes")
        write_atomically(self._path, content)
        self.saved = saved
