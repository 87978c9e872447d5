"""What profiles are configured with, what their command takes, and what their status says."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from edge_agent.config import Section
from edge_agent.contract.command import Arguments
from edge_agent.profiles.day_night.config import DayNightConfig
from edge_agent.profiles.hold import HoldStatus
from edge_agent.profiles.profile import Definition

__all__ = ["DayNightConfig", "ProfileArguments", "ProfileStatus", "ProfilesConfig"]


class ProfilesConfig(Section):
    """Where profiles and schedules are, and when it is what time."""

    directories: tuple[Path, ...] = Field(
        (Path("/etc/edge-agent/schedules"),), description="Schedules are in each, profiles in its `profiles`"
    )
    timezone: str = Field("auto", description="Like Europe/Paris; auto is the machine's")
    latitude: float | None = Field(None, ge=-90, le=90, description="Degrees north")
    longitude: float | None = Field(None, ge=-180, le=180, description="Degrees east")
    day_night: DayNightConfig = DayNightConfig()


Action = Literal["apply", "save", "delete", "reset", "diff", "hold", "release", "list"]

_MAX_HOLD_S: Final = 30 * 24 * 3600
_NAMED: Final = frozenset({"apply", "delete", "diff"})
_TAKEN_BY: Final[dict[str, frozenset[str]]] = {
    "name": frozenset({"apply", "save", "delete", "diff"}),
    "hold": frozenset({"apply", "reset", "hold"}),
    "hold_s": frozenset({"apply", "reset", "hold"}),
    "settings": frozenset({"apply", "save", "diff"}),
    "stream": frozenset({"apply", "save", "diff"}),
    "description": frozenset({"save"}),
    "extends": frozenset({"save"}),
    "partial": frozenset({"save"}),
    "reset": frozenset({"save"}),
    "profiles": frozenset({"save"}),
}


class ProfileArguments(Arguments, Definition):
    """Which profile, and what to do with it.

    The definition's keys are those of save; settings and stream of an apply go on top of the profile's own.
    """

    action: Action = Field("apply", description="hold keeps what is set now, release ends that")
    name: str | None = Field(None, max_length=64, description="The profile")
    hold: Literal["next_switch", "until_released"] | None = Field(
        None, description="How long this holds against schedules and day_night; null: until the next switch"
    )
    hold_s: float | None = Field(
        None,
        gt=0,
        le=_MAX_HOLD_S,
        description="Seconds for which this holds",
        json_schema_extra={"unit": "s"},
    )
    profiles: dict[str, Definition] | None = Field(
        None, max_length=100, description="Several to save at once: all of them or none"
    )

    @model_validator(mode="after")
    def _what_belongs_together(self) -> Self:
        for field in self.model_fields_set - {"action"}:
            actions = _TAKEN_BY[field]
            if getattr(self, field) is not None and self.action not in actions:
                raise ValueError(f"'{field}' is for {' and '.join(sorted(actions))}, not for {self.action}")
        if self.name is None and (self.action in _NAMED or (self.action == "save" and not self.profiles)):
            raise ValueError(f"'name' is missing: which profile to {self.action}")
        if self.profiles is not None and self.model_fields_set - {"action", "profiles"}:
            raise ValueError("'profiles' holds whole definitions: give nothing beside it")
        if self.reset and self.settings is None:
            raise ValueError("'reset' goes with 'settings': what is set now is saved as a whole")
        if self.hold is not None and self.hold_s is not None:
            raise ValueError("give 'hold' or 'hold_s', not both")
        if self.action == "hold" and self.hold == "next_switch":
            raise ValueError(
                "a hold lasts until_released or for hold_s; until the next switch all holds anyway"
            )
        return self

    def definition(self) -> Definition:
        """Return what of it is a profile's definition."""
        fields = self.model_fields_set & Definition.model_fields.keys()
        return Definition.model_construct(
            _fields_set=fields, **{name: getattr(self, name) for name in fields}
        )


class ProfileStatus(BaseModel):
    """`status.profile`: the profile that was applied last, why, and what has become of it.

    `pending` is the profile that comes when the hold ends or the camera is there. `differs` holds the paths
    of the profile's own settings that hold something else by now.
    """

    model_config = ConfigDict(frozen=True)

    active: str | None = Field(None, description="The profile that was applied last")
    cause: str | None = Field(None, description="By whom: a command, a schedule, day and night ...")
    since: str | None = Field(None, description="When")
    pending: str | None = Field(None, description="What comes when the hold ends or the camera is there")
    hold: HoldStatus | None = Field(None, description="What was set by hand is held; null where it is not")
    differs: dict[str, Any] = Field({}, description="What of the profile holds something else by now")
    available: list[str] = Field([], description="The names of all profiles")
