"""The schedules' entities."""

from __future__ import annotations

from typing import Final

from edge_agent.contract.entity import Entity

__all__ = ["SCHEDULE_ENTITIES"]

SCHEDULE_ENTITIES: Final = (
    Entity(
        key="schedule_next",
        platform="sensor",
        name="Next scheduled",
        path="schedule.next",
        first="time",
        device_class="timestamp",
        attributes={"coming": "schedule.next"},
        icon="mdi:calendar-clock",
        category="diagnostic",
        enabled=False,
    ),
)
