"""What `status.snapshot` says."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from edge_agent.snapshots.picture import Picture, PictureFormat
from edge_agent.snapshots.store import StoreFacts

__all__ = ["SnapshotStatus"]


class SnapshotStatus(BaseModel):
    """The last picture, how many were taken since the start, and the store."""

    model_config = ConfigDict(frozen=True)

    id: str | None = Field(None, description="The last picture's")
    time: str | None = Field(None, description="When it was taken")
    format: PictureFormat | None = Field(None, description="Its format")
    width: int | None = Field(None, description="In pixels")
    height: int | None = Field(None, description="In pixels")
    size_bytes: int | None = Field(None, description="Of its file")
    sha256: str | None = Field(None, description="Of its file")
    cause: str | None = Field(None, description="Who asked for it")
    reason: str | None = Field(None, description="What the asker called it")
    sent_to: tuple[str, ...] = Field((), description="Where it went")
    count: int = Field(0, description="How many were taken since the start")
    store: StoreFacts = StoreFacts()

    @classmethod
    def of(
        cls, last: Picture | None, *, sent_to: tuple[str, ...], count: int, store: StoreFacts
    ) -> SnapshotStatus:
        """Return the status after a picture."""
        facts = {} if last is None else {k: v for k, v in last.model_dump().items() if k in cls.model_fields}
        return cls(**facts, sent_to=sent_to, count=count, store=store)
