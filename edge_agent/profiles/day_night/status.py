"""`status.day_night`: whether it is day or night, by what, and what follows."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from edge_agent.profiles.day_night.config import Mode, Rules, SourceChoice
from edge_agent.profiles.day_night.decider import Phase
from edge_agent.profiles.day_night.light import Source
from edge_agent.profiles.day_night.outputs import OutputStatus

__all__ = ["DayNightStatus", "PendingPhase", "RulesStatus"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


def _meaning(rule: str) -> str | None:
    return Rules.model_fields[rule].description


class PendingPhase(_Part):
    """A change that has not lasted long enough yet."""

    phase: Phase | None = Field(description="What it is about to become")
    in_s: float = Field(description="When, unless the light changes back")


class RulesStatus(_Part):
    """By what it is decided."""

    source: SourceChoice = Field(description=_meaning("source"))
    night_below_lux: float = Field(description=_meaning("night_below_lux"))
    day_above_lux: float = Field(description=_meaning("day_above_lux"))
    dwell_s: float = Field(description=_meaning("dwell_s"))
    sun_below_deg: float = Field(description=_meaning("sun_below_deg"))


class DayNightStatus(_Part):
    """Whether it is day or night, and why."""

    mode: Mode = Field(description="auto, day, night or off, as commanded")
    phase: Phase | None = Field(description="What was switched to last; null while it is off")
    source: Source | None = Field(description="What auto decides by now; null where it is not auto")
    lux: float | None = Field(description="The light that was measured last")
    lux_fresh: bool = Field(description="Whether that is from now")
    sun_elevation_deg: float | None = Field(description="Null where the place is not configured")
    since: str | None = Field(description="Since when the phase holds")
    because: str = Field(description="Why, in words")
    pending: PendingPhase | None
    outputs: list[OutputStatus] = Field(description="Infrared filter and lamp, each as last switched")
    rules: RulesStatus
