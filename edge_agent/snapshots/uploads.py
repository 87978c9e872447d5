"""Where a picture goes to be uploaded, as the snapshots see it."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from edge_agent.snapshots.picture import Picture

__all__ = ["Uploader"]


class Uploader(Protocol):
    """Takes pictures, and uploads them sooner or later."""

    @property
    def configured(self) -> bool:
        """Whether there is a place for pictures that name none."""
        ...

    async def add(self, picture: Picture, content: bytes | Path, *, url: str | None = None) -> str:
        """Return the ticket of a picture that is to be uploaded; it is on the disk when this returns.

        Raises StorageError, or RefusedError where it cannot be uploaded there.
        """
        ...
