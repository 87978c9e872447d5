"""What a feature is given, for tests: everything real but the camera, the wire and the time."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from random import Random
from typing import Any

from pydantic import BaseModel

from edge_agent.camera.port import CameraPort
from edge_agent.config import load
from edge_agent.contract.command import Command, Registry
from edge_agent.contract.commands import Commands
from edge_agent.contract.events import Events
from edge_agent.contract.topics import Topics
from edge_agent.errors import LinkError
from edge_agent.feature import Host
from edge_agent.health.problems import Problems
from edge_agent.mqtt.message import Outgoing, packet_bytes
from tests.clocks import ManualClock

__all__ = ["Desk"]


class Desk:
    """A host and what was sent through it. `commands` are what features may have carried out."""

    def __init__(
        self,
        *,
        state_dir: Path,
        camera: CameraPort,
        clock: ManualClock,
        sections: Mapping[str, type[BaseModel]] | None = None,
        environ: Mapping[str, str] | None = None,
        commands: Iterable[Command] = (),
    ) -> None:
        self.clock = clock
        self.sent: list[Outgoing] = []
        self.broker_limit_bytes: int | None = None
        self.broker_away: LinkError | None = None
        self.reconnects: list[str] = []
        self.registry = Registry(commands)
        topics = Topics(root="edge/v1", node="porch")
        events = Events(topics=topics, clock=clock, publish=self.sent.append)
        self.problems = Problems(clock=clock, events=events, changed=lambda: None)
        self.host = Host(
            configuration=load(
                None,
                environ={"EDGE_AGENT_STATE_DIR": str(state_dir), **(environ or {})},
                sections=sections or {},
                default_path=state_dir.parent / "no-such-file.yaml",
            ),
            topics=topics,
            clock=clock,
            random=Random(0),
            events=events,
            problems=self.problems,
            camera=camera,
            commands=Commands(registry=self.registry),
            publish=self.sent.append,
            deliver=self._deliver,
            status_changed=lambda: None,
            republish=lambda: None,
            online=lambda: True,
            reconnect=self.reconnects.append,
            entities=lambda: (),
            entities_changed=lambda: None,
            child_pids=dict,
        )

    async def _deliver(self, message: Outgoing) -> None:
        if self.broker_away is not None:
            raise self.broker_away
        size, limit = packet_bytes(message), self.broker_limit_bytes
        if limit is not None and size > limit:
            raise LinkError(f"{size} bytes are too many", code="message_too_large", value=size, allowed=limit)
        self.sent.append(message)

    def problem_codes(self) -> set[str]:
        """Return the codes of what is wrong."""
        return {problem["code"] for problem in self.problems.document()}

    def events(self, kind: str) -> list[dict[str, Any]]:
        """Return the documents that were sent on `event/<kind>`."""
        topic = self.host.topics.event(kind)
        return [json.loads(message.payload) for message in self.sent if message.topic == topic]
