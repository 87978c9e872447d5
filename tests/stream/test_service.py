"""The stream as a whole, with a publisher, a camera and a server that do as they are told, in driven time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest

from edge_agent.camera.messages import Beat
from edge_agent.contract.command import Outcome, Registry, bound
from edge_agent.contract.commands import Commands
from edge_agent.contract.events import Events
from edge_agent.contract.topics import Topics
from edge_agent.errors import CameraUnavailableError, RefusedError
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
from tests.stream.test_server_watch import until

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

    def told(self, kind: str) -> list[str]:
        return [
            json.loads(message.payload)["event_type"]
            for message in self.published
            if message.topic.endswith(f"/event/{kind}")
        ]


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    made = Rig(tmp_path)
    yield made
    await made.close()


@pytest.fixture
async def on_demand(tmp_path: Path) -> AsyncIterator[Rig]:
    made = Rig(tmp_path, mode="on_demand")
    await made.passes(3)
    yield made
    await made.close()


async def test_a_stream_that_is_well(rig: Rig) -> None:
    await rig.publishes()
    assert rig.state() == ("publishing", None)
    assert (rig.seen.state, rig.seen.online, rig.seen.readers) == ("ok", True, 0)
    assert rig.seen.inbound_bps is not None
    assert rig.codes() == set()
    assert rig.camera.encoding == [True]


async def test_no_secret_is_shown(rig: Rig) -> None:
    await until(lambda: bool(rig.capabilities))
    shown = json.dumps([rig.service.status().model_dump(mode="json"), rig.service.capabilities()])
    assert "hunter2" not in shown
    assert rig.service.status().urls.webrtc == "http://porch.local:8889/porch"
    assert rig.capabilities[0]["urls"]["hls"] == "http://porch.local:8888/porch/index.m3u8"


async def test_bytes_that_do_not_arrive_restart_the_publisher(rig: Rig) -> None:
    await rig.publishes()
    await rig.passes(12, publishing=True, arriving=False)
    assert rig.state() == ("failed", "server_no_bytes")
    assert rig.codes() == {"server_no_bytes"}
    assert "the publisher is restarted" in rig.problems.document()[0]["message"]
    assert rig.child.restarts
    rig.child.callbacks["on_down"]("is restarted")
    await rig.publishes()
    assert rig.state() == ("publishing", None)
    assert rig.codes() == set()
    assert rig.told("problem") == ["raised", "solved"]


async def test_a_server_that_hangs_is_told_and_not_restarted_for(rig: Rig) -> None:
    await rig.publishes()
    rig.server.answer = Answer(kind="silent", reason="no answer")
    for _ in range(10):
        rig.server.pending += RATE // 2
        await rig.passes(0.5, publishing=True)
    assert rig.state() == ("failed", "server_silent")
    assert rig.codes() == {"server_silent"}
    assert rig.child.restarts == []
    rig.server.pending = 0
    rig.server.path(inbound=1)
    await rig.passes(3, publishing=True)
    assert rig.state() == ("publishing", None)
    assert rig.codes() == set()


async def test_an_api_that_is_away_breaks_nothing_and_is_told_once(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    await rig.publishes()
    rig.server.answer = Answer(kind="unreachable", reason="the API cannot be reached")
    await rig.passes(30, publishing=True)
    assert rig.state() == ("publishing", None)
    assert rig.seen.state == "away"
    assert rig.codes() == {"server_api_away"}
    rig.server.path()
    await rig.passes(3, publishing=True)
    assert rig.codes() == set()
    said = [record.getMessage() for record in caplog.records if "server_side" in record.name]
    assert said == ["the API cannot be reached", "the API answers"]


async def _is_evicted(rig: Rig, times: int) -> None:
    for _ in range(times):
        rig.server.connected = True
        rig.beats("publishing", begins=True)
        await rig.passes(0.5)
        rig.server.connected = False
        rig.server.path(remote="192.0.2.7:5")
        rig.beats("failed", code="stream_unreachable")
        await rig.passes(0.5)


async def test_another_publisher_is_reported_and_not_fought(rig: Rig) -> None:
    await _is_evicted(rig, 3)
    await rig.passes(3)
    assert rig.state() == ("failed", "stream_contested")
    assert "192.0.2.7:5" in str(rig.service.status().reason)
    assert rig.codes() == {"stream_contested"}
    assert rig.child.status.pid is None
    assert rig.camera.encoding[-1] is False
    await rig.passes(90)
    assert rig.child.status.pid is None, "as long as the other is there"
    rig.server.path(remote=None)
    await rig.passes(3)
    assert rig.child.status.pid is not None
    await rig.publishes()
    assert rig.state() == ("publishing", None)
    assert rig.codes() == {"stream_contested"}, "until it has lasted"
    await rig.passes(16, publishing=True)
    assert rig.codes() == set()


async def test_a_command_tries_at_once(rig: Rig) -> None:
    await _is_evicted(rig, 3)
    await rig.passes(3)
    assert rig.state() == ("failed", "stream_contested")
    await rig.command(action="restart")
    await settled()
    assert rig.child.status.pid is not None


async def test_a_server_that_refuses_a_second_publisher_names_the_first(rig: Rig) -> None:
    rig.server.path(remote="192.0.2.7:5")
    rig.beats("failed", code="stream_rejected", reason="400")
    await rig.passes(3)
    assert rig.state() == ("failed", "stream_contested")
    assert "192.0.2.7:5" in str(rig.service.status().reason)


async def test_on_demand_nothing_is_encoded_until_somebody_asks(on_demand: Rig) -> None:
    assert on_demand.state() == ("waiting", None)
    assert on_demand.service.status().reason == "nobody is watching"
    assert on_demand.camera.encoding == [False]
    assert on_demand.child.status.pid is not None, "it sleeps, so that the first picture is there sooner"
    await on_demand.command(action="demand")
    assert on_demand.camera.encoding[-1] is True


async def test_on_demand_readers_hold_it_and_grace_follows(on_demand: Rig) -> None:
    await on_demand.command(action="demand")
    await on_demand.publishes()
    on_demand.server.path(readers=1)
    await on_demand.passes(60, publishing=True)
    assert on_demand.state() == ("publishing", None)
    on_demand.server.path(readers=0)
    await on_demand.passes(17, publishing=True)
    assert on_demand.state() == ("publishing", None)
    await on_demand.passes(6, publishing=True)
    assert on_demand.state() == ("waiting", None)
    assert on_demand.camera.encoding[-1] is False


async def test_on_demand_a_reader_of_an_offline_path_begins_it(on_demand: Rig) -> None:
    on_demand.server.path(remote=None, readers=1)
    await on_demand.passes(3)
    assert on_demand.camera.encoding[-1] is True


async def test_on_demand_a_release_ends_it(on_demand: Rig) -> None:
    await on_demand.command(action="demand")
    await on_demand.command(action="release")
    assert on_demand.camera.encoding == [False, True, False]


async def test_those_who_wait_for_the_beginning_get_keyframes_and_a_reconnect_costs_none(
    on_demand: Rig,
) -> None:
    await on_demand.command(action="demand")
    await on_demand.publishes()
    assert on_demand.camera.keyframes == 3
    on_demand.beats("failed", code="stream_unreachable")
    await on_demand.publishes()
    assert on_demand.camera.keyframes == 3


async def test_a_demand_on_a_stopped_stream_is_refused(on_demand: Rig) -> None:
    await on_demand.command(action="stop")
    with pytest.raises(RefusedError, match="the stream is stopped"):
        await on_demand.command(action="demand")


async def test_manual_waits_for_a_command_at_every_start(tmp_path: Path) -> None:
    for _ in range(2):
        rig = Rig(tmp_path, mode="manual")
        await rig.passes(1)
        assert rig.state() == ("stopped", None)
        assert rig.camera.encoding == [False]
        assert rig.child.status.pid is None
        outcome = await rig.command(action="start")
        assert outcome.result["enabled"] is True
        await settled()
        assert rig.child.status.pid is not None
        await rig.close()


async def test_the_mode_is_set_live_and_remembered(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    await rig.passes(1)
    outcome = await rig.command(mode="on_demand")
    assert (outcome.applied, outcome.result["mode"]) == ({"mode": "on_demand"}, "on_demand")
    assert rig.camera.encoding == [True, False]
    await rig.close()
    again = Rig(tmp_path)
    assert again.service.status().mode == "on_demand"
    await again.close()


async def test_a_stop_is_remembered(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    await rig.command(action="OFF")
    await rig.close()
    again = Rig(tmp_path)
    assert again.service.status().enabled is False
    await again.close()


async def test_a_dry_run_changes_nothing(rig: Rig) -> None:
    outcome = await rig._commands.execute("stream", {"action": "stop"}, cause="a test", dry_run=True)
    assert outcome.applied == {"action": "stop"}
    assert rig.service.status().enabled is True


async def test_a_command_that_says_nothing_is_refused(rig: Rig) -> None:
    with pytest.raises(RefusedError, match="give an 'action' or a 'mode'"):
        await rig.command()


async def test_encoding_is_mended_where_the_camera_does_otherwise(rig: Rig) -> None:
    rig.camera.away = True
    await rig.passes(1)
    assert rig.camera.encoding == [True]
    rig.camera.away = False
    rig.camera.beat = Beat(frames=1, encoding=False)
    await rig.passes(10)
    assert 3 <= len(rig.camera.encoding) <= 4
    rig.camera.beat = Beat(frames=2, encoding=True)
    count = len(rig.camera.encoding)
    await rig.passes(10)
    assert len(rig.camera.encoding) == count


async def test_without_an_api_a_hanging_server_is_noticed(tmp_path: Path) -> None:
    rig = Rig(tmp_path, api=False)
    await rig.publishes()
    assert rig.state() == ("publishing", None)
    assert (rig.seen.state, rig.seen.readers) == ("unknown", None)
    for _ in range(20):
        rig.server.pending += RATE // 2
        await rig.passes(0.5, publishing=True)
    assert rig.state() == ("failed", "server_silent")
    await rig.close()
