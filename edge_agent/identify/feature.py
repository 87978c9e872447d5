"""`identify`: the board's lamps blink and the picture has the node's name in large letters, for a while."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from datetime import timedelta
from types import TracebackType
from typing import Any, ClassVar, Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge_agent.clock import rfc3339
from edge_agent.contract.command import Arguments, Call, Outcome, command
from edge_agent.contract.entity import Entity
from edge_agent.contract.status import Part
from edge_agent.errors import EdgeAgentError, StorageError
from edge_agent.feature import Feature, Host
from edge_agent.identify.leds import Leds, LedState
from edge_agent.storage import write_atomically

__all__ = ["IdentifyFeature"]

logger = logging.getLogger(__name__)

_SIGN: Final[Mapping[str, Any]] = {
    "enabled": True,
    "text": ">>> {name} ({node}) <<<",
    "size": 0.12,
    "position": "top_left",
    "background": 0.8,
}
_CAUSE: Final = "identify"
_CAMERA_RETRY_S: Final = 2.0
_MAX_FILE_BYTES: Final = 64 * 1024


class IdentifyArguments(Arguments):
    """For how long."""

    duration_s: float = Field(10, ge=0, le=300, description="Seconds; 0 ends it")


class _Before(BaseModel):
    """What has to be put back, kept in a file so that a kill in between leaves nothing behind."""

    model_config = ConfigDict(frozen=True)

    leds: dict[str, LedState] = {}
    overlay: dict[str, bool | float | str] | None = None


class IdentifyStatus(BaseModel):
    """Whether it shows itself."""

    model_config = ConfigDict(frozen=True)

    until: str | None = Field(description="Until when it shows itself; null while it does not")
    means: list[str] = Field(description="How it does")


class IdentifyFeature(Feature):
    """Makes the node show itself, and puts everything back."""

    name = "identify"
    status_models: ClassVar[Mapping[str, type[BaseModel]]] = {"identify": IdentifyStatus}

    def __init__(self, *, host: Host, config: None, leds: Leds | None = None) -> None:
        super().__init__(host=host, config=config)
        self._leds = leds or Leds()
        self._path = host.configuration.state_dir / "identify.json"
        self._lock = asyncio.Lock()
        self._before: _Before | None = None
        self._means: list[str] = []
        self._until: str | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._before = await asyncio.to_thread(self._recall)
        if self._before is not None:
            # A kill came in between.
            self._task = asyncio.get_running_loop().create_task(self._put_back(), name="identify put back")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._cancel()
        if self._before is not None:
            # The camera may be gone by now: its text is put back at the next start.
            await asyncio.to_thread(self._leds.restore, self._before.leds)

    def status(self) -> Mapping[str, Part]:
        """Return until when it shows itself, and how."""
        return {"identify": lambda: {"until": self._until, "means": list(self._means)}}

    def entities(self) -> Iterable[Entity]:
        """Return the button."""
        yield Entity(
            key="identify",
            platform="button",
            name="Identify",
            command="identify",
            device_class="identify",
            category="diagnostic",
        )

    @command(name="identify", arguments=IdentifyArguments, main="duration_s")
    async def identify(self, call: Call) -> Outcome:
        """Make the node show itself: its lamps blink, its name is in the picture; then all is put back."""
        duration_s: float = call.arguments.duration_s
        if call.dry_run:
            return Outcome(applied={"duration_s": duration_s})
        async with self._lock:
            if duration_s == 0:
                await self._end()
                return Outcome(applied={"duration_s": 0}, result={"means": [], "without": {}})
            await self._cancel()
            without = await self._show()
            if not self._means:
                await self._put_back()
                reasons = "; ".join(f"{name}: {reason}" for name, reason in without.items())
                raise EdgeAgentError(f"this node has nothing to show itself by ({reasons})", code="no_means")
            clock = self.host.clock
            self._until = rfc3339(clock.now() + timedelta(seconds=duration_s))
            self._task = asyncio.get_running_loop().create_task(self._wait(duration_s), name="identify")
        self.host.events.emit("identify", "started", duration_s=duration_s, means=list(self._means))
        self.host.status_changed()
        return Outcome(
            applied={"duration_s": duration_s}, result={"means": list(self._means), "without": without}
        )

    async def _show(self) -> dict[str, str]:
        """Begin, or go on; returns what is not used and why."""
        without: dict[str, str] = {}
        before = self._before
        if before is None:
            states = await asyncio.to_thread(self._leds.states)
            before = _Before(leds=states, overlay=self._overlay())
            await asyncio.to_thread(self._remember, before)
            self._before = before
        blinking = [name for name in before.leds if await asyncio.to_thread(self._leds.blink, name)]
        means = [f"led {name}" for name in blinking]
        if not means:
            without["led"] = "there is no lamp under /sys/class/leds that this agent may write to"
        if before.overlay is None:
            without["overlay"] = "the camera is not there, or draws no text"
        else:
            try:
                await self.host.camera.change({"overlay": dict(_SIGN)}, cause=_CAUSE)
                means.append("overlay")
            except EdgeAgentError as error:
                without["overlay"] = error.message
        self._means = means
        return without

    def _overlay(self) -> dict[str, Any] | None:
        """Return the overlay's present settings, None where there is no such thing."""
        camera = self.host.camera
        if camera.settings is None or camera.capabilities is None:
            return None
        if "overlay.text" not in camera.capabilities.controls:
            return None
        present = camera.settings.overlay.model_dump()
        return {name: present[name] for name in _SIGN}

    async def _wait(self, duration_s: float) -> None:
        await self.host.clock.sleep(duration_s)
        self._task = None
        async with self._lock:
            await self._end()

    async def _end(self) -> None:
        await self._cancel()
        if self._before is None:
            return
        self._task = asyncio.get_running_loop().create_task(self._put_back(), name="identify put back")
        was_shown, self._until, self._means = self._until is not None, None, []
        if was_shown:
            self.host.events.emit("identify", "ended")
            self.host.status_changed()

    async def _put_back(self) -> None:
        """Put the lamps and the overlay back; waits for a camera that is away."""
        before = self._before
        if before is None:
            return
        await asyncio.to_thread(self._leds.restore, before.leds)
        while before.overlay is not None and not await self._overlay_put_back(before.overlay):
            await self.host.clock.sleep(_CAMERA_RETRY_S)
        self._before = None
        await asyncio.to_thread(self._forget)

    async def _overlay_put_back(self, overlay: Mapping[str, Any]) -> bool:
        camera = self.host.camera
        if camera.settings is None:
            return False
        if camera.settings.overlay.text != _SIGN["text"]:
            return True  # somebody has set another text meanwhile: that is what is wanted now
        try:
            await camera.change({"overlay": dict(overlay)}, cause=_CAUSE)
        except EdgeAgentError as error:
            if not error.transient:
                logger.warning("The text that identify showed cannot be taken away: %s", error.message)
            return not error.transient
        return True

    async def _cancel(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _recall(self) -> _Before | None:
        try:
            with self._path.open("rb") as file:
                return _Before.model_validate_json(file.read(_MAX_FILE_BYTES))
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            logger.warning("%s cannot be read, what identify changed stays: %s", self._path, error)
            return None

    def _remember(self, before: _Before) -> None:
        try:
            write_atomically(self._path, before.model_dump_json().encode())
        except StorageError as error:
            logger.warning("A kill while the node shows itself would leave it so: %s", error.message)

    def _forget(self) -> None:
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            logger.warning("%s cannot be removed: %s", self._path, error)
