"""The heartbeat: the machine's vital signs, at an interval, and at every birth."""

from __future__ import annotations

import asyncio
import json
import os
import resource
from collections.abc import Iterable
from types import TracebackType
from typing import Final, Self

from pydantic import Field

from edge_agent import __version__
from edge_agent.clock import rfc3339
from edge_agent.config import Section
from edge_agent.contract.entity import Entity
from edge_agent.feature import Feature, Host
from edge_agent.health.entities import health_entities
from edge_agent.health.machine import MachineReader, MachineReading
from edge_agent.mqtt.message import Outgoing

__all__ = ["Heartbeat", "HeartbeatConfig", "HeartbeatFeature"]

# As many as a child's start takes at once: its channel, its pipe, what it is given.
_SPARE_DESCRIPTORS: Final = 8


class HeartbeatConfig(Section):
    """How often the machine's vital signs are told."""

    interval_s: float = Field(30.0, ge=1, le=3600, description="Seconds between heartbeats")


class Heartbeat(MachineReading):
    """The machine's vital signs, and the agent's own."""

    seq: int = Field(description="Counts the heartbeats since the agent's start")
    time: str = Field(description="When it was read")
    uptime_s: float = Field(description="Since the agent's start, by a clock that does not jump")
    agent_version: str = Field(description="The program's")


class HeartbeatFeature(Feature):
    """Publishes `heartbeat`."""

    name = "heartbeat"
    section = HeartbeatConfig

    def __init__(self, *, host: Host, config: HeartbeatConfig) -> None:
        super().__init__(host=host, config=config)
        self._reader = MachineReader(state_dir=host.configuration.state_dir)
        self._started = host.clock.monotonic()
        self._seq = 0
        self._last: bytes | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._beat()
        self._task = asyncio.get_running_loop().create_task(self._run(), name="heartbeat")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def entities(self) -> Iterable[Entity]:
        """Return what a home sees of the machine."""
        return health_entities(self.host.topics)

    def retained(self) -> Iterable[Outgoing]:
        """Return the last heartbeat."""
        if self._last is not None:
            yield self._message(self._last)

    async def _run(self) -> None:
        while True:
            await self.host.clock.sleep(self.config.interval_s)
            await self._beat()

    async def _beat(self) -> None:
        host = self.host
        host.problems.set("no_descriptors", _no_descriptors())
        reading = await asyncio.to_thread(self._reader.read, host.child_pids())
        self._seq += 1
        document = {
            "seq": self._seq,
            "time": rfc3339(host.clock.now()),
            "uptime_s": round(host.clock.monotonic() - self._started, 1),
            "agent_version": __version__,
            **reading.model_dump(mode="json"),
            **host.vitals(),
        }
        self._last = json.dumps(document, separators=(",", ":")).encode()
        host.publish(self._message(self._last))

    def _message(self, payload: bytes) -> Outgoing:
        return Outgoing(topic=self.host.topics.heartbeat, payload=payload, qos=0, retain=True, kind="state")


def _no_descriptors() -> str | None:
    """Say whether this process is about to be refused another file, socket or child."""
    opened: list[int] = []
    try:
        opened.extend(os.dup(0) for _ in range(_SPARE_DESCRIPTORS))
    except OSError as error:
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        return f"no more files, connections or processes can be opened, {limit} are allowed: {error.strerror}"
    finally:
        for descriptor in opened:
            os.close(descriptor)
    return None
