"""An entity: one thing of this node as a home sees it, declared where the thing itself is declared.

Nothing here knows Home Assistant: an entity says in which document its state is and which command changes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Category", "Entity", "Platform", "Source", "by_key"]

Platform = Literal[
    "binary_sensor",
    "button",
    "camera",
    "event",
    "image",
    "number",
    "select",
    "sensor",
    "switch",
    "text",
    "update",
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
    a switch sends `on` and `off` instead, and is on where its state equals `on_state`; one that tells
    `presence` is on where anything but null is at `path`. `state` puts a text together from the parts of an
    object at `path`, as in `{v.width}x{v.height}`; `first` is the key to look for in a list at `path`: the
    first entry that has it tells the state. `scale` and `precision` make a number for people. `attributes`
    are more facts by their paths. Of an update `latest` is where the newest version is told, `progress` how
    far an installation is (0 to 1, null while there is none), `summary` and `link` what is new.
    `needs_camera` makes it unavailable while the camera is. One that is not `enabled` is there for those who
    look for it.
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
    presence: bool = False
    options: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    max_length: int | None = None
    unit: str | None = None
    device_class: str | None = None
    state_class: str | None = None
    icon: str | None = None
    category: Category | None = None
    enabled: bool = True
    needs_camera: bool = False
    scale: float | None = None
    precision: int | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    state: str | None = None
    first: str | None = None
    latest: str | None = None
    progress: str | None = None
    summary: str | None = None
    link: str | None = None


def by_key(entities: Iterable[Entity]) -> dict[str, Entity]:
    """Return entities by their keys, the first of each: a later one of the same key is left out."""
    found: dict[str, Entity] = {}
    for entity in entities:
        found.setdefault(entity.key, entity)
    return found
