"""An entity: one thing of this node as a home sees it, declared where the thing itself is declared.

Nothing here knows Home Assistant: an entity says in which document its state is and which command changes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Category", "Entity", "Platform", "Source", "by_key"]

Platform = Literal[
    "binary_sensor", "button", "camera", "event", "image", "number", "select", "sensor", "switch", "update"
]
Category = Literal["config", "diagnostic"]
Source = Literal["status", "heartbeat"]


@dataclass(frozen=True, kw_only=True)
class Entity:
    """One entity.

    `key` is its lasting name for machines, `name` its short one for people; None makes it the main one.
    `path` leads to its state in the retained document `source`: `camera.sensor.lux`. `topic` takes the
    place of both where the state is a topic of its own (pictures, events).

    `command` changes it: `arguments` is what is sent, `...` standing in it for the value that a person chose;
    a switch sends `on` and `off` instead, and is on where its state equals `on_state`. `state` puts a text
    together from the parts of an object at `path`, as in `{v.width}x{v.height}`; `scale` and `precision` make
    a number for people. `needs_camera` makes it unavailable while the camera is.
    """

    key: str
    platform: Platform
    name: str | None
    source: Source = "status"
    path: str | None = None
    topic: str | None = None
    command: str | None = None
    arguments: Any = None
    on: Any = None
    off: Any = None
    on_state: Any = True
    options: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    unit: str | None = None
    device_class: str | None = None
    state_class: str | None = None
    icon: str | None = None
    category: Category | None = None
    enabled: bool = True
    needs_camera: bool = False
    scale: float | None = None
    precision: int | None = None
    attributes: str | None = None
    state: str | None = None
    more: Mapping[str, Any] = field(default_factory=dict)


def by_key(entities: Iterable[Entity]) -> dict[str, Entity]:
    """Return entities by their keys, the first of each: a later one of the same key is left out."""
    found: dict[str, Entity] = {}
    for entity in entities:
        found.setdefault(entity.key, entity)
    return found
