"""A publisher's beat, for tests: whole, with what a test says of it."""

from __future__ import annotations

from typing import Any

from edge_agent.stream.messages import PublisherBeat, PublisherState

__all__ = ["beat"]


def beat(state: PublisherState, **changes: Any) -> PublisherBeat:
    """Return a beat in this state; what is not given is that of a publisher that has just begun."""
    fields: dict[str, Any] = {
        "state": state,
        "reason": None if state == "publishing" else "because",
        "code": None,
        "since_age_s": 0.0,
        "phase": "idle",
        "phase_age_s": 0.0,
        "packets": 0,
        "bytes": 0,
        "keyframes": 0,
        "sessions": 0,
        "attempts": 0,
        "last_packet_age_s": 0.1,
        "fps": 0.0,
        "bitrate_bps": 0,
    }
    return PublisherBeat(**{**fields, **changes})
