"""The stream as the agent has it: the publisher process, what it says of itself, the `stream` command."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final, Literal, Protocol

from pydantic import field_validator

from edge_agent.camera.messages import Beat
from edge_agent.clock import Clock, rfc3339
from edge_agent.contract.command import Arguments, Call, Outcome, command
from edge_agent.contract.events import Events
from edge_agent.errors import EdgeAgentError, ProcessError, RefusedError, StorageError
from edge_agent.health.problems import Problems
from edge_agent.masking import mask_url
from edge_agent.processes.channel import Message
from edge_agent.processes.child import Child, ChildLimits
from edge_agent.storage import Remembered
from edge_agent.stream.messages import BEAT, CONFIGURE, PublisherBeat, PublisherConfig, PublisherState
from edge_agent.stream.status import StreamStatus

__all__ = ["StreamService"]

logger = logging.getLogger(__name__)

_WATCH_EVERY_S: Final = 1.0
_SILENT_AFTER_S: Final = 2.5
_FLOWING_WITHIN_S: Final = 3.0
_MEASURED_AFTER_S: Final = 1.5
_WRITE_MAY_TAKE_S: Final = 5.0

_WORDS: Final = {"on": "start", "off": "stop", "true": "start", "false": "stop"}
# A handshake holds the interpreter for as long as it may take, and the beats with it; a proper end takes
# up to three seconds where the server has stopped reading.
_LIMITS: Final = ChildLimits(silent_s=6.0, ask_s=3.5)


class StreamArguments(Arguments):
    """What to do with the stream; ON and OFF are start and stop."""

    action: Literal["start", "stop", "restart", "keyframe"]

    @field_validator("action", mode="before")
    @classmethod
    def _on_and_off(cls, value: object) -> object:
        return _WORDS.get(str(value).lower(), value)


class StreamCamera(Protocol):
    """What the stream needs of the camera."""

    beat: Beat

    async def set_encoding(self, *, enabled: bool) -> None:
        """Encode, or spare the work."""
        ...

    async def request_keyframe(self) -> None:
        """Make the next frame a keyframe."""
        ...


class StreamService:
    """One stream to one server."""

    def __init__(
        self,
        *,
        url: str,
        transport: Literal["tcp", "udp"],
        packet_socket: Path,
        memory: Remembered,
        camera: StreamCamera,
        new_child: Callable[..., Child],
        clock: Clock,
        events: Events,
        problems: Problems,
        status_changed: Callable[[], None],
    ) -> None:
        self._url = url
        self._publisher_config = PublisherConfig(
            url=url, packet_socket=str(packet_socket), transport=transport
        )
        self._memory = memory
        self._camera = camera
        self._clock = clock
        self._events = events
        self._problems = problems
        self._status_changed = status_changed
        self._enabled = bool(memory.value())
        self._switching = asyncio.Lock()
        self._supervising: asyncio.Task[None] | None = None
        self._beat: PublisherBeat | None = None
        self._beat_at = clock.monotonic()
        self._earlier = StreamStatus(state="stopped", since="", url="", enabled=False)
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
        """Keep the publisher alive while the stream is enabled, until cancelled."""
        try:
            await self._follow()
            while True:
                self._look()
                await self._clock.sleep(_WATCH_EVERY_S)
        finally:
            await self._stop_publisher()

    def status(self) -> StreamStatus:
        """Return `status.stream`."""
        state, reason, code = self._judge()
        beat, earlier, camera = self._beat, self._earlier, self._camera.beat
        age_s = None
        if beat is not None and beat.last_packet_age_s is not None:
            age_s = round(beat.last_packet_age_s + self._beat_age_s(), 3)
        sessions = earlier.reconnects + (beat.sessions if beat else 0)
        return StreamStatus(
            state=state,
            reason=reason,
            code=code,
            since=rfc3339(self._since),
            url=mask_url(self._url),
            enabled=self._enabled,
            encoder=camera.encoder,
            fps=round(beat.fps, 2) if beat and self._measured(state) else None,
            bitrate_bps=beat.bitrate_bps if beat and self._measured(state) else None,
            frames=earlier.frames + (beat.packets if beat else 0),
            bytes=earlier.bytes + (beat.bytes if beat else 0),
            keyframes=earlier.keyframes + (beat.keyframes if beat else 0),
            dropped=camera.dropped_packets,
            reconnects=max(0, sessions - 1),
            attempts=beat.attempts if beat else 0,
            last_packet_age_s=age_s,
        )

    @command(name="stream", arguments=StreamArguments, main="action", interrupts_stream=True)
    async def stream(self, call: Call) -> Outcome:
        """Start, stop or restart the stream, or ask for a keyframe."""
        action = call.arguments.action
        if call.dry_run:
            return Outcome(applied={"action": action})
        if action in ("start", "stop"):
            await self.switch(enabled=action == "start")
        elif action == "keyframe":
            await self._camera.request_keyframe()
        elif not self._enabled:
            raise RefusedError("the stream is stopped; start it with action 'start'", code="stream_stopped")
        else:
            await self.child.restart(call.cause)
        return Outcome(applied={"action": action}, result={"enabled": self._enabled})

    async def switch(self, *, enabled: bool) -> None:
        """Start or stop the stream; it stays so over a restart of the agent."""
        async with self._switching:
            if enabled != self._enabled:
                self._enabled = enabled
                try:
                    await asyncio.to_thread(self._memory.remember, enabled)
                except StorageError as error:
                    self._problems.set("settings_not_saved", error.message)
            await self._follow()
        self._look()

    async def _follow(self) -> None:
        if self._enabled and self._supervising is None:
            self._supervising = asyncio.get_running_loop().create_task(
                self.child.run(), name="publisher child"
            )
        elif not self._enabled:
            await self._stop_publisher()
        try:
            await self._camera.set_encoding(enabled=self._enabled)
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
            self._beat = PublisherBeat.from_body(message.body)
        except ProcessError as error:
            logger.warning("%s", error.message)
            return
        self._beat_at = self._clock.monotonic()
        self._look()

    def _down(self, _reason: str) -> None:
        beat, earlier = self._beat, self._earlier
        if beat is not None:
            self._earlier = earlier.model_copy(
                update={
                    "frames": earlier.frames + beat.packets,
                    "bytes": earlier.bytes + beat.bytes,
                    "keyframes": earlier.keyframes + beat.keyframes,
                    "reconnects": earlier.reconnects + beat.sessions,
                }
            )
        self._beat = None
        self._look()

    def _beat_age_s(self) -> float:
        return self._clock.monotonic() - self._beat_at

    def _judge(self) -> tuple[PublisherState, str | None, str | None]:
        """Return what is so, whatever the publisher last thought of itself."""
        beat = self._beat
        if not self._enabled:
            return "stopped", "stopped by command or configuration", None
        if beat is None:
            return "connecting", self.child.status.reason or "the publisher is starting", None
        silent_s = self._beat_age_s()
        if beat.state == "connecting" and beat.code is not None:
            # Another try after a failure: until one succeeds it has failed, told once and not at every try.
            return "failed", beat.reason, beat.code
        if beat.state != "publishing":
            return beat.state, beat.reason, beat.code
        if silent_s > _SILENT_AFTER_S:
            return "failed", "the publisher does not answer; it is being restarted", "publisher_silent"
        if beat.phase == "write" and beat.phase_age_s > _SILENT_AFTER_S:
            return "failed", "the server has stopped taking packets", "stream_blocked"
        age_s = (beat.last_packet_age_s or 0.0) + silent_s
        if beat.last_packet_age_s is None or age_s > _FLOWING_WITHIN_S:
            return "waiting", f"no packets from the camera for {age_s:.0f} s", None
        return "publishing", None, None

    def _measured(self, state: PublisherState) -> bool:
        """Whether it has published long enough for its rates to say something."""
        return (
            state == "publishing" and self._beat is not None and self._beat.since_age_s >= _MEASURED_AFTER_S
        )

    def _look(self) -> None:
        """Compare with what was last told, and tell; end a publisher that is blocked in a write."""
        state, reason, code = self._judge()
        told = (state, code, self._measured(state))
        if told != self._told:
            if state != self._told[0]:
                self._since = self._clock.now()
                self._events.emit("stream", state, reason=reason, code=code)
            self._told = told
            self._status_changed()
        self._problems.set("stream_down", f"{code or state}: {reason}" if state == "failed" else None)
        beat = self._beat
        if beat is not None and beat.phase == "write":
            blocked_s = beat.phase_age_s + self._beat_age_s()
            if blocked_s > _WRITE_MAY_TAKE_S:
                self.child.restart_soon(f"a write to the server has been blocked for {blocked_s:.0f} s")
