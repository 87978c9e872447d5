"""The entities of day and night."""

from __future__ import annotations

from typing import Final

from edge_agent.contract.entity import Entity

__all__ = ["DAY_NIGHT_ENTITIES"]

DAY_NIGHT_ENTITIES: Final = (
    Entity(
        key="day_night",
        platform="select",
        name="Day and night",
        path="day_night.mode",
        command="day_night",
        arguments={"mode": ...},
        options=("auto", "day", "night", "off"),
        icon="mdi:theme-light-dark",
    ),
    Entity(
        key="day_night_auto",
        platform="switch",
        name="Day/night auto",
        path="day_night.mode",
        command="day_night",
        on={"mode": "auto"},
        off={"mode": "off"},
        on_state="auto",
        icon="mdi:weather-sunset",
    ),
    Entity(
        key="day_night_phase",
        platform="sensor",
        name="Day or night",
        path="day_night.phase",
        options=("day", "night"),
        icon="mdi:weather-night",
    ),
)
