"""A picture that was taken: what is known of it, wherever it goes."""

from __future__ import annotations

import re
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["PICTURE_ID", "Picture", "PictureFormat"]

# Sorts by time: 20261121T004512123Z-0007. It is part of file names, so that nothing else may be in it.
PICTURE_ID: Final = re.compile(r"\d{8}T\d{9}Z-\d{4,12}")

PictureFormat = Literal["jpeg", "png", "dng"]


class Picture(BaseModel):
    """One picture. `cause` says who asked for it (`command a1`, `schedule dusk`), `reason` why, in words."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str = Field(pattern=f"^{PICTURE_ID.pattern}$")
    time: str
    format: PictureFormat
    width: int
    height: int
    size_bytes: int
    sha256: str
    cause: str
    reason: str | None = None
    exposure_us: int | None = None
    analogue_gain: float | None = None
    lux: float | None = None
    locked: bool = False

    @property
    def file_name(self) -> str:
        """Its name as a file."""
        return f"{self.id}.{'jpg' if self.format == 'jpeg' else self.format}"

    @property
    def media_type(self) -> str:
        """Its type for HTTP."""
        return "image/x-adobe-dng" if self.format == "dng" else f"image/{self.format}"
