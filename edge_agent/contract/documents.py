"""The documents on the wire as models, for those who read them: names, types, meanings.

What is published is put together from its parts; a test holds each to its model.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from edge_agent.contract.json_schema import OPTIONAL
from edge_agent.contract.reply import ReplyState

__all__ = [
    "AvailabilityDocument",
    "CommandDocument",
    "DroppedMessages",
    "EnvelopeDocument",
    "ErrorDocument",
    "EventDocument",
    "FeatureState",
    "LinkPart",
    "NodePart",
    "OutagePart",
    "ReplyDocument",
]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AvailabilityDocument(_Document):
    """Who is online. `offline` is the will's, `stopped` a clean stop's."""

    state: Literal["online", "offline", "stopped"] = Field(
        description="offline: the broker says so (will); stopped: the agent itself did"
    )
    epoch: int = Field(description="The connection's start in ms since 1970; a late will has an older one")


class NodePart(_Document):
    """Who this node is."""

    id: str = Field(description="Its level in every topic")
    name: str = Field(description="What people call it")
    groups: list[str] = Field(description="The groups whose commands it takes")


class DroppedMessages(_Document):
    """What did not fit into the queues while the broker was slow or away."""

    replies: int = Field(description="Answers")
    events: int = Field(description="Events, the oldest first")


class OutagePart(_Document):
    """A time without the broker that is over."""

    since: str = Field(description="When it was noticed")
    lasted_s: float = Field(description="How long it was, by a clock that does not jump")
    codes: list[str] = Field(description="Why, as in the list of codes, in the order in which they came")
    reason: str = Field(description="The last one for people")


class LinkPart(_Document):
    """The connection to the broker."""

    protocol: str | None = Field(description="The version of MQTT that is spoken")
    epoch: int | None = Field(description="The connection's start in ms since 1970, as in availability")
    reconnects: int = Field(description="How often it was lost and made anew")
    last_outage: OutagePart | None = Field(
        description="When and why the broker was away last, since the agent's start; null where it never was"
    )
    denied_subscriptions: list[str] = Field(description="What the broker does not let this node read")
    denied_publishes: list[str] = Field(description="What the broker does not let this node write")
    dropped: DroppedMessages
    refused_commands: int = Field(description="Commands that were refused since the start")


class FeatureState(_Document):
    """Whether a feature runs, and why not."""

    state: Literal["running", "failed"] = Field(description="Whether it started")
    reason: str | None = Field(description="Why it did not")


class EnvelopeDocument(_Document):
    """What can be said with every command, beside its arguments."""

    id: str | int | None = Field(
        None, description="Yours, echoed in every reply; a repeated one is answered and not executed again"
    )
    expires_at: AwareDatetime | None = Field(None, description="After this the command is refused as expired")
    ttl_s: float | None = Field(None, gt=0, description="The same, relative: where clocks cannot be trusted")
    dry_run: bool = Field(False, description="Say what would be applied, change nothing")
    strict: bool = Field(False, description="Refuse instead of clamping")


class ErrorDocument(_Document):
    """Why a command was refused or failed."""

    code: str = Field(description="For machines; see the list of codes")
    message: str = Field(description="For people: what, where, which value, what is allowed")
    field: str | None = Field(description="Which argument")
    value: Any = Field(description="What it was")
    allowed: Any = Field(description="What would have been right, where there is such a thing")


class ReplyDocument(_Document):
    """An answer to a command."""

    id: str | int | None = Field(description="The caller's own")
    command: str = Field(description="The command's name")
    state: ReplyState = Field(
        description="accepted and running are on the way; exactly one of the others comes in the end"
    )
    time: str = Field(description="When it was answered")
    duration_ms: float = Field(description="Since the command came in")
    requested: Any = Field(description="The arguments as they came")
    applied: dict[str, Any] = Field(description="What really holds now, read back")
    clamped: list[str] = Field(description="Arguments that were brought to the nearest allowed value")
    result: dict[str, Any] = Field(description="What else there is to tell; `clamped_because` has reasons")
    error: ErrorDocument | None = Field(description="Why not; null where it was not refused")
    progress: float | None = Field(
        None, ge=0, le=1, description="With running, where it is known", json_schema_extra=OPTIONAL
    )
    dry_run: bool | None = Field(
        None, description="true where nothing was changed because you said so", json_schema_extra=OPTIONAL
    )


class EventDocument(BaseModel):
    """Something happened. What else is in it is the kind's."""

    model_config = ConfigDict(frozen=True, extra="allow")

    event_type: str = Field(description="What happened; see the list of events")
    time: str = Field(description="When")


class CommandDocument(_Document):
    """A command in `capabilities`."""

    description: str = Field(description="What it does")
    main: str | None = Field(description="The argument that a bare payload is the value of")
    arguments: dict[str, Any] = Field(description="JSON Schema")
    interrupts_stream: bool = Field(description="Whether the stream may stop for a moment")
