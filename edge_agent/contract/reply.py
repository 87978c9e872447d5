"""The answers to a command."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal

from edge_agent.clock import rfc3339
from edge_agent.contract.envelope import bounded, bounded_tree
from edge_agent.errors import EdgeAgentError, ExpiredError, RefusedError

__all__ = ["FINAL_STATES", "ReplyState", "final_state", "reply_document"]

ReplyState = Literal["accepted", "running", "done", "failed", "rejected", "expired"]
FINAL_STATES: Final = frozenset({"done", "failed", "rejected", "expired"})


def final_state(error: EdgeAgentError) -> ReplyState:
    """Return how a command ends that ran into `error`."""
    if isinstance(error, ExpiredError):
        return "expired"
    return "rejected" if isinstance(error, RefusedError) else "failed"


def reply_document(
    *,
    id: str | int | None,  # noqa: A002 - the contract's own word
    command: str,
    state: ReplyState,
    time: datetime,
    duration_ms: float = 0.0,
    requested: Any = None,
    applied: Mapping[str, Any] | None = None,
    clamped: Sequence[str] = (),
    result: Mapping[str, Any] | None = None,
    progress: float | None = None,
    dry_run: bool = False,
    error: EdgeAgentError | None = None,
) -> dict[str, Any]:
    """Return a reply as it goes on the wire; all keys are always there but `progress` and `dry_run`."""
    document: dict[str, Any] = {
        "id": id,
        "command": command,
        "state": state,
        "time": rfc3339(time),
        "duration_ms": round(duration_ms, 3),
        "requested": bounded_tree(requested),
        "applied": dict(applied or {}),
        "clamped": list(clamped),
        "result": dict(result or {}),
        "error": None,
    }
    if progress is not None and math.isfinite(progress):
        document["progress"] = round(min(max(progress, 0.0), 1.0), 3)
    if dry_run:
        document["dry_run"] = True
    if error is not None:
        document["error"] = {
            "code": error.code,
            "message": error.message,
            "field": error.field,
            "value": bounded(error.value),
            "allowed": error.allowed,
        }
    return document
