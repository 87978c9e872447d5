"""The arguments of the command `stream`."""

from __future__ import annotations

from typing import Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from edge_agent.contract.command import Arguments
from edge_agent.stream.status import StreamMode

__all__ = ["StreamArguments"]

_WORDS: Final = {"on": "start", "off": "stop", "true": "start", "false": "stop"}


class StreamArguments(Arguments):
    """What to do with the stream; ON and OFF are start and stop."""

    action: Literal["start", "stop", "restart", "keyframe", "demand", "release"] | None = Field(
        None, description="demand and release are for mode on_demand: somebody wants to watch, or no more"
    )
    mode: StreamMode | None = Field(None, description="When to publish, from now on")

    @field_validator("action", mode="before")
    @classmethod
    def _on_and_off(cls, value: object) -> object:
        return None if value is None else _WORDS.get(str(value).lower(), value)

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.action is None and self.mode is None:
            raise ValueError("give an 'action' or a 'mode'")
        return self
