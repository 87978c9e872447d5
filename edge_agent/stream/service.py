"""The stream as the agent has it: the publisher process, what it says of itself, the `stream` command."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final, Literal, Protocol, get_args

from edge_agent.camera.messages import Beat
from edge_agent.clock import Clock, rfc3339
from edge_agent.contract.command import Call, Outcome, command
from edge_agent.contract.events import Events
from edge_agent.errors import EdgeAgentError, ProcessError, RefusedError
from edge_agent.health.problems import Problems
from edge_agent.masking import mask_url
from edge_agent.processes.channel import Message
from edge_agent.processes.child import Child, ChildLimits
from edge_agent.processes.waiting import set_within
from edge_agent.pulse import until_pulse_s
from edge_agent.saving import Saving
from edge_agent.storage import Remembered
from edge_agent.stream.arguments import StreamArguments
from edge_agent.stream.demand import Demand
from edge_agent.stream.judgement import OWN_PROBLEMS, Facts, Judgement, judge
from edge_agent.stream.messages import BEAT, CONFIGURE, PublisherBeat, PublisherConfig
from edge_agent.stream.record import PublisherRecord
from edge_agent.stream.server_side import ServerSide
from edge_agent.stream.server_watch import ServerWatch
from edge_agent.stream.status import VITALS, LeftOut, StreamMode, StreamStatus
from edge_agent.stream.tally import Tally
from edge_agent.stream.viewing import Viewing, path_name
from edge_agent.stream.welcome import Welcome

__all__ = ["StreamService"]

logger = logging.getLogger(__name__)

_WATCH_EVERY_S: Final = 1.0
_MEASURED_AFTER_S: Final = 1.5
# How long the publisher may be in one call, beyond which it is ended; mostly the call has a limit itself.
_MAY_TAKE_S: Final = {"write": 6.5, "handshake": 10.0}
_ENCODING_SHOWS_AFTER_S: Final = 3.0
_ADDRESS_HOLDS_S: Final = 60.0

# A proper end takes up to three seconds where the server has stopped reading. The server may be back at any
# moment: a publisher that had to be ended is not waited for long.
_LIMITS: Final = ChildLimits(silent_s=6.0, ask_s=3.5, backoff_max_s=1.5)


class StreamCamera(Protocol):
    """What the stream needs of the camera."""

    @property
    def beat(self) -> Beat:
        """What it measured."""
        ...

    async def set_encoding(self, *, enabled: bool) -> None:
        """Encode, or spare the work."""
        ...

    async def request_keyframe(self) -> None:
        """Make the next frame a keyframe."""
        ...


class StreamService:
    """One stream to one server. What `memory` holds is `{"enabled": ..., "mode": ...}`."""

    def __init__(
        self,
        *,
        url: str,
        transport: Literal["tcp", "udp"],
        tls_ca: Path | None,
        tls_verify: bool,
        packet_socket: Path,
        memory: Remembered,
        grace_s: float,
        watch: ServerWatch,
        viewing: Viewing,
        camera: StreamCamera,
        new_child: Callable[..., Child],
        clock: Clock,
        random: Random,
        events: Events,
        problems: Problems,
        status_changed: Callable[[], None],
        capabilities_changed: Callable[[], None],
    ) -> None:
        self._url = url
        self._publisher_config = PublisherConfig(
            url=url,
            packet_socket=str(packet_socket),
            transport=transport,
            tls_ca=None if tls_ca is None else str(tls_ca),
            tls_verify=tls_verify,
        )
        self._memory = memory
        self._saving = Saving(
            what="whether it streams", clock=clock, problem=partial(problems.set, "stream_not_saved")
        )
        self._viewing = viewing
        self._camera = camera
        self._clock = clock
        self._events = events
        self._problems = problems
        self._status_changed = status_changed
        self._capabilities_changed = capabilities_changed
        remembered = memory.value()
        self._mode: StreamMode = remembered["mode"]
        self._enabled = bool(remembered["enabled"]) and self._mode != "manual"
        self._demand = Demand(grace_s=grace_s)
        self._server = ServerSide(
            watch=watch,
            scheme=url.partition(":")[0].lower(),
            path=path_name(url),
            clock=clock,
            random=random,
            problems=problems,
            status_changed=status_changed,
        )
        self._switching = asyncio.Lock()
        self._nudged = asyncio.Event()
        self._supervising: asyncio.Task[None] | None = None
        self._welcome = Welcome(clock=clock, request_keyframe=camera.request_keyframe)
        self._encoding: tuple[bool, float] | None = None
        self._record = PublisherRecord(clock=clock)
        self._left_out = Tally()
        self._reasons: set[str | None] = set()
        self._told: tuple[str, str | None, bool] = ("stopped", None, False)
        self._since: datetime = clock.now()
        self.child = new_child(
            name="publisher",
            module="edge_agent.stream.publisher",
            limits=_LIMITS,
            on_up=self._up,
            on_message=self._message,
            on_down=self._down,
        )

    async def run(self) -> None:
        """Keep the publisher alive while the stream is wanted, and watch the server, until cancelled."""
        watching = asyncio.create_task(
            self._server.run(
                publisher=lambda: self.child.status.pid,
                session=lambda: self._record.session,
                on_look=self._looked,
            ),
            name="stream server",
        )
        refresh_at_s = self._clock.monotonic()
        try:
            while not watching.done():
                self._nudged.clear()
                await self._follow()
                self._look()
                if self._clock.monotonic() >= refresh_at_s:
                    refresh_at_s = self._clock.monotonic() + _ADDRESS_HOLDS_S
                    await self._refresh_viewing()
                pause_s = until_pulse_s(self._clock.monotonic(), _WATCH_EVERY_S)
                await set_within(self._clock, self._nudged, pause_s)
            await watching
        finally:
            watching.cancel()
            self._welcome.end()
            await asyncio.gather(watching, return_exceptions=True)
            await self._saving.close()
            await self._stop_publisher()

    def status(self) -> StreamStatus:
        """Return `status.stream`."""
        judged = self._judge()
        record, beat, camera = self._record, self._record.beat, self._camera.beat
        left_out = LeftOut(**self._left_out.total(camera.left_out_packets))
        return StreamStatus(
            state=judged.state,
            reason=judged.reason,
            code=judged.code,
            since=rfc3339(self._since),
            url=mask_url(self._url),
            enabled=self._enabled,
            mode=self._mode,
            urls=self._viewing.urls(),
            server=self._server.status(),
            encoder=camera.encoder,
            fps=round(beat.fps, 2) if beat and self._measured(judged) else None,
            bitrate_bps=beat.bitrate_bps if beat and self._measured(judged) else None,
            frames=record.packets,
            bytes=record.bytes,
            keyframes=record.keyframes,
            keyframe_interval_s=beat.keyframe_interval_s if beat and self._measured(judged) else None,
            dropped=left_out.queue_full + left_out.too_large,
            dropped_because=left_out,
            reconnects=max(0, record.sessions - 1),
            attempts=beat.attempts if beat else 0,
            last_packet_age_s=record.packet_age_s,
            adaptive=camera.adaptive,
        )

    def vitals(self) -> dict[str, Any]:
        """Return the few of its figures that go into each heartbeat."""
        status = self.status().model_dump(mode="json")
        return {name: status[name] for name in VITALS}

    def capabilities(self) -> dict[str, Any]:
        """Return `capabilities.stream`."""
        return {
            "url": mask_url(self._url),
            "modes": list(get_args(StreamMode)),
            "server_api": self._server.has_api,
            "urls": self._viewing.urls().model_dump(mode="json"),
        }

    @property
    def page(self) -> str | None:
        """The page to watch it on, as far as its address is known."""
        return self._viewing.urls().webrtc

    @command(name="stream", arguments=StreamArguments, main="action", interrupts_stream=True)
    async def stream(self, call: Call) -> Outcome:
        """Start, stop or restart the stream, ask for a keyframe, demand or release it, or set its mode."""
        action, mode = call.arguments.action, call.arguments.mode
        enabled = action == "start" if action in ("start", "stop") else self._enabled
        if action in ("restart", "demand") and not enabled:
            raise RefusedError("the stream is stopped; start it with action 'start'", code="stream_stopped")
        if not call.dry_run:
            await self._switch(enabled=enabled, mode=mode or self._mode)
            await self._act(action, call.cause)
        applied = {"action": action, "mode": mode}
        return Outcome(
            applied={name: value for name, value in applied.items() if value is not None},
            result={"enabled": self._enabled, "mode": self._mode, "state": self._judge().state},
        )

    async def _act(self, action: str | None, cause: str) -> None:
        if action == "keyframe":
            await self._camera.request_keyframe()
        elif action == "demand":
            self._demand.ask(self._clock.monotonic())
        elif action == "release":
            self._demand.release()
        elif action in ("start", "restart"):
            # Whoever asks for it wants it tried at once, a contested path or not.
            self._server.contention.reset()
        if action == "restart" and self._supervising is not None:
            await self.child.restart(cause)
        await self._follow()
        self._look()

    async def _switch(self, *, enabled: bool, mode: StreamMode) -> None:
        """Take over what is wanted; it stays so over a restart of the agent."""
        if (enabled, mode) == (self._enabled, self._mode):
            return
        self._enabled, self._mode = enabled, mode
        await self._saving.save(partial(self._memory.remember, {"enabled": enabled, "mode": mode}))

    def _watched(self) -> bool:
        return self._mode != "on_demand" or self._demand.wanted(self._clock.monotonic())

    async def _follow(self) -> None:
        """Bring the publisher and the encoder to what is wanted now.

        On demand the publisher stays while nobody watches: it sleeps, and the first picture is there sooner.
        """
        async with self._switching:
            there = self._enabled and not self._server.contention.stepped_back
            if there and self._supervising is None:
                self._supervising = asyncio.get_running_loop().create_task(
                    self.child.run(), name="publisher child"
                )
            elif not there:
                await self._stop_publisher()
            await self._encode(wanted=there and self._watched())

    async def _encode(self, *, wanted: bool) -> None:
        now_s, beat, known = self._clock.monotonic(), self._camera.beat, self._encoding
        if known is not None and known[0] == wanted:
            differs = beat.frames > 0 and beat.encoding != wanted
            if not differs or now_s - known[1] < _ENCODING_SHOWS_AFTER_S:
                return
        self._encoding = (wanted, now_s)
        self._welcome.prepare(due=wanted)
        try:
            await self._camera.set_encoding(enabled=wanted)
        except EdgeAgentError as error:
            # The camera is away; it begins with what is wanted when it is back.
            logger.info("Encoding is switched when the camera is back: %s", error.message)

    async def _stop_publisher(self) -> None:
        supervising, self._supervising = self._supervising, None
        if supervising is not None:
            supervising.cancel()
            await asyncio.gather(supervising, return_exceptions=True)
            self._down("stopped")

    async def _up(self) -> None:
        self.child.notify(CONFIGURE, self._publisher_config.body())

    def _message(self, message: Message) -> None:
        if message.kind != BEAT:
            return
        try:
            beat = PublisherBeat.from_body(message.body)
        except ProcessError as error:
            logger.warning("%s", error.message)
            return
        before = self._record.take(beat)
        if beat.sessions > (before.sessions if before else 0):
            at_once = before is not None and before.state == "connecting" and before.attempts <= 1
            self._server.session_began(at_once=at_once)
            self._welcome.session_began()
        if before and before.state == "publishing" and beat.state != "publishing":
            self._server.session_ended(hung_up=beat.code == "stream_unreachable")
            self._nudged.set()
        self._look()

    async def _refresh_viewing(self) -> None:
        """Show the addresses to watch at anew where this machine's name or address has changed."""
        if await asyncio.to_thread(self._viewing.refresh):
            self._status_changed()
            self._capabilities_changed()

    def _down(self, _reason: str) -> None:
        self._record.gone()
        self._look()

    def _looked(self, readers: int | None) -> None:
        if self._server.has_api:
            publishing = self._record.session is not None
            self._demand.counted(readers, self._clock.monotonic(), publishing=publishing)
        self._look()
        self._nudged.set()

    def _judge(self) -> Judgement:
        return judge(
            Facts(
                enabled=self._enabled,
                watched=self._watched(),
                contention=self._server.contention.state,
                holder=self._server.holder,
                child_reason=self.child.status.reason,
                beat=self._record.beat,
                beat_age_s=self._record.beat_age_s,
                verdict=self._server.verdict,
            )
        )

    def _measured(self, judged: Judgement) -> bool:
        """Whether it has published long enough for its rates to say something."""
        beat = self._record.beat
        return judged.state == "publishing" and beat is not None and beat.since_age_s >= _MEASURED_AFTER_S

    def _look(self) -> None:
        """Compare with what was last told, and tell; restart a publisher where that is the remedy."""
        judged = self._judge()
        told = (judged.state, judged.code, self._measured(judged))
        if told != self._told:
            if judged.state != self._told[0]:
                self._since = self._clock.now()
                self._reasons.clear()
            if judged.state != self._told[0] or judged.code not in {None, *self._reasons}:
                # A failure is told once for each reason, however often they alternate.
                self._events.emit("stream", judged.state, reason=judged.reason, code=judged.code)
            self._reasons.add(judged.code)
            self._told = told
            self._status_changed()
        self._tell_problems(judged)
        beat = self._record.beat
        if beat is None or self._supervising is None:
            return
        blocked_s = beat.phase_age_s + self._record.beat_age_s
        if judged.restart:
            self.child.restart_soon(str(judged.reason))
        elif blocked_s > _MAY_TAKE_S.get(beat.phase, blocked_s):
            what = "a write to the server" if beat.phase == "write" else "the server's handshake"
            self.child.restart_soon(f"{what} has been blocked for {blocked_s:.0f} s")

    def _tell_problems(self, judged: Judgement) -> None:
        for code, remedy in OWN_PROBLEMS.items():
            if judged.code == code:
                self._problems.set(code, f"{judged.reason}; {remedy}")
            elif code != "stream_contested" or self._server.contention.state != "trying":
                # One that is back on a contested path has to last before that is over.
                self._problems.set(code, None)
        down = judged.state == "failed" and judged.code not in OWN_PROBLEMS
        self._problems.set("stream_down", f"{judged.code or judged.state}: {judged.reason}" if down else None)
