"""What `status.updates` says."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["State", "UpdatesStatus"]

State = Literal["idle", "checking", "installing", "failed", "rolled_back"]


class UpdatesStatus(BaseModel):
    """Which version there is, which there could be, and how an installation goes."""

    model_config = ConfigDict(frozen=True)

    installed: str = Field(description="The installed version: the Debian package's where it is one")
    latest: str | None = Field(
        description="The newest that is known; the installed one where nothing is newer, null until it was "
        "looked for"
    )
    newer: bool | None = Field(description="Whether `latest` is newer than what is installed")
    source: Literal["apt", "url"] | None = Field(description="Who says so; null where nobody is asked")
    state: State = Field(description="What is done; failed and rolled_back are how the last one ended")
    target: str | None = Field(description="The version that is installed, or was tried last")
    step: str | None = Field(description="What the installation does: save, download, install, online, ...")
    progress: float | None = Field(description="How far it is, 0 to 1; null while nothing is installed")
    installable: bool = Field(description="Whether the command `update` may install")
    obstacle: str | None = Field(description="Why it may not, and what to do about that")
    checked_at: str | None = Field(description="When it was last looked for")
    error: str | None = Field(description="Why the last look, or the last installation, failed")
    summary: str | None = Field(description="What is new in `latest`, where the source says so")
    url: str | None = Field(description="Where more is to read about it")
