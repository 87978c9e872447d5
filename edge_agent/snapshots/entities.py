"""The pictures' entities."""

from __future__ import annotations

from collections.abc import Iterator

from edge_agent.contract.entity import Entity
from edge_agent.contract.topics import Topics

__all__ = ["snapshot_entities"]


def snapshot_entities(topics: Topics) -> Iterator[Entity]:
    """Yield the pictures, what takes one, and how many wait to be uploaded."""
    # The main entity, which bears the device's name.
    yield Entity(key="camera", platform="camera", name=None, topic=topics.image_latest)
    yield Entity(key="last_snapshot", platform="image", name="Last snapshot", topic=topics.image_latest)
    yield Entity(
        key="snapshot",
        platform="button",
        name="Snapshot",
        command="snapshot",
        icon="mdi:camera",
        needs_camera=True,
    )
    yield Entity(
        key="last_snapshot_time",
        platform="sensor",
        name="Last snapshot time",
        path="snapshot.time",
        device_class="timestamp",
        category="diagnostic",
        enabled=False,
    )
    yield Entity(
        key="snapshot_event",
        platform="event",
        name="Snapshot taken",
        topic=topics.event("snapshot"),
        options=("taken",),
        icon="mdi:camera-plus-outline",
    )
    yield Entity(
        key="uploads_waiting",
        platform="sensor",
        name="Uploads waiting",
        path="upload.waiting",
        state_class="measurement",
        icon="mdi:tray-arrow-up",
        category="diagnostic",
    )
