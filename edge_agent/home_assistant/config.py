"""How Home Assistant finds this node."""

from __future__ import annotations

from pydantic import Field

from edge_agent.config import Section

__all__ = ["HomeAssistantConfig"]


class HomeAssistantConfig(Section):
    """MQTT discovery."""

    enabled: bool = Field(True, description="false removes this node from Home Assistant")
    prefix: str = Field(
        "homeassistant",
        pattern=r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$",
        max_length=128,
        description="Home Assistant's own discovery prefix",
    )
    status_topic: str | None = Field(
        None,
        pattern=r"^[^+#\x00$][^+#\x00]*$",
        max_length=256,
        description="Where Home Assistant says that it has started; null is <prefix>/status",
    )
    area: str | None = Field(None, min_length=1, max_length=128, description="The room that is suggested")

    @property
    def birth_topic(self) -> str:
        """Where Home Assistant's birth is told."""
        return self.status_topic or f"{self.prefix}/status"
