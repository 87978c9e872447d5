"""`status.stream`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from edge_agent.camera.messages import Adaptive
from edge_agent.stream.evidence import ServerState
from edge_agent.stream.messages import PublisherState, StreamCode
from edge_agent.stream.viewing import ViewingUrls

__all__ = ["LeftOut", "ServerStatus", "StreamMode", "StreamStatus"]

StreamMode = Literal["always", "on_demand", "manual"]


class ServerStatus(BaseModel):
    """What the server's API says. Without one, or while it does not answer, there are no counts.

    `ok` means that it answers and, while this agent publishes, that the path's source is this agent and its
    bytes arrive. `inbound_bytes` are all of the path's, `inbound_bps` those of its source.
    """

    model_config = ConfigDict(frozen=True)

    state: ServerState = "unknown"
    reason: str | None = None
    since: str | None = None
    online: bool | None = None
    readers: int | None = None
    inbound_bytes: int | None = None
    inbound_bps: int | None = None
    outbound_bytes: int | None = None


class LeftOut(BaseModel):
    """Encoded frames that were not sent, by the reason, since the agent's start.

    `queue_full` and `too_large` were lost, together with what built upon them; `no_consumer` were encoded
    while there was nowhere to send to; the others came before the keyframe that something began with.
    """

    model_config = ConfigDict(frozen=True)

    queue_full: int = 0
    too_large: int = 0
    no_consumer: int = 0
    beginning: int = 0
    format_change: int = 0


class StreamStatus(BaseModel):
    """The stream as measured. `publishing` means that packets left in the last seconds.

    And that the server receives them, where it can be asked. `frames` and `bytes` count what was written to
    the server since the agent's start, `dropped` what did not fit into the queue before it, `dropped_because`
    all that was left out. `fps` and `bitrate_bps` are those of the last three seconds, null until it has
    published for a moment; `keyframe_interval_s` is between the last two keyframes.
    """

    model_config = ConfigDict(frozen=True)

    state: PublisherState
    reason: str | None = None
    code: StreamCode | str | None = None
    since: str
    url: str
    enabled: bool
    mode: StreamMode = "always"
    urls: ViewingUrls = ViewingUrls()
    server: ServerStatus = ServerStatus()
    encoder: str | None = None
    fps: float | None = None
    bitrate_bps: int | None = None
    keyframe_interval_s: float | None = None
    frames: int = 0
    bytes: int = 0
    keyframes: int = 0
    dropped: int = 0
    dropped_because: LeftOut = LeftOut()
    reconnects: int = 0
    attempts: int = 0
    last_packet_age_s: float | None = None
    adaptive: Adaptive = Adaptive()
