"""Home Assistant's device document: the device, where it comes from, and its components."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from edge_agent import __version__
from edge_agent.contract.entity import Entity, by_key
from edge_agent.home_assistant.component import AGENT_ONLINE, Naming, component
from edge_agent.home_assistant.identity import Identity

__all__ = ["device_document", "removing"]


def device_document(
    *,
    entities: Iterable[Entity],
    naming: Naming,
    identity: Identity,
    name: str,
    model: str | None,
    sensor: str | None,
    page: str | None = None,
    area: str | None = None,
) -> dict[str, Any]:
    """Return the document. Every object in it is closed: an unknown key would cost the whole device."""
    device = {
        "identifiers": [identity.unique_id],
        "name": name,
        "manufacturer": "edge-agent",
        "model": model,
        "hw_version": sensor,
        "sw_version": __version__,
        "serial_number": identity.serial,
        "configuration_url": page if page and page.startswith(("http://", "https://")) else None,
        "suggested_area": area,
    }
    return {
        "device": {key: value for key, value in device.items() if value is not None},
        "origin": {"name": "edge-agent", "sw_version": __version__},
        "availability": [{"topic": naming.topics.availability, "value_template": AGENT_ONLINE}],
        "availability_mode": "all",
        "components": {key: component(entity, naming) for key, entity in by_key(entities).items()},
    }


def removing(document: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return `document` with those that are gone since `before` as what removes them; None where none is.

    Leaving a component out keeps it alive: it has to be said once with its platform alone. One whose platform
    has changed is gone, too, and comes back as the other one.
    """
    components, old = document["components"], before.get("components", {})
    gone = {
        key: {"platform": config["platform"]}
        for key, config in old.items()
        if key not in components or components[key]["platform"] != config["platform"]
    }
    return {**document, "components": {**components, **gone}} if gone else None
