"""What a command came to, as the caller sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypedDict

from edge_agent.errors import EdgeAgentError

__all__ = ["UNSET", "CommandError", "Envelope", "NoAnswerError", "Reply", "Unset"]


class Unset:
    """The type of `UNSET`: an argument that was not given, which is not the same as null."""

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset()


class Envelope(TypedDict, total=False):
    """What can be said with every command, see the contract. `on_progress` hears of the shares from 0 to 1.

    `wait_s` is for how long the outcome is waited for (30 by default); the command expires with it.
    """

    wait_s: float
    dry_run: bool
    strict: bool
    id: str
    on_progress: Callable[[float], None]


@dataclass(frozen=True, kw_only=True)
class Reply:
    """The last answer to a command that was carried out."""

    id: str
    command: str
    applied: Mapping[str, Any] = field(default_factory=dict)
    clamped: tuple[str, ...] = ()
    result: Mapping[str, Any] = field(default_factory=dict)
    duration_ms: float | None = None


class CommandError(EdgeAgentError):
    """The node refused the command or failed at it; `code`, `field`, `value`, `allowed` are the node's."""

    default_code = "failed"


class NoAnswerError(EdgeAgentError):
    """No outcome came in time: the node may be away, or still at it."""

    default_code = "no_answer"
    transient = True
