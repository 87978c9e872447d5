"""`status.upload`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["UploadFailure", "UploadStatus"]


class UploadFailure(BaseModel):
    """The last thing that went wrong."""

    model_config = ConfigDict(frozen=True)

    code: str = Field(description="For machines")
    message: str = Field(description="What went wrong")
    time: str = Field(description="When")


class UploadStatus(BaseModel):
    """How the uploads are doing. `bytes` and `oldest` are of all that is kept.

    `uploaded` counts since the start. `state`: `off` (no URL is configured), `idle`, `uploading`,
    `backing_off` (a server is away or says later), `failed` (the spool cannot be used).
    """

    model_config = ConfigDict(frozen=True)

    state: Literal["off", "idle", "uploading", "backing_off", "failed"] = Field(
        description="backing_off: a server is away or says later; failed: the spool cannot be used"
    )
    reason: str | None = Field(None, description="Why it is not ok, in words")
    url: str | None = Field(None, description="Where to, without secrets")
    waiting: int = Field(0, description="Pictures that wait")
    uploading: int = Field(0, description="Pictures that are on the way")
    parked: int = Field(0, description="Pictures that the server does not take")
    damaged: int = Field(0, description="Pictures that cannot be read any more")
    oldest: str | None = Field(None, description="When the oldest that is kept was taken")
    bytes: int = Field(0, description="Of all that is kept")
    uploaded: int = Field(0, description="Pictures since the start")
    last_success: str | None = Field(None, description="When the last one arrived")
    last_error: UploadFailure | None = Field(None, description="The last thing that went wrong")
