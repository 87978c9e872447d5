"""`status.upload`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

__all__ = ["UploadFailure", "UploadStatus"]


class UploadFailure(BaseModel):
    """The last thing that went wrong."""

    model_config = ConfigDict(frozen=True)

    code: str
    message: str
    time: str


class UploadStatus(BaseModel):
    """How the uploads are doing. `bytes` and `oldest` are of all that is kept.

    `uploaded` counts since the start. `state`: `off` (no URL is configured), `idle`, `uploading`,
    `backing_off` (a server is away or says later), `failed` (the spool cannot be used).
    """

    model_config = ConfigDict(frozen=True)

    state: Literal["off", "idle", "uploading", "backing_off", "failed"]
    reason: str | None = None
    url: str | None = None
    waiting: int = 0
    uploading: int = 0
    parked: int = 0
    damaged: int = 0
    oldest: str | None = None
    bytes: int = 0
    uploaded: int = 0
    last_success: str | None = None
    last_error: UploadFailure | None = None
