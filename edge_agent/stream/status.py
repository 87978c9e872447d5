"""`status.stream`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from edge_agent.stream.messages import PublisherState, StreamCode

__all__ = ["StreamStatus"]


class StreamStatus(BaseModel):
    """The stream as measured. `publishing` means that packets left in the last seconds.

    `frames` and `bytes` count what was written to the server since the agent's start, `dropped` what did not
    fit into the queue before it. `fps` and `bitrate_bps` are those of the last three
    seconds, null until it has published for a moment.
    """

    model_config = ConfigDict(frozen=True)

    state: PublisherState
    reason: str | None = None
    code: StreamCode | str | None = None
    since: str
    url: str
    enabled: bool
    encoder: str | None = None
    fps: float | None = None
    bitrate_bps: int | None = None
    frames: int = 0
    bytes: int = 0
    keyframes: int = 0
    dropped: int = 0
    reconnects: int = 0
    attempts: int = 0
    last_packet_age_s: float | None = None
