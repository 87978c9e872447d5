"""`status.stream`."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from edge_agent.camera.messages import Adaptive
from edge_agent.stream.evidence import ServerState
from edge_agent.stream.messages import PublisherState, StreamCode
from edge_agent.stream.viewing import ViewingUrls

__all__ = ["VITALS", "LeftOut", "ServerStatus", "StreamMode", "StreamStatus"]

StreamMode = Literal["always", "on_demand", "manual"]

# What of it goes into each heartbeat.
VITALS: Final = ("state", "fps", "bitrate_bps", "last_packet_age_s", "frames", "dropped", "reconnects")


class ServerStatus(BaseModel):
    """What the server's API says. Without one, or while it does not answer, there are no counts.

    `ok` means that it answers and, while this agent publishes, that the path's source is this agent and its
    bytes arrive. `inbound_bytes` are all of the path's, `inbound_bps` those of its source.
    """

    model_config = ConfigDict(frozen=True)

    state: ServerState = Field("unknown", description="What the server says of this stream")
    reason: str | None = Field(None, description="Why it is not ok, in words")
    since: str | None = Field(None, description="Since when it is in this state")
    online: bool | None = Field(None, description="Whether the path has a source, whoever it is")
    readers: int | None = Field(None, description="How many watch")
    inbound_bytes: int | None = Field(None, description="What arrived on the path")
    inbound_bps: int | None = Field(None, description="What arrives now, in bit/s")
    outbound_bytes: int | None = Field(None, description="What was sent to viewers")


class LeftOut(BaseModel):
    """Encoded frames that were not sent, by the reason, since the agent's start.

    `queue_full` and `too_large` were lost, together with what built upon them; `no_consumer` were encoded
    while there was nowhere to send to; the others came before the keyframe that something began with.
    """

    model_config = ConfigDict(frozen=True)

    queue_full: int = Field(0, description="Lost: they did not fit into the queue")
    too_large: int = Field(0, description="Lost: larger than a message may be")
    no_consumer: int = Field(0, description="There was nowhere to send to")
    beginning: int = Field(0, description="They came before the first keyframe")
    format_change: int = Field(0, description="They came before the keyframe of a new format")


class StreamStatus(BaseModel):
    """The stream as measured. `publishing` means that packets left in the last seconds.

    And that the server receives them, where it can be asked. `frames` and `bytes` count what was written to
    the server since the agent's start, `dropped` what did not fit into the queue before it, `dropped_because`
    all that was left out. `fps` and `bitrate_bps` are those of the last three seconds, null until it has
    published for a moment; `keyframe_interval_s` is between the last two keyframes.
    """

    model_config = ConfigDict(frozen=True)

    state: PublisherState = Field(description="publishing: packets left in the last seconds")
    reason: str | None = Field(None, description="Why it does not publish, in words")
    code: StreamCode | str | None = Field(None, description="The same for machines")
    since: str = Field(description="Since when it is in this state")
    url: str = Field(description="Where it is published to, without secrets")
    enabled: bool = Field(description="Whether it is wanted")
    mode: StreamMode = Field("always", description="When it publishes, while it is wanted")
    urls: ViewingUrls = ViewingUrls()
    server: ServerStatus = ServerStatus()
    encoder: str | None = Field(None, description="What encodes it")
    fps: float | None = Field(None, description="Sent over the last 3 seconds; null at first")
    bitrate_bps: int | None = Field(None, description="Sent over the last 3 seconds")
    keyframe_interval_s: float | None = Field(None, description="Between the last keyframes that were sent")
    frames: int = Field(0, description="Written to the server since the agent's start")
    bytes: int = Field(0, description="Written to the server since the agent's start")
    keyframes: int = Field(0, description="Written to the server since the agent's start")
    dropped: int = Field(0, description="Frames that did not fit into the queue before it")
    dropped_because: LeftOut = LeftOut()
    reconnects: int = Field(0, description="How often it was connected anew")
    attempts: int = Field(0, description="Tries since it last worked")
    last_packet_age_s: float | None = Field(None, description="Since the last packet left")
    adaptive: Adaptive = Adaptive()
