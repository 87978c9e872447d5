"""What outlives the agent: what was found at the last look, and the installation that is under way."""

from __future__ import annotations

import logging
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge_agent.storage import write_atomically
from edge_agent.updates.versions import VERSION_PATTERN

__all__ = ["Known", "Memory", "Pending"]

logger = logging.getLogger(__name__)

_MAX_FILE_BYTES: Final = 64 * 1024
_Version = Annotated[str, Field(pattern=VERSION_PATTERN)]


class Pending(BaseModel):
    """An installation that the helper was asked for, and the command that asked."""

    model_config = ConfigDict(frozen=True)

    id: str = Field(pattern=r"^[0-9a-f]{1,32}$")
    version: _Version
    previous: _Version
    cause: str = Field(max_length=4096)


class Known(BaseModel):
    """Everything that is kept. `trouble` is the problem that the last installation of `target` ended in."""

    model_config = ConfigDict(frozen=True)

    source: str | None = None
    latest: _Version | None = None
    checked_at: datetime | None = None
    summary: str | None = None
    url: str | None = None
    announced: str | None = None
    pending: Pending | None = None
    trouble: Literal["update_failed", "update_rolled_back"] | None = None
    message: str | None = None
    target: str | None = None


class Memory:
    """The file. Both methods block for the disk."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def recall(self) -> Known:
        """Return what is known; a file that cannot be read is as none."""
        try:
            with self._path.open("rb") as file:
                known = Known.model_validate_json(file.read(_MAX_FILE_BYTES))
        except FileNotFoundError:
            return Known()
        except (OSError, ValidationError) as error:
            logger.warning("%s cannot be read, newer versions are looked for anew: %s", self._path, error)
            return Known()
        if known.checked_at is not None and known.checked_at.tzinfo is None:
            return known.model_copy(update={"checked_at": None})
        return known

    def remember(self, known: Known) -> None:
        """Write it down. Raises StorageError."""
        write_atomically(self._path, known.model_dump_json().encode())
