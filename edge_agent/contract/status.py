"""The `status` document: put together from its parts, published when something changed, but not in bursts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from pydantic import BaseModel

from edge_agent.clock import Clock, rfc3339
from edge_agent.mqtt.message import Outgoing

__all__ = ["Part", "StatusBoard"]

Part = Callable[[], BaseModel | Mapping[str, Any] | list[Any] | None]

# A burst becomes two messages a second: the first change shows soon, the rest together.
_BETWEEN_S: Final = 0.5
_SETTLE_S: Final = 0.03


class StatusBoard:
    """Holds the parts of `status` and decides when it is sent."""

    def __init__(
        self, *, topic: str, clock: Clock, publish: Callable[[Outgoing], None], interval_s: float
    ) -> None:
        self._topic = topic
        self._clock = clock
        self._publish = publish
        self._interval_s = interval_s
        self._parts: dict[str, Part] = {}
        self._changed = asyncio.Event()

    def add(self, name: str, part: Part) -> None:
        """Take in a part: a function that returns what is so now."""
        self._parts[name] = part

    def changed(self) -> None:
        """Something is not as it was last published."""
        self._changed.set()

    def document(self) -> dict[str, Any]:
        """Return the whole document as of now."""
        parts = {
            name: value.model_dump(mode="json") if isinstance(value, BaseModel) else value
            for name, part in self._parts.items()
            for value in (part(),)
        }
        return {"time": rfc3339(self._clock.now()), **parts}

    def publish(self) -> None:
        """Publish now."""
        self._changed.clear()
        payload = json.dumps(self.document(), separators=(",", ":")).encode()
        self._publish(Outgoing(topic=self._topic, payload=payload, retain=True, kind="state"))

    async def run(self) -> None:
        """Publish on change and every interval, until cancelled."""
        while True:
            try:
                async with asyncio.timeout(self._interval_s):
                    await self._changed.wait()
            except TimeoutError:
                pass
            else:
                await self._clock.sleep(_SETTLE_S)
            self.publish()
            await self._clock.sleep(_BETWEEN_S)
