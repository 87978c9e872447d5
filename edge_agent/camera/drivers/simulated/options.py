"""What the simulated driver can be told."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["SimulatedOptions"]


class SimulatedOptions(BaseModel):
    """The scene's light and life."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    day_s: float | None = Field(
        None, gt=0, description="Length of a day of the scene in seconds; null is the real day, by the clock"
    )
    start_hour: float | None = Field(
        None,
        ge=0,
        lt=24,
        description="The hour at which the scene begins; null is the real one. Without day_s it stays that",
    )
    lux: float | None = Field(
        None, gt=0, le=100_000, description="Light that stays the same, instead of a day's"
    )
    latitude_deg: float = Field(48.0, ge=-90, le=90, description="Where the sun of the scene is seen from")
    time_zone: str | None = Field(
        None, description="IANA name of the scene's time zone; null is the machine's own"
    )
    moving: bool = Field(True, description="Whether a car and a ball move through the scene")
    text: str | None = Field(None, max_length=40, description="A line of text burnt in below the clock")
