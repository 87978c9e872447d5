"""What is on disk beside each picture that waits."""

from __future__ import annotations

import hashlib
import re
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge_agent.errors import StorageError
from edge_agent.snapshots.picture import PICTURE_ID, Picture

__all__ = ["MAX_RECORD_BYTES", "TICKET", "Parked", "Record", "ticket_of"]

MAX_RECORD_BYTES: Final = 65_536
# It is part of file names, so that nothing else may be in it, and it sorts by the picture's time.
TICKET: Final = re.compile(rf"{PICTURE_ID.pattern}-[0-9a-f]{{12}}")


def ticket_of(picture: Picture, url: str | None) -> str:
    """Return the name of this upload: the same picture to the same place is the same upload."""
    name = f"{picture.sha256}\n{url or ''}".encode()
    return f"{picture.id}-{hashlib.sha256(name).hexdigest()[:12]}"


class Parked(BaseModel):
    """Why an upload waits for somebody's word."""

    model_config = ConfigDict(frozen=True)

    code: str
    message: str
    time: str


class Record(BaseModel):
    """One upload. `url` is the one that the command gave, None for the configured one of the day."""

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    ticket: str = Field(pattern=f"^{TICKET.pattern}$")
    picture: Picture
    url: str | None = None
    added: str
    parked: Parked | None = None

    @property
    def content_name(self) -> str:
        """The picture's file in the spool."""
        return self.ticket + self.picture.file_name[len(self.picture.id) :]

    @property
    def idempotency_key(self) -> str:
        """What a server may know this picture by, however often it is sent."""
        return f"{self.picture.id}-{self.picture.sha256[:16]}"

    def encoded(self) -> bytes:
        """Return the record as it is on disk, with a checksum: a bit that tipped must not change a URL."""
        document = self.model_dump_json().encode()
        return hashlib.sha256(document).hexdigest().encode() + b" " + document + b"\n"

    @classmethod
    def decoded(cls, content: bytes, *, ticket: str) -> Record:
        """Return what was written. Raises StorageError `record_damaged`."""
        checksum, _, document = content.rstrip(b"\n").partition(b" ")
        if hashlib.sha256(document).hexdigest().encode() != checksum:
            raise StorageError("its checksum does not fit", code="record_damaged")
        try:
            record = cls.model_validate_json(document)
        except ValidationError as error:
            # Never its input: that may be a URL with a key in it.
            raise StorageError(
                f"it is no record: {error.error_count()} faults", code="record_damaged"
            ) from None
        if record.ticket != ticket:
            raise StorageError("it is another upload's", code="record_damaged")
        return record
