"""A picture that was taken: what is known of it, wherever it goes."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from edge_agent.clock import rfc3339

__all__ = ["PICTURE_ID", "Picture", "PictureFormat", "file_name", "id_prefix", "picture_id", "time_of"]

# Sorts by time: 20261121T004512123Z-0007. It is part of file names, so that nothing else may be in it.
PICTURE_ID: Final = re.compile(r"[0-9]{8}T[0-9]{9}Z-[0-9]{4,12}")

PictureFormat = Literal["jpeg", "png", "dng"]


def id_prefix(moment: datetime) -> str:
    """Return how the ids of all pictures of that millisecond begin; `moment` is in UTC."""
    return f"{moment:%Y%m%dT%H%M%S}{moment.microsecond // 1000:03d}Z"


def picture_id(moment: datetime, count: int) -> str:
    """Return an id. The count tells two pictures of one millisecond apart."""
    return f"{id_prefix(moment)}-{count:04d}"


def time_of(id_: str) -> str | None:
    """Return the time that an id names, None where there is no such day or hour."""
    try:
        moment = datetime.strptime(id_.partition("Z")[0] + "000+0000", "%Y%m%dT%H%M%S%f%z")
    except ValueError:
        return None
    return rfc3339(moment)


def file_name(id_: str, format_: PictureFormat) -> str:
    """Return the name of a picture's file."""
    return f"{id_}.{'jpg' if format_ == 'jpeg' else format_}"


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
        return file_name(self.id, self.format)

    @property
    def media_type(self) -> str:
        """Its type for HTTP."""
        return "image/x-adobe-dng" if self.format == "dng" else f"image/{self.format}"
