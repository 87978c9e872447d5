"""What profiles are configured with, what their commands take, and what their status says."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from edge_agent.config import Section
from edge_agent.contract.command import Arguments

__all__ = [
    "DayNightArguments",
    "DayNightConfig",
    "ProfileArguments",
    "ProfileStatus",
    "ProfilesConfig",
]

DayNightMode = Literal["auto", "day", "night", "off"]


class DayNightConfig(Section):
    """When it is night and when day."""

    mode: DayNightMode = Field("off", description="auto switches the profiles day and night by the light")
    night_below_lux: float = Field(5.0, ge=0, le=100_000, description="Night when darker for dwell_s")
    day_above_lux: float = Field(20.0, ge=0, le=100_000, description="Day when lighter for dwell_s")
    dwell_s: float = Field(30.0, ge=0, le=3600, description="How long the light must have changed")

    @model_validator(mode="after")
    def _not_both_at_once(self) -> Self:
        if self.night_below_lux > self.day_above_lux:
            raise ValueError("'night_below_lux' is above 'day_above_lux': it would be day and night at once")
        return self


class ProfilesConfig(Section):
    """Where profiles and schedules are, and when it is what time."""

    directories: tuple[Path, ...] = Field(
        (Path("/etc/edge-agent/schedules"),), description="Schedules are in each, profiles in its `profiles`"
    )
    timezone: str = Field("auto", description="Like Europe/Paris; auto is the machine's")
    latitude: float | None = Field(None, ge=-90, le=90, description="Degrees north")
    longitude: float | None = Field(None, ge=-180, le=180, description="Degrees east")
    day_night: DayNightConfig = DayNightConfig()


class ProfileArguments(Arguments):
    """Which profile."""

    name: str = Field(description="The profile to apply", max_length=64)


class DayNightArguments(Arguments):
    """Who decides, and by which light."""

    mode: DayNightMode | None = Field(None, description="auto, or what it is to be; off lets go")
    night_below_lux: float | None = Field(None, ge=0, le=100_000, description="Night when darker for dwell_s")
    day_above_lux: float | None = Field(None, ge=0, le=100_000, description="Day when lighter for dwell_s")
    dwell_s: float | None = Field(None, ge=0, le=3600, description="How long the light must have changed")


class ProfileStatus(BaseModel):
    """`status.profile`: the profile that was applied last, and why."""

    model_config = ConfigDict(frozen=True)

    active: str | None = None
    cause: str | None = None
    since: str | None = None
    pending: str | None = None
    available: list[str] = []
