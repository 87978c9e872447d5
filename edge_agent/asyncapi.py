"""The contract as AsyncAPI 3, derived from the declarations of topics, documents and commands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import BaseModel

from edge_agent import CONTRACT_VERSION
from edge_agent.contract.command import CommandSpec
from edge_agent.contract.documents import (
    AvailabilityDocument,
    EnvelopeDocument,
    EventDocument,
    ReplyDocument,
)
from edge_agent.contract.json_schema import arguments_schema, components, resolved

__all__ = ["Channel", "asyncapi_document", "base_channels", "command_payload"]

_ROOT: Final = "edge/v1"


@dataclass(frozen=True, kw_only=True)
class Channel:
    """A topic under the node's own tree, and what is on it; without a model it is bytes."""

    name: str
    topic: str
    direction: Literal["send", "receive"]
    summary: str
    model: type[BaseModel] | None = None
    media_type: str = "application/json"
    qos: int = 1
    retained: bool = False


def base_channels(
    *,
    status: type[BaseModel],
    heartbeat: type[BaseModel],
    capabilities: type[BaseModel],
    desired: type[BaseModel],
) -> tuple[Channel, ...]:
    """Return the channels that every node has, the commands' own apart."""
    return (
        Channel(
            name="availability",
            topic="availability",
            direction="send",
            summary="Who is online; also the will",
            model=AvailabilityDocument,
            retained=True,
        ),
        Channel(
            name="capabilities",
            topic="capabilities",
            direction="send",
            summary="What this node can do",
            model=capabilities,
            retained=True,
        ),
        Channel(
            name="status",
            topic="status",
            direction="send",
            summary="The whole reported state; all keys are always there",
            model=status,
            retained=True,
        ),
        Channel(
            name="heartbeat",
            topic="heartbeat",
            direction="send",
            summary="The machine's vital signs",
            model=heartbeat,
            qos=0,
            retained=True,
        ),
        Channel(
            name="event",
            topic="event/{kind}",
            direction="send",
            summary="Something happened",
            model=EventDocument,
        ),
        Channel(
            name="desired",
            topic="desired",
            direction="receive",
            summary="The wanted state: what a node that was offline comes back to",
            model=desired,
            retained=True,
        ),
        Channel(
            name="image_latest",
            topic="image/latest",
            direction="send",
            summary="The last snapshot's bytes",
            media_type="image/jpeg",
            qos=0,
        ),
    )


def asyncapi_document(channels: Iterable[Channel], commands: Iterable[CommandSpec]) -> dict[str, Any]:
    """Return the document. Schemas are under `components`, each once."""
    channels, commands = list(channels), sorted(commands, key=lambda spec: spec.name)
    sent, taken = (
        [channel.model for channel in channels if channel.model and channel.direction == way]
        for way in ("send", "receive")
    )
    references, schemas = components(
        [*sent, ReplyDocument], [*taken, EnvelopeDocument, *(spec.arguments for spec in commands)]
    )
    document: dict[str, Any] = {
        "asyncapi": "3.0.0",
        "info": {
            "title": "edge-agent",
            "version": CONTRACT_VERSION,
            "description": "One camera on one small machine, driven over MQTT.",
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "broker": {
                "host": "localhost:1883",
                "protocol": "mqtt",
                "description": "Any MQTT broker, 5 or 3.1.1",
            }
        },
        "channels": {},
        "operations": {},
        "components": {"messages": {}, "schemas": schemas},
    }
    for channel in channels:
        payload = references[channel.model] if channel.model else {"type": "string", "format": "binary"}
        _add(document, channel, payload)
    for spec in commands:
        _add_command(document, spec, references)
    return document


def _add(document: dict[str, Any], channel: Channel, payload: Mapping[str, Any]) -> None:
    document["components"]["messages"][channel.name] = {
        "name": channel.name,
        "contentType": channel.media_type,
        "summary": channel.summary,
        "payload": payload,
    }
    document["channels"][channel.name] = {
        "address": f"{_ROOT}/{{node}}/{channel.topic}",
        "description": channel.summary,
        "parameters": _parameters(channel.topic),
        "messages": {channel.name: {"$ref": f"#/components/messages/{channel.name}"}},
    }
    document["operations"][channel.name] = _operation(channel)


def _operation(channel: Channel) -> dict[str, Any]:
    return {
        "action": channel.direction,
        "channel": {"$ref": f"#/channels/{channel.name}"},
        "summary": channel.summary,
        "bindings": {"mqtt": {"qos": channel.qos, "retain": channel.retained, "bindingVersion": "0.2.0"}},
    }


def _parameters(topic: str) -> dict[str, Any]:
    parameters = {"node": {"description": "The node's id: a-z, 0-9, _ and -, 64 at most"}}
    if "{kind}" in topic:
        parameters["kind"] = {"description": "What it is about: camera, stream, snapshot, problem, ..."}
    return parameters


def _add_command(
    document: dict[str, Any], spec: CommandSpec, references: Mapping[type[BaseModel], dict[str, Any]]
) -> None:
    name, reply = f"cmd_{spec.name}", f"reply_{spec.name}"
    schemas = document["components"]["schemas"]
    payload = command_payload(spec, resolved(references[spec.arguments], schemas))
    _add(
        document,
        Channel(name=name, topic=f"cmd/{spec.name}", direction="receive", summary=spec.description),
        payload,
    )
    _add(
        document,
        Channel(
            name=reply,
            topic=f"reply/{spec.name}",
            direction="send",
            summary=f"The answers to {spec.name}",
        ),
        references[ReplyDocument],
    )
    del document["operations"][reply]
    document["operations"][name]["reply"] = {
        "channel": {"$ref": f"#/channels/{reply}"},
        "messages": [{"$ref": f"#/channels/{reply}/messages/{reply}"}],
    }


def command_payload(spec: CommandSpec, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of what a command's topic takes: its arguments, and the keys of every command."""
    taken: dict[str, Any] = {
        **arguments,
        "description": spec.description,
        "properties": {
            **arguments.get("properties", {}),
            **arguments_schema(EnvelopeDocument)["properties"],
        },
    }
    if spec.main is None:
        return taken
    # A bare value is that of the main argument.
    definitions = {"$defs": taken.pop("$defs")} if "$defs" in taken else {}
    return {**definitions, "anyOf": [taken, taken["properties"][spec.main]]}
