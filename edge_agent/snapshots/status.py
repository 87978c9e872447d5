"""What `status.snapshot` says."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from edge_agent.snapshots.picture import Picture, PictureFormat
from edge_agent.snapshots.store import StoreFacts

__all__ = ["SnapshotStatus"]


class SnapshotStatus(BaseModel):
    """The last picture, how many were taken since the start, and the store."""

    model_config = ConfigDict(frozen=True)

    id: str | None = None
    time: str | None = None
    format: PictureFormat | None = None
    width: int | None = None
    height: int | None = None
    size_bytes: int | None = None
    sha256: str | None = None
    cause: str | None = None
    reason: str | None = None
    sent_to: tuple[str, ...] = ()
    count: int = 0
    store: StoreFacts = StoreFacts()

    @classmethod
    def of(
        cls, last: Picture | None, *, sent_to: tuple[str, ...], count: int, store: StoreFacts
    ) -> SnapshotStatus:
        """Return the status after a picture."""
        facts = {} if last is None else {k: v for k, v in last.model_dump().items() if k in cls.model_fields}
        return cls(**facts, sent_to=sent_to, count=count, store=store)
