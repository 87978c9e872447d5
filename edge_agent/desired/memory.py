"""What is remembered of the wanted state, so that a restart neither forgets it nor does it twice."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from edge_agent.desired.document import Desired
from edge_agent.errors import EdgeAgentError

__all__ = ["DesiredStatus", "Fault", "Memory", "State"]

State = Literal["none", "pending", "applied", "failed"]


class Fault(BaseModel):
    """Why a document could not be brought about."""

    model_config = ConfigDict(frozen=True)

    code: str = Field(description="For machines")
    message: str = Field(description="For people")
    field: str | None = Field(None, description="Where in the document")

    @classmethod
    def of(cls, error: EdgeAgentError) -> Fault:
        """Return an error as status tells it."""
        return cls(code=error.code, message=error.message, field=error.field)


class Memory(BaseModel):
    """`document` is the one that `state` is about, `applied` the last one that was brought about.

    `holds` is what was read back then, by path. `owned_...` are what documents have brought.
    """

    model_config = ConfigDict(frozen=True)

    state: State = "none"
    version: int | None = None
    error: Fault | None = None
    document: Desired | None = None
    applied: Desired | None = None
    applied_at: str | None = None
    holds: dict[str, Any] = {}
    owned_schedules: frozenset[str] = frozenset()
    owned_profiles: frozenset[str] = frozenset()


class DesiredStatus(BaseModel):
    """`status.desired`.

    `version` is that of the newest document that was taken up, `applied_version` the one that was brought
    about last. `ignored` tells of one that came since and was not taken up. `drift` holds what something else
    has changed since: commands change the present, and are not fought.
    """

    model_config = ConfigDict(frozen=True)

    version: int | None = Field(description="That of the newest document that was taken up")
    state: State = Field(description="pending waits for the camera; none is a node that was told nothing")
    error: Fault | None = Field(description="Why it could not be brought about")
    applied_version: int | None = Field(description="The one that was brought about last")
    applied_at: str | None = Field(description="When")
    ignored: dict[str, Any] | None = Field(description="One that came since and was not taken up, and why")
    drift: dict[str, Any] = Field(description="By path: what is wanted, and what something else made of it")
