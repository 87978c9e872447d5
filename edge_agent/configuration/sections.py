"""The core sections of the configuration: what each key means, its unit, its limits, its default."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from edge_agent.stream.config import StreamServerConfig
from edge_agent.stream.url import split_stream_url

__all__ = [
    "CameraConfig",
    "CommandsConfig",
    "LogConfig",
    "NodeConfig",
    "RateLimitConfig",
    "Section",
    "StatusConfig",
    "StreamConfig",
    "StreamTlsConfig",
    "SubstreamConfig",
    "clean_node_id",
    "default_stream_url",
]

_NAME: Final = r"^[a-z0-9_-]{1,64}$"
_FALLBACK_ID: Final = "edge-agent"
_Name = Annotated[str, Field(pattern=_NAME)]


class Section(BaseModel):
    """A closed part of the configuration, unchangeable once loaded. Features derive theirs from it."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)


def clean_node_id(text: str) -> str:
    """Return the node id for a host's name: lower case, its domain dropped, odd characters as hyphens."""
    host = text.strip().lower().partition(".")[0]
    return re.sub(r"[^a-z0-9_-]+", "-", host).strip("-")[:64].rstrip("-") or _FALLBACK_ID


def default_stream_url(node_id: str) -> str:
    """Return where a node publishes unless told otherwise: the MediaMTX beside it."""
    return f"rtsp://localhost:8554/{node_id}"


def _default_id() -> str:
    return clean_node_id(socket.gethostname())


def _default_name(fields: dict[str, Any]) -> str:
    # The id is missing here where it was invalid.
    return re.sub(r"[_-]+", " ", fields.get("id", _FALLBACK_ID)).strip().title() or _FALLBACK_ID


class NodeConfig(Section):
    """Who this node is."""

    id: _Name = Field(default_factory=_default_id, description="Its place in every topic; the host's name")
    name: str = Field(
        default_factory=_default_name, min_length=1, max_length=128, description="For people; the id, titled"
    )
    groups: tuple[_Name, ...] = Field(
        (), max_length=32, description="Groups whose commands this node obeys, too"
    )


class CameraConfig(Section):
    """Which camera, and how to open it."""

    driver: _Name = Field(
        "auto", description="auto takes a Pi camera, else a USB one, else the simulated one"
    )
    index: int | None = Field(None, ge=0, le=63, description="The camera's number; null takes the first")
    id: str | None = Field(None, min_length=1, description="The camera's own id, in place of its number")
    path: Path | None = Field(None, description="What the driver 'file' plays")
    options: dict[str, Any] = Field({}, description="What else the driver is to know")
    overlay_font: Path | None = Field(
        None, description="TrueType file of the overlay's letters; null takes an installed one"
    )

    @model_validator(mode="after")
    def _one_choice(self) -> Self:
        if self.index is not None and self.id is not None:
            raise ValueError("'index' and 'id' both choose the camera: keep one of them")
        if self.path is not None and self.driver != "file":
            raise ValueError(f"'path' is for the driver 'file', not for '{self.driver}'")
        if self.path is not None and "path" in self.options:
            raise ValueError("'path' and 'options.path' are the same: keep one of them")
        return self

    def driver_options(self) -> dict[str, Any]:
        """Return what the driver is to know: its options, and `path`, `index` and `id` where given."""
        named = {"path": None if self.path is None else str(self.path), "index": self.index, "id": self.id}
        return {**self.options, **{name: value for name, value in named.items() if value is not None}}


class SubstreamConfig(Section):
    """A second, small stream of the same picture, for dashboards."""

    enabled: bool = Field(False, description="Whether there is one")
    url: str | None = Field(None, description="Null is the main stream's, _sub added to its path")
    width: int = Field(640, ge=32, le=4096, description="Pixels; never more than the main stream has")
    height: int | None = Field(None, ge=32, le=4096, description="Pixels; null follows the main stream")
    fps: float | None = Field(None, gt=0, le=1000, description="Frames a second; null is the main stream's")
    bitrate_bps: Annotated[int, Field(ge=10_000, le=1_000_000_000)] | Literal["auto"] = Field(
        "auto", description="Bits a second; auto follows size and frame rate"
    )

    @field_validator("url")
    @classmethod
    def _rtsp(cls, url: str | None) -> str | None:
        return _published_to(url)


