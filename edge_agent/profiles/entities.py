"""The profiles' entities."""

from __future__ import annotations

from collections.abc import Iterator

from edge_agent.contract.entity import Entity
from edge_agent.contract.topics import Topics

__all__ = ["profile_entities"]


def profile_entities(topics: Topics, *, names: tuple[str, ...]) -> Iterator[Entity]:
    """Yield which of these profiles is active, whether it is held, and what happened to them."""
    if names:
        yield Entity(
            key="profile",
            platform="select",
            name="Profile",
            path="profile.active",
            command="profile",
            arguments={"name": ...},
            options=names,
            icon="mdi:palette-outline",
        )
    yield Entity(
        key="profile_held",
        platform="binary_sensor",
        name="Profile held",
        path="profile.hold",
        presence=True,
        attributes={"hold": "profile.hold", "pending": "profile.pending"},
        icon="mdi:pin-outline",
        category="diagnostic",
        enabled=False,
    )
    yield Entity(
        key="profile_release",
        platform="button",
        name="Release profile",
        command="profile",
        arguments={"action": "release"},
        icon="mdi:pin-off-outline",
        enabled=False,
    )
    yield Entity(
        key="profile_event",
        platform="event",
        name="Profile report",
        topic=topics.event("profile"),
        options=("switched", "failed", "held", "released", "saved", "deleted"),
        icon="mdi:palette-outline",
        enabled=False,
    )
