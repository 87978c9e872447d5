"""The camera as the agent has it: its child process, and the one way of every change."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

from pydantic import ValidationError

from edge_agent.camera.capabilities import CameraCapabilities, Reading
from edge_agent.camera.frozen import frozen
from edge_agent.camera.limits import effective_limits, resolve
from edge_agent.camera.memory import SettingsKeeper, SettingsMemory
from edge_agent.camera.messages import (
    AdaptiveOptions,
    Applied,
    Apply,
    Beat,
    Encoding,
    Focus,
    FocusOutcome,
    Keyframe,
    Open,
    Opened,
    StillInfo,
    StillRequest,
    StreamName,
    SubOptions,
)
from edge_agent.camera.overlay_feed import OverlayFeed
from edge_agent.camera.picture_plan import Plan, plan
from edge_agent.camera.pictures import Pictures
from edge_agent.camera.port import Change
from edge_agent.camera.settings import CameraSettings, flatten, normalise
from edge_agent.camera.stall import STALLS, StallCode, stall_of
from edge_agent.camera.status import CameraState, CameraStatus, SensorStatus, differing, for_picture
from edge_agent.clock import Clock, rfc3339
from edge_agent.contract.events import Events
from edge_agent.errors import CameraUnavailableError
from edge_agent.health.problems import Problems
from edge_agent.processes.channel import Message
from edge_agent.processes.child import Child, ChildLimits
from edge_agent.processes.waiting import set_within

__all__ = ["CameraService"]

logger = logging.getLogger(__name__)

_APPLY_TIMEOUT_S: Final = 5.0
_INTERRUPTING_TIMEOUT_S: Final = 25.0

# It beats every second, from a thread that nothing in the camera blocks.
_LIMITS: Final = ChildLimits(silent_s=4.0)


class CameraService:
    """One camera. `new_child` makes the supervised process around this object's own callbacks."""

    def __init__(
        self,
        *,
        driver: str,
        options: Mapping[str, Any],
        memory: SettingsMemory,
        overlay: OverlayFeed,
        adaptive: AdaptiveOptions,
        sub: SubOptions | None = None,
        listener_fd: int,
        new_child: Callable[..., Child],
        clock: Clock,
        events: Events,
        problems: Problems,
        status_changed: Callable[[], None],
        capabilities_changed: Callable[[], None],
    ) -> None:
        self._driver = driver
        self._options = dict(options)
        self._memory = memory
        self._overlay = overlay
        self._adaptive = adaptive
        self._sub = sub
        self._listener_fd = listener_fd
        self._clock = clock
        self._events = events
        self._problems = problems
        self._status_changed = status_changed
        self._capabilities_changed = capabilities_changed
        self._changing = asyncio.Lock()
        self._keeper = SettingsKeeper(memory=memory, clock=clock, problems=problems)
        self._opened: Opened | None = None
        self._settings: CameraSettings | None = None
        self._borrowed: CameraSettings | None = None
        self._encode = True
        self._state: CameraState = "starting"
        self._is_open = asyncio.Event()
        self._reason: str | None = None
        self._since: datetime = clock.now()
        self._interrupting = False
        self._stall: StallCode | None = None
        self._last_words: str | None = None
        self._last_change: dict[str, Any] | None = None
        self._asked: dict[str, Any] = {}
        self._pictures = Pictures(camera=self, changing=self._changing, clock=clock)
        self.beat: Beat = Beat()
        self.child = new_child(
            name="camera",
            module="edge_agent.camera.process",
            limits=_LIMITS,
            pass_fds=(listener_fd,) if sub is None else (listener_fd, sub.listener_fd),
            on_up=self._open,
            on_message=self._message,
            on_down=self._down,
        )

    @property
    def capabilities(self) -> CameraCapabilities | None:
        """What the camera can do; None until it was opened once."""
        return self._opened.capabilities if self._opened else None

    @property
    def settings(self) -> CameraSettings | None:
        """What holds, as last read back; what a picture borrows for itself is not in it."""
        return self._settings

    @property
    def reading(self) -> Reading | None:
        """What the sensor last reported."""
        return self.beat.reading

    @property
    def running(self) -> bool:
        """Whether frames come."""
        return self._state == "running"

    async def run(self) -> None:
        """Supervise the camera's process and remember its settings, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.child.run(), name="camera child")
            tasks.create_task(self._keeper.run(), name="camera memory")
            feeding = self._overlay.run(settings=lambda: self._holds_now, tell=self.child.notify)
            tasks.create_task(feeding, name="camera overlay")

    def status(self) -> CameraStatus:
        """Return `status.camera`."""
        capabilities, settings = self.capabilities, self._holds_now
        return CameraStatus(
            driver=self._opened.driver if self._opened else None,
            model=capabilities.model if capabilities else None,
            state=self._state,
            reason=self._reason,
            since=rfc3339(self._since),
            restarts=self.child.status.restarts,
            settings=settings,
            sensor=SensorStatus.of(self.beat.reading),
            effective_limits=effective_limits(settings, capabilities) if settings and capabilities else {},
            fps=None if self.beat.fps is None else round(self.beat.fps, 2),
            frames=self.beat.frames,
            encoded=self.beat.encoded,
            last_change=self._last_change,
            for_picture=for_picture(self._borrowed, usual=self._settings),
            differs=differing(self._asked, self._settings),
        )

    async def change(
        self, patch: Mapping[str, Any], *, cause: str, strict: bool = False, dry_run: bool = False
    ) -> Change:
        """Validate, clamp or refuse, apply, read back. One at a time, in the order of the calls."""
        async with self._changing:
            capabilities, current = self._ready()
            patch = normalise(frozen(patch, self.beat.reading))
            resolution = resolve(patch, current=current, capabilities=capabilities, strict=strict)
            holds = resolution.settings
            if holds.overlay != current.overlay:
                self._overlay.check(holds)
            if not dry_run and holds != current:
                request = Apply(settings=holds, interrupts=resolution.interrupts)
                timeout_s = _INTERRUPTING_TIMEOUT_S if resolution.interrupts else _APPLY_TIMEOUT_S
                self._interrupting = resolution.interrupts
                try:
                    answer = await self.child.request(
                        "apply", request.model_dump(mode="json"), timeout_s=timeout_s
                    )
                finally:
                    self._interrupting = False
                holds = Applied.model_validate(answer.body).settings
                self._take_settings(holds, cause=cause)
            if not dry_run:
                self._asked.update(flatten(patch))
        after = flatten(holds.model_dump(mode="json"))
        told = {*flatten(patch), *resolution.clamped}
        return Change(
            applied={path: after[path] for path in sorted(told)},
            clamped=resolution.clamped,
            interrupted=resolution.interrupts and not dry_run,
        )

    async def still(self, request: StillRequest) -> tuple[StillInfo, bytes]:
        """Take a picture while the stream goes on."""
        return await self._pictures.still(request)

    def burst(self, request: StillRequest) -> AsyncGenerator[tuple[StillInfo, bytes], None]:
        """Take pictures of consecutive frames while the stream goes on."""
        return self._pictures.burst(request)

    def still_interrupts(self, request: StillRequest) -> str | None:
        """Return why the stream would not go on as it is for such pictures, or None."""
        return self.plan(request).interruption

    def plan(self, request: StillRequest) -> Plan:
        """Return what a request for pictures comes to now."""
        capabilities, settings = self._ready()
        planned = plan(request, settings=settings, capabilities=capabilities, reading=self.beat.reading)
        borrowed = planned.take.settings
        if borrowed is not None and borrowed.overlay != settings.overlay:
            self._overlay.check(borrowed)
        return planned

    @contextmanager
    def borrow(self, planned: Plan) -> Iterator[None]:
        """Tell what holds for a picture, and wait for its frames, as long as this lasts."""
        if not planned.alone:
            yield
            return
        self._borrowed, self._interrupting = planned.take.settings, planned.stops
        self._overlay.look(self._holds_now, tell=self.child.notify)
        self._status_changed()
        try:
            yield
        finally:
            self._borrowed, self._interrupting = None, False
            self._status_changed()

    async def ask(self, kind: str, body: dict[str, Any], timeout_s: float) -> Message:
        """Ask the camera's process."""
        return await self.child.request(kind, body, timeout_s=timeout_s)

    def restart_soon(self, reason: str) -> None:
        """Have the camera's process started anew, for a fault that was seen."""
        self.child.restart_soon(reason)

    async def trigger_focus(self, timeout_s: float) -> FocusOutcome:
        """Run one autofocus scan and say how it ended."""
        self._ready()
        body = Focus(timeout_s=timeout_s).model_dump(mode="json")
        answer = await self.child.request("focus", body, timeout_s=timeout_s + 2.0)
        return FocusOutcome.model_validate(answer.body)

    async def set_encoding(self, *, enabled: bool, stream: StreamName = "main") -> None:
        """Encode for a stream, or spare the work; holds over a restart of the camera."""
        if stream == "main":
            self._encode = enabled
        elif self._sub is not None:
            self._sub = self._sub.model_copy(update={"encode": enabled})
        if self._state in ("running", "stalled"):
            body = Encoding(enabled=enabled, stream=stream).model_dump(mode="json")
            await self.child.request("encode", body, timeout_s=_INTERRUPTING_TIMEOUT_S)

    async def request_keyframe(self, *, stream: StreamName = "main") -> None:
        """Make the next frame a keyframe."""
        self._ready()
        body = Keyframe(stream=stream).model_dump(mode="json")
        await self.child.request("keyframe", body, timeout_s=_APPLY_TIMEOUT_S)

    async def restart(self, reason: str) -> None:
        """Stop the camera's process and start it anew; returns when it is open."""
        await self.child.restart(reason)
        if not await set_within(self._clock, self._is_open, _INTERRUPTING_TIMEOUT_S):
            self._ready()

    def _ready(self) -> tuple[CameraCapabilities, CameraSettings]:
        if self._opened is None or self._settings is None or self._state not in ("running", "stalled"):
            why = f": {self._reason}" if self._reason else ""
            raise CameraUnavailableError(f"the camera is {self._state}{why}; it is started again by itself")
        return self._opened.capabilities, self._settings

    async def _open(self) -> None:
        wanted = self._settings.model_dump(mode="json") if self._settings else self._memory.wanted()
        if self._state != "failed":
            self._set_state("starting", None)
        request = Open(
            driver=self._driver,
            options=self._options,
            wanted=wanted,
            listener_fd=self._listener_fd,
            encode=self._encode,
            overlay=self._overlay.names,
            adaptive=self._adaptive,
            sub=self._sub,
        )
        answer = await self.child.request(
            "open", request.model_dump(mode="json"), timeout_s=_INTERRUPTING_TIMEOUT_S
        )
        opened = Opened.model_validate(answer.body)
        for path, reason in opened.left_out.items():
            logger.info("The camera starts without %s: %s", path, reason)
        before = self._opened
        self._opened = opened
        self._settings = opened.settings
        self._overlay.forget()
        self._set_state("running", None)
        self._is_open.set()
        if self._encode != request.encode:
            # It was switched while the camera was being opened.
            await self.set_encoding(enabled=self._encode)
        logger.info("Camera %s by driver %s (%s)", opened.capabilities.model, opened.driver, opened.because)
        if before is None or before.capabilities != opened.capabilities:
            self._capabilities_changed()

    @property
    def _holds_now(self) -> CameraSettings | None:
        return self._borrowed or self._settings

    def _down(self, reason: str) -> None:
        self._is_open.clear()
        self.beat = Beat()
        # The camera's own last words say more than how its process ended.
        reason, self._last_words = self._last_words or reason, None
        # One that never opened has failed, and stays so until it opens; one that ran is on its way back.
        self._set_state("failed" if self._state in ("starting", "failed") else "restarting", reason)

    def _message(self, message: Message) -> None:
        if message.kind == "beat":
            try:
                self._take_beat(Beat.model_validate(message.body))
            except ValidationError:
                logger.warning("The camera sent a beat that is none")
        elif message.kind == "error":
            self._last_words = str(message.body.get("message"))

    def _take_beat(self, beat: Beat) -> None:
        if (step := beat.adaptive.step_since(self.beat.adaptive)) is not None:
            told = beat.adaptive.model_dump(include={"current_bps", "target_bps", "reason"})
            self._events.emit("stream", step, **told)
        self.beat = beat
        failure = beat.overlay_failure
        self._problems.set("overlay_failed", f"the overlay is not drawn: {failure}" if failure else None)
        # While it is being configured anew no frames are due; that has a bound of its own.
        if self._state not in ("running", "stalled") or self._interrupting:
            return
        fps = self._holds_now.video.fps if self._holds_now else 1.0
        stall = stall_of(beat, fps=fps)
        if stall is None:
            if self._state == "stalled":
                self._set_state("running", None)
            if beat.frames and (beat.packets or not beat.encoding):
                self._tell_stall(None)
            return
        self._tell_stall(stall.code)
        self._set_state("stalled", f"no {stall.reason}")
        self.child.restart_soon(f"the camera gave no {stall.reason}")

    def _tell_stall(self, stall: StallCode | None) -> None:
        """Tell what has stopped and what is done about it, until frames and packets come again."""
        self._stall = stall
        for code, message in STALLS.items():
            self._problems.set(code, message if code == stall else None)

    def _set_state(self, state: CameraState, reason: str | None) -> None:
        changed = (state, reason) != (self._state, self._reason)
        if state != self._state:
            self._since = self._clock.now()
            self._events.emit("camera", state, reason=reason)
        self._state, self._reason = state, reason
        # A stall is a problem of its own, and the restart that it leads to is its remedy.
        down = state == "failed" or (state in ("restarting", "stopped") and self._stall is None)
        if down or state == "running":
            self._problems.set("camera_down", f"the camera is {state}: {reason}" if down else None)
        if changed:
            self._status_changed()

    def _take_settings(self, settings: CameraSettings, *, cause: str) -> None:
        self._settings = settings
        self._last_change = {"cause": cause, "time": rfc3339(self._clock.now())}
        self._keeper.changed(settings)
        self._status_changed()

    async def save(self) -> None:
        """Write down the settings that are not yet, at the end."""
        await self._keeper.close()