def _published_to(url: str | None) -> str | None:
    """Return a URL that can be published to; raises ValueError."""
    if url is not None:
        split_stream_url(url)
    return url


class StreamTlsConfig(Section):
    """Whom an encrypted stream (rtsps, rtmps, whips) trusts."""

    ca: Path | None = Field(None, description="PEM file of the authorities to trust; null is the system's")
    verify: bool = Field(True, description="Whether the server has to prove who it is")


class StreamConfig(Section):
    """What is published, and where to. Size, rates and keyframes are those of the start."""

    url: str | None = Field(
        None, description="rtsp, rtsps, rtmp, rtmps, srt or whip; null is rtsp://localhost:8554/<node.id>"
    )
    enabled: bool = Field(True, description="Whether to publish from the start")
    mode: Literal["always", "on_demand", "manual"] = Field(
        "always", description="on_demand: while somebody watches; manual: from a command on, until the next"
    )
    grace_s: float = Field(
        20.0, ge=1, le=3600, description="on_demand: seconds to go on after the last viewer or demand"
    )
    width: int | None = Field(None, ge=16, le=16384, description="Pixels; null is the camera's own")
    height: int | None = Field(None, ge=16, le=16384, description="Pixels; null is the camera's own")
    fps: float | None = Field(None, gt=0, le=1000, description="Frames a second; null is the camera's own")
    bitrate_bps: Annotated[int, Field(ge=10_000, le=1_000_000_000)] | Literal["auto"] = Field(
        "auto", description="Bits a second; auto follows size and frame rate"
    )
    transport: Literal["tcp", "udp"] = Field("tcp", description="What RTSP carries the packets over")
    tls: StreamTlsConfig = Field(StreamTlsConfig(), description="Whom an encrypted stream trusts")
    keyframe_interval_s: float = Field(1.0, gt=0, le=60, description="Seconds from keyframe to keyframe")
    server: StreamServerConfig = StreamServerConfig()
    adaptive: bool = Field(True, description="Lower the bit rate while the network takes less")
    adaptive_floor_bps: int = Field(
        300_000, ge=10_000, le=1_000_000_000, description="The least bits a second that this comes to"
    )
    sub: SubstreamConfig = SubstreamConfig()

    @field_validator("url")
    @classmethod
    def _rtsp(cls, url: str | None) -> str | None:
        return _published_to(url)

    def settings(self) -> dict[str, dict[str, Any]]:
        """Return the camera's settings that this is the start of, as a patch."""
        video: dict[str, Any] = self.model_dump(include={"width", "height", "fps", "keyframe_interval_s"})
        if self.bitrate_bps == "auto":
            video["bitrate_auto"] = True
        else:
            video["bitrate_bps"] = self.bitrate_bps
        return {"video": {name: value for name, value in video.items() if value is not None}}

    @model_validator(mode="after")
    def _encrypted_in_whole(self) -> Self:
        if self.transport == "udp" and self.url is not None and self.url.lower().startswith("rtsps:"):
            raise ValueError("rtsps over UDP would send the pictures unencrypted: set 'transport' to tcp")
        return self


class StatusConfig(Section):
    """How often the state is told."""

    interval_s: float = Field(10.0, ge=1, le=3600, description="Seconds between the sensor's readings")


class LogConfig(Section):
    """What is logged."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least that is logged"
    )


class RateLimitConfig(Section):
    """How many of a command are taken from the wire."""

    per_s: float = Field(gt=0, le=10_000, description="So many a second, for long")
    burst: int = Field(ge=1, le=100_000, description="So many at once")


class CommandsConfig(Section):
    """What may be commanded."""

    deny: tuple[Annotated[str, Field(pattern=r"^[a-z0-9_]{1,64}$")], ...] = Field(
        (), max_length=256, description="Commands that are refused"
    )
    read_only: bool = Field(False, description="Take only what changes nothing")
    rate_limits: dict[Annotated[str, Field(pattern=r"^([a-z0-9_]{1,64}|\*)$")], RateLimitConfig] = Field(
        {}, max_length=256, description="By command, over the built-in ones; '*' is for all others"
    )
    dedup_window_s: int = Field(86_400, ge=0, le=31_536_000, description="Seconds an id is remembered")
    dedup_entries: int = Field(1000, ge=1, le=100_000, description="Ids that are remembered at most")
    max_payload_bytes: int = Field(65_536, ge=256, le=16_777_216, description="Larger messages are refused")
