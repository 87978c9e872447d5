"""What is known of a day's pictures, in a file beside them: one line each, the last one of a picture counts.

It is only ever appended to, and before the picture gets its name, so that a picture that is there has its
record. Lines of pictures that are gone mean nothing.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from typing import Final

from pydantic import ValidationError

from edge_agent.errors import StorageError
from edge_agent.snapshots.files import DayFolder
from edge_agent.snapshots.picture import Picture

__all__ = ["RECORDS", "append_records", "outgrown", "read_records", "rewrite_records"]

logger = logging.getLogger(__name__)

RECORDS: Final = "records.jsonl"
_TEMPORARY: Final = f".{RECORDS}.tmp"
_MAX_LINE_BYTES: Final = 16 * 1024
# More than any record has.
_ROOMY_BYTES: Final = 2048
_ROOMY_LINES: Final = 100


def append_records(folder: DayFolder, pictures: Iterable[Picture]) -> None:
    """Write down records; the disk has them when this returns. Raises StorageError: then it has none."""
    folder.append(RECORDS, b"".join(_line(picture) for picture in pictures))


def read_records(folder: DayFolder) -> Iterator[Picture]:
    """Yield every record that can be read, in the order in which they were written."""
    try:
        descriptor = folder.open(RECORDS)
    except FileNotFoundError:
        return
    unreadable = 0
    with os.fdopen(descriptor, "rb") as file:
        try:
            while line := file.readline(_MAX_LINE_BYTES):
                try:
                    yield Picture.model_validate_json(line)
                except ValidationError:
                    unreadable += bool(line.strip())
        except OSError as error:
            raise StorageError(f"{RECORDS}: {error.strerror or error}") from error
    if unreadable:
        logger.warning("%d records of a day cannot be read; its pictures tell the rest", unreadable)


def outgrown(folder: DayFolder, pictures: int) -> bool:
    """Whether the file has become much longer than its day's pictures need."""
    try:
        return folder.size(RECORDS) > _ROOMY_BYTES * (pictures + _ROOMY_LINES)
    except FileNotFoundError:
        return False


def rewrite_records(folder: DayFolder, pictures: Iterable[Picture]) -> None:
    """Write the file anew with what is still there. Raises StorageError."""
    folder.write(_TEMPORARY, b"".join(_line(picture) for picture in pictures))
    folder.rename(_TEMPORARY, RECORDS)
    folder.sync()


def _line(picture: Picture) -> bytes:
    return picture.model_dump_json().encode() + b"\n"
