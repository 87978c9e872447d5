"""The `status` document: put together from its parts, published when something changed, but not in bursts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from pydantic import BaseModel

from edge_agent.clock import Clock, rfc3339
from edge_agent.contract.wire import encoded
from edge_agent.mqtt.message import Outgoing

__all__ = ["PARTS", "Part", "StatusBoard"]

logger = logging.getLogger(__name__)

# What the contract promises to be there on every node, besides the features' own.
PARTS: Final = frozenset(
    {
        "node",
        "link",
        "camera",
        "stream",
        "snapshot",
        "upload",
        "profile",
        "schedule",
        "day_night",
        "desired",
        "features",
        "problems",
        "health",
    }
)

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
        self._broken: set[str] = set()
        self._changed = asyncio.Event()

    def add(self, name: str, part: Part) -> None:
        """Take in a part: a function that returns what is so now."""
        self._parts[name] = part

    def add_missing(self, names: Iterable[str]) -> None:
        """Take in parts that nobody tells: the document keeps all its keys."""
        for name in names:
            self._parts[name] = lambda: None

    def changed(self) -> None:
        """Something is not as it was last published."""
        self._changed.set()

    def document(self) -> dict[str, Any]:
        """Return the whole document as of now; a part that fails is null, the others are told."""
        parts = {name: self._value(name, part) for name, part in self._parts.items()}
        return {"time": rfc3339(self._clock.now()), **parts}

    def part(self, name: str) -> Any:
        """Return one part as of now, as it is told; None where there is none or it fails."""
        part = self._parts.get(name)
        return None if part is None else self._value(name, part)

    def publish(self) -> None:
        """Publish now."""
        self._changed.clear()
        payload = encoded(self.document())
        self._publish(Outgoing(topic=self._topic, payload=payload, retain=True, kind="state"))

    def _value(self, name: str, part: Part) -> Any:
        try:
            value = part()
            plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
            encoded(plain)
        except Exception:
            # A feature's mistake costs its own part, never the document, and never the agent.
            if name not in self._broken:
                logger.exception("The part '%s' of status cannot be told", name)
                self._broken.add(name)
            return None
        self._broken.discard(name)
        return plain

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
