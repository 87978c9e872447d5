"""The stream service with a publisher, a camera and a server that do as they are told, in driven time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from edge_agent.camera.messages import Beat
from edge_agent.contract.command import Outcome, Registry, bound
from edge_agent.contract.commands import Commands
from edge_agent.contract.events import Events
from edge_agent.contract.topics import Topics
from edge_agent.errors import CameraUnavailableError
from edge_agent.health.problems import Problems
from edge_agent.mqtt.message import Outgoing
from edge_agent.processes.channel import Message
from edge_agent.processes.child import ChildStatus
from edge_agent.storage import Remembered
from edge_agent.stream.messages import BEAT, PublisherState
from edge_agent.stream.server_view import Answer, PathView, Source
from edge_agent.stream.server_watch import ServerWatch
from edge_agent.stream.service import StreamService
from edge_agent.stream.sockets import Connection
from edge_agent.stream.status import ServerStatus
from edge_agent.stream.viewing import Viewing
from tests.clocks import ManualClock, settled
from tests.stream.beats import beat

__all__ = ["RATE", "FakeCamera", "FakeChild", "FakeServer", "Rig"]

LOCAL = ("127.0.0.1", 47000)
RATE = 500_000


class FakeChild:
    """A publisher that is there while it is supervised; a test beats for it."""

    def __init__(self, clock: ManualClock, callbacks: dict[str, Any]) -> None:
        self.callbacks = callbacks
        self._clock = clock
        self.status = ChildStatus("stopped", since=clock.now())
        self.restarts: list[str] = []

    async def run(self) -> None:
        self.status = ChildStatus("running", since=self._clock.now(), pid=7)
        try:
            await asyncio.Event().wait()
        finally:
            self.status = ChildStatus("stopped", since=self._clock.now())

    def restart_soon(self, reason: str) -> None:
        self.restarts.append(reason)

    async def restart(self, reason: str) -> None:
        self.restarts.append(reason)


@dataclass
class FakeCamera:
    """A camera that encodes when it is told to, unless it is away."""

    beat: Beat = field(default_factory=Beat)
    encoding: list[bool] = field(default_factory=list)
    keyframes: int = 0
    away: bool = False

    async def set_encoding(self, *, enabled: bool) -> None:
        self.encoding.append(enabled)
        if self.away:
            raise CameraUnavailableError("the camera is away")

    async def request_keyframe(self) -> None:
        self.keyframes += 1


class AtOnce(Executor):
    """Does it here and now, in place of a thread that a test would have to wait for."""

    def submit(self, job: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(job(*args, **kwargs))
        return done


class FakeServer:
    """The API and the connection of one server."""

    def __init__(self) -> None:
        self.answer = Answer(kind="missing", reason="no path")
        self.pending = 0
        self.connected = False

    def ask(self) -> Answer:
        return self.answer

    def close(self) -> None:
        pass

    def connections(self, _pid: int, _port: int) -> tuple[Connection, ...]:
        if not self.connected:
            return ()
        return (Connection(local=LOCAL, remote=("127.0.0.1", 8554), pending_bytes=self.pending, here=True),)

    def path(self, *, readers: int = 0, inbound: int = 0, remote: str | None = "127.0.0.1:47000") -> None:
        source = None
        if remote is not None:
            source = Source(kind="rtspSession", id=remote, remote=remote, inbound_bytes=inbound)
        view = PathView(
            online=source is not None,
            readers=readers,
            inbound_bytes=inbound,
            outbound_bytes=0,
            tracks=1,
            source=source,
        )
        self.answer = Answer(kind="ok", view=view)


class Rig:
    """A stream service that runs, in driven time."""

    def __init__(
        self, directory: Path, *, mode: str = "always", enabled: bool = True, api: bool = True
    ) -> None:
        self.clock = ManualClock()
        self.camera = FakeCamera()
        self.server = FakeServer()
        self.published: list[Outgoing] = []
        self.capabilities: list[dict[str, Any]] = []
        topics = Topics(root="edge/v1", node="porch")
        events = Events(topics=topics, clock=self.clock, publish=self.published.append)
        self.problems = Problems(clock=self.clock, events=events, changed=lambda: None)
        self.has_api = api
        self._sessions = 0
        self._written = 0
        self.service = StreamService(
            url="rtsp://me:hunter2@localhost:8554/porch",
            transport="tcp",
            tls_ca=None,
            tls_verify=True,
            packet_socket=directory / "packets",
            memory=Remembered(path=directory / "stream.json", configured={"enabled": enabled, "mode": mode}),
            grace_s=20.0,
            watch=ServerWatch(
                api=self.server if api else None,
                poll_s=2.0,
                port=8554,
                clock=self.clock,
                random=Random(1),
                find_connections=self.server.connections,
                new_thread=AtOnce,
            ),
            viewing=Viewing(url="rtsp://me:hunter2@localhost:8554/porch", reachable=lambda: "porch.local"),
            camera=self.camera,
            new_child=lambda **callbacks: FakeChild(self.clock, callbacks),  # type: ignore[arg-type] # a fake
            clock=self.clock,
            random=Random(1),
            events=events,
            problems=self.problems,
            status_changed=lambda: None,
            capabilities_changed=lambda: self.capabilities.append(self.service.capabilities()),
        )
        self.child: FakeChild = self.service.child  # type: ignore[assignment] # see above
        self._commands = Commands(registry=Registry(bound(self.service)))
        self.task = asyncio.create_task(self.service.run())

    async def close(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    async def passes(self, seconds: float, *, publishing: bool = False, arriving: bool = True) -> None:
        """Let time pass, half a second at a time, with a beat in each where the publisher is `publishing`."""
        for _ in range(round(seconds * 2)):
            if publishing:
                self.beats("publishing", wrote=RATE // 2)
                if arriving and self.server.answer.view is not None:
                    self.server.path(readers=self.server.answer.view.readers, inbound=self._written)
            self.clock.advance(0.5)
            await settled()

    def beats(self, state: PublisherState, *, wrote: int = 0, begins: bool = False, **changes: Any) -> None:
        self._sessions += begins
        self._written += wrote
        said = beat(state, sessions=self._sessions, bytes=self._written, **changes)
        self.child.callbacks["on_message"](Message(BEAT, said.body()))

    def restarted(self) -> None:
        """Let a new publisher begin, which counts from nothing."""
        self._sessions = self._written = 0

    async def publishes(self) -> None:
        """Begin a session that is well."""
        await settled()
        self.server.connected = True
        self.beats("publishing", begins=True)
        self.server.path(inbound=self._written)
        await self.passes(3, publishing=True)

    async def command(self, **arguments: Any) -> Outcome:
        return await self._commands.execute("stream", arguments, cause="a test")

    def state(self) -> tuple[str, str | None]:
        """Return the state and the code that `status` shows."""
        status = self.service.status()
        return status.state, status.code

    @property
    def seen(self) -> ServerStatus:
        return self.service.status().server

    def codes(self) -> set[str]:
        return {problem["code"] for problem in self.problems.document()}

    async def is_evicted(self, times: int) -> None:
        """Let another take the path over so many times, while the agent comes back at its first try."""
        for _ in range(times):
            self.server.connected = True
            self.beats("connecting", attempts=1)
            self.beats("publishing", begins=True)
            await self.passes(0.5)
            self.server.connected = False
            self.server.path(remote="192.0.2.7:5")
            self.beats("failed", code="stream_unreachable")
            await self.passes(0.5)

    def told(self, kind: str) -> list[str]:
        return [
            json.loads(message.payload)["event_type"]
            for message in self.published
            if message.topic.endswith(f"/event/{kind}")
        ]
