"""The published documents that are put together from many parts, as models: who reads them sees all keys."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, create_model

from edge_agent.camera.capabilities import CameraCapabilities
from edge_agent.camera.status import CameraStatus
from edge_agent.contract.documents import CommandDocument, FeatureState, LinkPart, NodePart
from edge_agent.feature import Feature
from edge_agent.health.feature import Heartbeat
from edge_agent.health.problems import Health, Problem
from edge_agent.stream.status import VITALS, StreamMode, StreamStatus
from edge_agent.stream.viewing import ViewingUrls

__all__ = ["CapabilitiesDocument", "SettingMeaning", "StreamCapabilities", "heartbeat_model", "status_model"]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SettingMeaning(_Document):
    """What a setting means."""

    description: str = Field(description="In words")
    unit: str | None = Field(description="Null where it has none")
    interrupts_stream: bool = Field(description="Whether setting it stops the stream for a moment")


class StreamCapabilities(_Document):
    """What the stream can do."""

    url: str = Field(description="Where it is published to, without secrets")
    modes: list[StreamMode] = Field(description="What the command's mode may be")
    server_api: bool = Field(description="Whether the server is asked about the stream")
    urls: ViewingUrls


class CapabilitiesDocument(_Document):
    """What this node can do."""

    agent_version: str = Field(description="The program's")
    contract_version: str = Field(description="That of the contract which it speaks")
    node: NodePart
    camera: CameraCapabilities | None = Field(description="Null until the camera was open")
    settings: dict[str, SettingMeaning] | None = Field(
        description="By path: what each setting of this camera means"
    )
    stream: StreamCapabilities
    features: list[str] = Field(description="The features that run")
    commands: dict[str, CommandDocument] = Field(description="By name: every command there is")


def _of_stream(name: str, doc: str, keys: Iterable[str]) -> type[BaseModel]:
    shared = {key: StreamStatus.model_fields[key] for key in keys}
    fields: dict[str, Any] = {key: (info.annotation, info) for key, info in shared.items()}
    model: type[BaseModel] = create_model(name, __doc__=doc, **fields)
    return model


def _substream_model() -> type[BaseModel]:
    keys = [key for key in StreamStatus.model_fields if key != "adaptive"]
    return _of_stream("SubstreamStatus", "The second, small stream: like the main one.", keys)


def heartbeat_model() -> type[BaseModel]:
    """Return the model of `heartbeat`."""
    stream: Any = _of_stream("StreamVitals", "The few figures of the stream that each heartbeat has.", VITALS)
    model: type[BaseModel] = create_model(
        "HeartbeatDocument", __base__=Heartbeat, __doc__=Heartbeat.__doc__, stream=(stream, ...)
    )
    return model


def status_model(features: Iterable[type[Feature]]) -> type[BaseModel]:
    """Return the model of `status` of an agent with these features; a part that cannot be told is null."""
    sub: Any = _substream_model()
    stream: Any = create_model(
        "MainStreamStatus",
        __base__=StreamStatus,
        __doc__=StreamStatus.__doc__,
        sub=(sub | None, Field(description="The second, small stream; null where there is none")),
    )
    parts: dict[str, Any] = {"node": NodePart, "link": LinkPart, "camera": CameraStatus, "stream": stream}
    for feature in features:
        parts.update(feature.status_models)
    parts["features"] = dict[str, FeatureState]
    parts["problems"] = list[Problem]
    parts["health"] = Health
    fields: dict[str, Any] = {"time": (str, Field(description="When it was put together"))}
    fields.update({name: (part | None, ...) for name, part in parts.items()})
    model: type[BaseModel] = create_model(
        "StatusDocument", __doc__="The whole reported state; all keys are always there.", **fields
    )
    return model
