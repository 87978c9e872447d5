"""What the command `schedule` takes: the fields of a schedule, and what to do with it."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from edge_agent.contract.command import Call
from edge_agent.contract.validation import validate
from edge_agent.errors import ConfigError, RefusedError
from edge_agent.schedules.place import Place
from edge_agent.schedules.plan import Planned
from edge_agent.schedules.schedule import NAME, Definition, Schedule

__all__ = ["Action", "ScheduleArguments", "definition_of", "planned_of", "refuse_fields"]

Action = Literal["list", "set", "delete", "enable", "disable", "run_now"]
_BESIDE: Final = {"action", "name", "if_version", "offset"}


class ScheduleArguments(Definition):
    """What to do, with which schedule; `set` takes the whole of it."""

    action: Action = Field("list", description="list, set, delete, enable, disable or run_now")
    name: str | None = Field(None, pattern=NAME, description="The schedule; all but list need it")
    if_version: int | None = Field(
        None, ge=0, description="Refuse where the schedules are at another version than this"
    )
    offset: int = Field(0, ge=0, description="list: leave out so many of the first")


def definition_of(call: Call) -> Schedule:
    """Return the schedule that a `set` means. Raises RefusedError."""
    arguments: ScheduleArguments = call.arguments
    fields = arguments.model_dump(by_alias=True, exclude_unset=True, exclude=_BESIDE)
    return validate(Schedule, {**fields, "name": arguments.name})


def refuse_fields(call: Call) -> None:
    """Raise RefusedError where an action was given what only `set` takes."""
    extra = sorted(set(call.given) - _BESIDE)
    if extra:
        raise RefusedError(
            f"'{extra[0]}' belongs to the action 'set', not to '{call.arguments.action}'",
            code="invalid_arguments",
            field=extra[0],
            value=call.given[extra[0]],
        )


def planned_of(schedule: Schedule, place: Place) -> Planned:
    """Return the schedule with its times. Raises RefusedError where it can never come."""
    try:
        return Planned(schedule, place=place)
    except ConfigError as error:
        raise RefusedError(
            error.message, code="invalid_schedule", field=error.field, value=error.value
        ) from error
