"""What `snapshot` takes, and what that asks of the camera."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from edge_agent.camera.messages import PictureTags, StillRequest
from edge_agent.camera.settings import unflatten
from edge_agent.contract.command import Arguments
from edge_agent.snapshots.picture import PictureFormat

__all__ = ["Place", "SnapshotArguments"]

Place = Literal["mqtt", "store", "upload"]


class SnapshotArguments(Arguments):
    """Which picture, how it is taken, and where it goes."""

    width: int | None = Field(
        None, ge=16, le=16384, description="Pixels; null is the stream's, or follows from the height"
    )
    height: int | None = Field(
        None, ge=16, le=16384, description="Pixels; null is the stream's, or follows from the width"
    )
    full: bool = Field(False, description="Take the largest picture that the sensor gives")
    format: PictureFormat = Field("jpeg", description="How it is encoded; dng is the sensor's raw data")
    quality: int | None = Field(None, ge=1, le=100, description="Of a JPEG; null is snapshots.quality")
    focus_first: bool = Field(False, description="Run one autofocus scan before")
    time_us: int | None = Field(
        None, ge=1, description="Exposure time for this alone", json_schema_extra={"unit": "us"}
    )
    gain: float | None = Field(None, ge=1, description="Analogue gain for this alone")
    profile: str | None = Field(None, max_length=64, description="A profile that holds for this alone")
    count: int = Field(1, ge=1, le=30, description="How many, of consecutive frames")
    to: tuple[Place, ...] | None = Field(
        None,
        min_length=1,
        max_length=3,
        description="Where to; null is mqtt, the store unless snapshots.store is false, "
        "and upload where upload.url is set",
    )
    url: str | None = Field(
        None, min_length=1, max_length=2048, description="Where to upload; else upload.url"
    )
    lock: bool = Field(False, description="Store it so that no limit deletes it")
    reason: str | None = Field(None, max_length=200, description="Why, in your words; it is kept with it")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.full and (self.width is not None or self.height is not None):
            raise ValueError("give 'full' or a size, not both")
        if self.to is not None:
            if self.url is not None and "upload" not in self.to:
                raise ValueError("'url' is for an upload, which 'to' leaves out")
            if self.lock and "store" not in self.to:
                raise ValueError("'lock' is for the store, which 'to' leaves out")
            if self.format != "jpeg" and set(self.to) == {"mqtt"}:
                raise ValueError(
                    f"image/latest carries JPEG alone: send a {self.format} to the store or to upload, "
                    "and have it from the store by 'images get'"
                )
        return self

    def places(self, *, store: bool, upload: bool) -> tuple[Place, ...]:
        """Return where it goes; `store` and `upload` say whether it goes there by itself."""
        if self.to is not None:
            return tuple(dict.fromkeys(self.to))
        wanted: dict[Place, bool] = {
            "mqtt": True,
            "store": store or self.lock,
            "upload": upload or self.url is not None,
        }
        return tuple(place for place, is_wanted in wanted.items() if is_wanted)

    def request(self, *, quality: int, profile: dict[str, Any], node: str) -> StillRequest:
        """Return what is asked of the camera; `profile` is what holds for it, by the settings' paths."""
        settings = dict(profile)
        if self.time_us is not None or self.gain is not None:
            settings["exposure.mode"] = "manual"
            settings |= {"exposure.time_us": self.time_us} if self.time_us is not None else {}
            settings |= {"exposure.gain": self.gain} if self.gain is not None else {}
        return StillRequest(
            width=self.width,
            height=self.height,
            full=self.full,
            format=self.format,
            quality=self.quality or quality,
            settings=unflatten(settings),
            focus_first=self.focus_first,
            count=self.count,
            exif=PictureTags(node=node, description=self.reason),
        )
