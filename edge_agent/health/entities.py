"""What a home sees of the machine, and of what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from edge_agent.contract.entity import Entity
from edge_agent.contract.topics import Topics

__all__ = ["health_entities"]

_MIB: Final = 1 / 1024 / 1024


def health_entities(topics: Topics) -> Iterator[Entity]:
    """Yield the entities of `heartbeat` and of `status.problems`."""
    yield Entity(
        key="problem",
        platform="binary_sensor",
        name="Problem",
        path="problems",
        device_class="problem",
        category="diagnostic",
        attributes={"problems": "problems"},
    )
    yield Entity(
        key="health",
        platform="sensor",
        name="Health",
        path="health.state",
        device_class="enum",
        options=("ok", "degraded", "failed"),
        icon="mdi:heart-pulse",
        category="diagnostic",
    )
    yield Entity(
        key="problem_event",
        platform="event",
        name="Problem report",
        topic=topics.event("problem"),
        options=("raised", "solved"),
        icon="mdi:alert-circle-outline",
        category="diagnostic",
        enabled=False,
    )
    yield Entity(
        key="identify",
        platform="button",
        name="Identify",
        command="identify",
        device_class="identify",
        category="diagnostic",
    )
    yield Entity(
        key="restart_agent",
        platform="button",
        name="Restart agent",
        command="restart",
        arguments={"target": "agent"},
        device_class="restart",
        category="diagnostic",
        enabled=False,
    )
    yield _beat("cpu_temperature", "CPU temperature", "cpu_temperature_c", "°C", device_class="temperature")
    yield _beat("cpu", "CPU", "cpu_percent", "%", icon="mdi:cpu-64-bit", enabled=False)
    yield _beat(
        "memory_available",
        "Memory available",
        "memory_available_bytes",
        "MiB",
        scale=_MIB,
        precision=0,
        device_class="data_size",
        enabled=False,
    )
    yield _beat(
        "disk_free",
        "Disk free",
        "disk_free_bytes",
        "GiB",
        scale=_MIB / 1024,
        precision=1,
        device_class="data_size",
    )
    yield _beat(
        "uptime",
        "Uptime",
        "uptime_s",
        "h",
        scale=1 / 3600,
        precision=1,
        device_class="duration",
        enabled=False,
    )
    yield _beat(
        "wifi_signal",
        "Wi-Fi signal",
        "network",
        "dBm",
        first="wifi_signal_dbm",
        precision=0,
        device_class="signal_strength",
    )
    for key, name in (("under_voltage", "Under-voltage"), ("throttled", "Throttled")):
        yield Entity(
            key=key,
            platform="binary_sensor",
            name=name,
            source="heartbeat",
            path=key,
            device_class="problem",
            category="diagnostic",
            enabled=key == "under_voltage",
        )


def _beat(key: str, name: str, path: str, unit: str, **more: Any) -> Entity:
    return Entity(
        key=key,
        platform="sensor",
        name=name,
        source="heartbeat",
        path=path,
        unit=unit,
        state_class="measurement",
        category="diagnostic",
        **{"precision": 1, **more},
    )
