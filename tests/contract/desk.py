"""A dispatcher with a few commands, and what it publishes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from edge_agent.contract.command import Arguments, Call, Command, CommandSpec, Outcome, Registry
from edge_agent.contract.dispatcher import Dispatcher
from edge_agent.contract.events import Events
from edge_agent.contract.guards import Guards, RateLimit
from edge_agent.contract.journal import Journal
from edge_agent.contract.topics import Topics
from edge_agent.mqtt.message import Incoming, Outgoing
from tests.clocks import ManualClock, settled

BASE = "edge/v1/porch"
REPLY_KEYS = {
    "id",
    "command",
    "state",
    "time",
    "duration_ms",
    "requested",
    "applied",
    "clamped",
    "result",
    "error",
}


class LightArguments(Arguments):
    mode: Literal["night", "day", "dusk"] = "day"
    level: float | None = Field(None, ge=0, le=100)
    count: int | None = None
    on: bool | None = None


class Handler:
    """Does what a test wants: returns, raises, or waits to be let go."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.error: BaseException | None = None
        self.outcome: Outcome | None = None
        self.held: asyncio.Event | None = None
        self.progress: Sequence[float] = ()

    async def __call__(self, call: Call) -> Outcome:
        self.calls.append(call)
        for share in self.progress:
            call.progress(share)
        if self.held is not None:
            await self.held.wait()
        if self.error is not None:
            raise self.error
        return self.outcome or Outcome(applied=dict(call.given))


def strict_json(payload: bytes) -> Any:
    def never(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    return json.loads(payload, parse_constant=never)


class Desk:
    """`scan` is slow, `restart` ends with the agent, `update` outlives it, `nothing` takes no arguments."""

    def __init__(
        self,
        path: Path,
        *,
        clock: ManualClock | None = None,
        registry: Registry | None = None,
        deny: frozenset[str] = frozenset(),
        read_only: bool = False,
        limits: Mapping[str, RateLimit] | None = None,
        window_s: float = 3600,
        max_entries: int = 100,
    ) -> None:
        self.clock = clock or ManualClock()
        self.sent: list[Outgoing] = []
        self.handler = Handler()
        self.topics = Topics(root="edge/v1", node="porch", groups=("outdoor",))
        self.journal = Journal(
            path=path / "journal.jsonl", clock=self.clock, window_s=window_s, max_entries=max_entries
        )
        specs = (
            CommandSpec(name="light", description="Light.", arguments=LightArguments, main="mode"),
            CommandSpec(name="scan", description="Scan.", slow=True),
            CommandSpec(name="restart", description="End.", slow=True, ends_with_restart=True),
            CommandSpec(
                name="update", description="Go on.", slow=True, resumes=True, arguments=LightArguments
            ),
            CommandSpec(name="nothing", description="Take nothing.", changes=lambda _: False),
        )
        self.dispatcher = Dispatcher(
            topics=self.topics,
            registry=registry or Registry(Command(spec, self.handler) for spec in specs),
            journal=self.journal,
            events=Events(topics=self.topics, clock=self.clock, publish=self.sent.append),
            publish=self.sent.append,
            clock=self.clock,
            guards=Guards(clock=self.clock, deny=deny, read_only=read_only, limits=limits),
        )
        self.dispatcher.end_open_commands()

    def send(self, command: str, payload: Any = b"", *, base: str = BASE, **properties: Any) -> None:
        content = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        message = Incoming(f"{base}/cmd/{command}", content, **{"retain": False, "qos": 1, **properties})
        self.dispatcher.receive(message)

    async def ask(self, command: str, payload: Any = b"", **properties: Any) -> dict[str, Any]:
        """Send a command; return its last reply so far."""
        self.send(command, payload, **properties)
        await settled()
        return self.replies()[-1]

    def replies(self, topic: str | None = None) -> list[dict[str, Any]]:
        found = [
            strict_json(message.payload)
            for message in self.sent
            if (message.topic == topic if topic else message.topic.startswith(f"{BASE}/reply/"))
        ]
        for reply in found:
            assert set(reply) - {"progress", "dry_run"} == REPLY_KEYS
        return found

    def states(self) -> list[str]:
        return [reply["state"] for reply in self.replies()]

    def events(self) -> list[dict[str, Any]]:
        return [
            strict_json(message.payload)
            for message in self.sent
            if message.topic.startswith(f"{BASE}/event/")
        ]
