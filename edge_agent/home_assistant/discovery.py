"""The one publisher of the device document: in order, not too fast, and with what is gone taken away.

Home Assistant applies two different documents that come back to back in the wrong order, so that different
ones keep their distance. What was published last is kept on disk: only so can be removed what is gone.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from edge_agent.clock import Clock
from edge_agent.errors import StorageError
from edge_agent.home_assistant.document import removing
from edge_agent.mqtt.message import Outgoing
from edge_agent.storage import write_atomically

__all__ = ["Discovery"]

logger = logging.getLogger(__name__)

_APART_S: Final = 5.0
_MAX_FILE_BYTES: Final = 4 * 1024 * 1024


class Discovery:
    """Publishes on one topic. `want` says what is to be there, `run` brings it there while it is `online`."""

    def __init__(
        self,
        *,
        topic: str,
        path: Path,
        clock: Clock,
        publish: Callable[[Outgoing], None],
        online: Callable[[], bool],
    ) -> None:
        self._topic = topic
        self._path = path
        self._clock = clock
        self._publish = publish
        self._online = online
        self._present: dict[str, Any] | None = None
        self._left: str | None = None
        self._wanted: dict[str, Any] | None = None
        self._decided = False
        self._something = asyncio.Event()

    async def load(self) -> None:
        """Read what was published last; a file that cannot be read is as none."""
        topic, document = await asyncio.to_thread(self._read)
        if topic == self._topic:
            self._present = document
        else:
            # The node had another name, or Home Assistant another prefix: what was there is taken away.
            self._left = topic

    def want(self, document: Mapping[str, Any] | None) -> None:
        """Have this document published; None removes the device."""
        self._wanted = None if document is None else dict(document)
        self._decided = True
        self._something.set()

    def born(self) -> None:
        """The broker is there: go on with what was left."""
        self._something.set()

    def message(self) -> Outgoing | None:
        """Return what holds on the broker now, or should: for every birth."""
        return None if self._present is None else self._outgoing(self._present)

    async def run(self) -> None:
        """Publish what is wanted, until cancelled."""
        while True:
            await self._something.wait()
            self._something.clear()
            if not (self._decided and self._online()):
                continue  # `born` comes back to it: what is sent into the void removes nothing
            if self._left is not None:
                left, self._left = self._left, None
                self._publish(Outgoing(topic=left, payload=b"", retain=True, kind="state"))
            if self._wanted is None:
                await self._remove_device()
            elif (step := self._next_step(self._wanted)) is not None:
                await self._take(step)
                self._something.set()
                await self._clock.sleep(_APART_S)

    def _next_step(self, wanted: dict[str, Any]) -> dict[str, Any] | None:
        present = self._present
        if present is None:
            return wanted
        if present == wanted:
            return None
        # First what is gone is said to be gone, in the next step it is left out.
        step = removing(wanted, present)
        return wanted if step is None or step == present else step

    async def _take(self, document: dict[str, Any]) -> None:
        self._present = document
        self._publish(self._outgoing(document))
        content = json.dumps({"topic": self._topic, "document": document}).encode()
        try:
            await asyncio.to_thread(write_atomically, self._path, content)
        except StorageError as error:
            logger.warning("What Home Assistant knows would not survive a restart: %s", error.message)

    async def _remove_device(self) -> None:
        if self._present is None:
            return
        self._present = None
        self._publish(Outgoing(topic=self._topic, payload=b"", retain=True, kind="state"))
        await asyncio.to_thread(self._path.unlink, missing_ok=True)

    def _outgoing(self, document: Mapping[str, Any]) -> Outgoing:
        payload = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
        return Outgoing(topic=self._topic, payload=payload, retain=True, kind="state")

    def _read(self) -> tuple[str | None, dict[str, Any] | None]:
        try:
            with self._path.open("rb") as file:
                known = json.loads(file.read(_MAX_FILE_BYTES))
            document = known["document"]
            usable = all(isinstance(config["platform"], str) for config in document["components"].values())
            topic = str(known["topic"])
        except FileNotFoundError:
            return None, None
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            logger.warning("%s cannot be read: %s", self._path, error)
            return None, None
        return (topic, document) if usable else (None, None)
