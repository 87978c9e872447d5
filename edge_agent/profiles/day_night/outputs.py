"""What day and night switch: infrared filter and lamp, each by a pin or by a message."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from edge_agent.errors import EdgeAgentError
from edge_agent.mqtt.message import Outgoing
from edge_agent.profiles.day_night.config import OutputConfig
from edge_agent.profiles.day_night.decider import Phase
from edge_agent.profiles.day_night.gpio import Pin

__all__ = ["Kind", "OutputStatus", "Outputs"]

Kind = Literal["ir_cut", "lamp"]


class OutputStatus(BaseModel):
    """One output in `status`: what it was last switched to (null: not yet), and what is wrong with it."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="As configured")
    kind: Kind = Field(description="An infrared filter or a lamp")
    phase: Phase | None = Field(None, description="What it was last switched to; null: not yet")
    error: str | None = Field(None, description="What is wrong with it")


class Outputs:
    """Switches them one after the other; one that fails is told and stops no other."""

    def __init__(
        self,
        configs: Sequence[OutputConfig],
        *,
        publish: Callable[[Outgoing], None],
        open_pin: Callable[..., Pin],
    ) -> None:
        self._configs = configs
        self._publish = publish
        self._open_pin = open_pin
        self._pins: dict[str, Pin] = {}
        self._status = {config.name: OutputStatus(name=config.name, kind=config.kind) for config in configs}

    @property
    def status(self) -> list[OutputStatus]:
        """What each was switched to."""
        return list(self._status.values())

    @property
    def errors(self) -> list[str]:
        """What is wrong, each with the output's name."""
        return [f"output '{each.name}': {each.error}" for each in self.status if each.error]

    async def switch(self, kind: Kind, phase: Phase) -> None:
        """Switch all of one kind to a phase, also those that are there already."""
        for config in self._configs:
            if config.kind == kind:
                error = await self._switch(config, phase)
                update = {"error": error} if error else {"error": None, "phase": phase}
                self._status[config.name] = self._status[config.name].model_copy(update=update)

    def messages(self) -> Iterable[Outgoing]:
        """Yield what those on topics were last told: whoever listens may have missed it."""
        for config in self._configs:
            phase = self._status[config.name].phase
            if config.topic is not None and phase is not None:
                yield _message(config, config.topic, phase)

    async def close(self) -> None:
        """Let go of the pins."""
        pins, self._pins = self._pins, {}
        for pin in pins.values():
            await asyncio.to_thread(pin.close)

    async def _switch(self, config: OutputConfig, phase: Phase) -> str | None:
        if config.topic is not None:
            self._publish(_message(config, config.topic, phase))
            return None
        high = config.active == phase
        try:
            pin = self._pins.get(config.name)
            if pin is None:
                self._pins[config.name] = await asyncio.to_thread(self._open_pin, config.gpio, high=high)
            else:
                await asyncio.to_thread(pin.set, high=high)
        except EdgeAgentError as error:
            return error.message
        return None


def _message(config: OutputConfig, topic: str, phase: Phase) -> Outgoing:
    payload = config.day if phase == "day" else config.night
    return Outgoing(topic=topic, payload=payload.encode(), retain=config.retain, kind="state")
