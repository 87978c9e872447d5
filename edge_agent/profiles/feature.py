"""Profiles as a feature: which one is active and why; day and night."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from edge_agent.camera.commands import change_outcome
from edge_agent.camera.limits import what_is_offered
from edge_agent.clock import rfc3339
from edge_agent.contract.command import Call, Outcome, command
from edge_agent.contract.entity import Entity
from edge_agent.contract.status import Part
from edge_agent.errors import RefusedError, StorageError
from edge_agent.feature import Feature, Host
from edge_agent.profiles.config import (
    DayNightArguments,
    DayNightConfig,
    ProfileArguments,
    ProfilesConfig,
    ProfileStatus,
)
from edge_agent.profiles.day_night import DayNight, Phase, Thresholds
from edge_agent.profiles.profile import Profiles, load_profiles
from edge_agent.profiles.switcher import Switch, Switcher
from edge_agent.storage import Remembered

__all__ = ["ProfilesConfig", "ProfilesFeature", "shipped_directory"]

logger = logging.getLogger(__name__)

_LOOK_EVERY_S: Final = 1.0


class _Memory(BaseModel):
    """What outlives a restart."""

    model_config = ConfigDict(frozen=True)

    active: str | None = None
    cause: str | None = None
    since: AwareDatetime | None = None
    phase: Phase | None = None


def shipped_directory() -> Path | None:
    """Return where the shipped profiles are: beside the sources, or where they were installed."""
    here = Path(__file__).resolve().parents[2] / "schedules"
    places = (here, Path(sys.prefix) / "share/edge-agent/schedules", Path("/usr/share/edge-agent/schedules"))
    return next((place for place in places if (place / "profiles").is_dir()), None)


class ProfilesFeature(Feature):
    """Applies profiles: by command, by the light."""

    name = "profiles"
    section = ProfilesConfig

    def __init__(self, *, host: Host, config: ProfilesConfig) -> None:
        super().__init__(host=host, config=config)
        self._profiles = Profiles()
        self._tasks: list[asyncio.Task[None]] = []
        self._switcher = Switcher(clock=host.clock, apply=self._switch, failed=self._switch_failed)
        self._status = ProfileStatus()
        self._phase: Phase | None = None
        self._last_frame = -1
        self._writing = asyncio.Lock()
        state_dir = host.configuration.state_dir
        self._memory = Remembered(path=state_dir / "profile.json", configured=None)
        self._day_night_memory = Remembered(
            path=state_dir / "day_night.json", configured=config.day_night.model_dump()
        )
        self._day_night: DayNightConfig = config.day_night
        self._decider = DayNight(thresholds=_thresholds(self._day_night))

    def status(self) -> Mapping[str, Part]:
        """Return what is active, and whether it is day."""
        return {
            "profile": self._profile_status,
            "day_night": self._day_night_status,
        }

    def entities(self) -> Iterable[Entity]:
        """Return what a home sees of profiles, and of day and night."""
        yield Entity(
            key="profile",
            platform="select",
            name="Profile",
            path="profile.active",
            command="profile",
            arguments={"name": ...},
            options=tuple(self._profiles.names),
            icon="mdi:palette-outline",
        )
        yield Entity(
            key="day_night",
            platform="select",
            name="Day and night",
            path="day_night.mode",
            command="day_night",
            arguments={"mode": ...},
            options=("auto", "day", "night", "off"),
            icon="mdi:theme-light-dark",
        )

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self._load)
        if self._day_night.mode in ("day", "night"):
            await self._take_phase(self._day_night.mode)
        loop = asyncio.get_running_loop()
        self._tasks.append(loop.create_task(self._switcher.run(), name="profile switcher"))
        self._tasks.append(loop.create_task(self._watch(), name="day and night"))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @command(name="profile", arguments=ProfileArguments, main="name", interrupts_stream=True)
    async def profile(self, call: Call) -> Outcome:
        """Apply a profile."""
        outcome = await self._apply_now(call.arguments.name, call)
        if not call.dry_run:
            await self._remember()
        return outcome

    @command(name="day_night", arguments=DayNightArguments, main="mode", interrupts_stream=True)
    async def day_night(self, call: Call) -> Outcome:
        """Set day or night, or let the light that the camera measures decide."""
        changes = {name: value for name, value in call.arguments.model_dump().items() if value is not None}
        wanted = self._day_night.model_copy(update=changes)
        _refuse_contradiction(wanted)
        outcome = Outcome()
        if wanted.mode in ("day", "night") and "mode" in changes:
            outcome = await self._apply_now(wanted.mode, call)
        if not call.dry_run:
            self._day_night = wanted
            self._decider.thresholds = _thresholds(wanted)
            self._decider.forget()
            if "mode" in changes:
                # With `auto` the next reading decides, whatever was decided before.
                self._phase = wanted.mode if wanted.mode in ("day", "night") else None
                await self._remember()
            await self._write(self._day_night_memory, wanted.model_dump())
            self.host.status_changed()
        return Outcome(
            applied=wanted.model_dump(),
            clamped=outcome.clamped,
            result={"profile": self._status.active, "settings": dict(outcome.applied), **outcome.result},
        )

    async def _apply_now(self, name: str, call: Call) -> Outcome:
        older = self._switcher.wanted
        outcome = await self._apply(name, cause=call.cause, strict=call.strict, dry_run=call.dry_run)
        if not call.dry_run:
            self._switcher.forget(older)
            self.host.status_changed()
        return outcome

    async def _apply(self, name: str, *, cause: str, strict: bool = False, dry_run: bool = False) -> Outcome:
        patch, left_out = self._possible(name)
        change = await self.host.camera.change(patch, cause=cause, strict=strict, dry_run=dry_run)
        outcome = change_outcome(change)
        if left_out:
            outcome = replace(outcome, result={**outcome.result, "left_out": left_out})
        if not dry_run:
            clock = self.host.clock
            self._status = ProfileStatus(active=name, cause=cause, since=rfc3339(clock.now()))
            self.host.problems.set("profile_failed", None)
            self.host.events.emit("profile", "switched", name=name, cause=cause)
        return outcome

    def _possible(self, name: str) -> tuple[dict[str, Any], dict[str, str]]:
        """Return what is to be applied of a profile, and what is left out because it says that it may be."""
        patch = self._profiles.patch(name)
        camera = self.host.camera
        current, capabilities = camera.settings, camera.capabilities
        if not self._profiles.find(name).partial or capabilities is None or current is None:
            return patch, {}
        return what_is_offered(patch, current=current, capabilities=capabilities)

    async def _remember(self) -> None:
        known = self._status.model_dump(include={"active", "cause", "since"})
        await self._write(self._memory, {**known, "phase": self._phase})

    async def _write(self, memory: Remembered, value: Any) -> None:
        async with self._writing:  # in the order of the changes
            try:
                await asyncio.to_thread(memory.remember, value)
            except StorageError as error:
                self.host.problems.set(
                    "profile_not_saved", f"the profile would not survive a restart: {error.message}"
                )
            else:
                self.host.problems.set("profile_not_saved", None)

    def _load(self) -> None:
        shipped = shipped_directory()
        places = [*([shipped] if shipped else []), *self.config.directories]
        self._profiles, wrong = load_profiles(place / "profiles" for place in places)
        for message in wrong:
            logger.warning("%s", message)
        self.host.problems.set("profiles_invalid", "; ".join(wrong[:5]) if wrong else None)
        self._recall()

    def _recall(self) -> None:
        try:
            remembered = _Memory.model_validate(self._memory.value() or {})
            self._day_night = DayNightConfig.model_validate(self._day_night_memory.value())
        except ValidationError:
            logger.warning("What was remembered of profiles is damaged: the configuration holds")
            return
        self._status = ProfileStatus(
            active=remembered.active,
            cause=remembered.cause,
            since=rfc3339(remembered.since) if remembered.since else None,
        )
        self._phase = remembered.phase
        self._decider.thresholds = _thresholds(self._day_night)

    async def _switch(self, switch: Switch) -> None:
        await self._apply(switch.name, cause=switch.cause)
        self._switcher.forget(switch)
        self.host.status_changed()
        await self._remember()

    def _switch_failed(self, switch: Switch, message: str) -> None:
        host = self.host
        logger.warning("%s could not apply the profile %s: %s", switch.cause, switch.name, message)
        host.events.emit("profile", "failed", name=switch.name, cause=switch.cause, message=message)
        host.problems.set("profile_failed", f"{switch.cause}: profile '{switch.name}': {message}")
        host.status_changed()

    def _want(self, name: str, cause: str) -> None:
        self._switcher.want(Switch(name, cause))
        self.host.status_changed()

    async def _watch(self) -> None:
        while True:
            await self.host.clock.sleep(_LOOK_EVERY_S)
            await self._look_at_the_light()

    async def _look_at_the_light(self) -> None:
        reading = self.host.camera.reading
        if self._day_night.mode != "auto" or reading is None or reading.lux is None:
            return
        if reading.sequence == self._last_frame:
            return
        self._last_frame = reading.sequence
        phase = self._decider.see(reading.lux, self.host.clock.monotonic())
        if phase is not None:
            await self._take_phase(phase)
            self.host.status_changed()

    async def _take_phase(self, phase: Phase) -> None:
        # What was set by hand since the last change of the light holds, also over a restart.
        if phase == self._phase:
            return
        self._phase = phase
        if phase != self._status.active or self._switcher.wanted is not None:
            self._want(phase, "day_night")
        else:
            await self._remember()

    def _profile_status(self) -> ProfileStatus:
        wanted = self._switcher.wanted
        return self._status.model_copy(
            update={"pending": wanted.name if wanted else None, "available": self._profiles.names}
        )

    def _day_night_status(self) -> dict[str, Any]:
        forced = self._day_night.mode if self._day_night.mode in ("day", "night") else None
        return {**self._day_night.model_dump(), "phase": forced or self._decider.phase}


def _refuse_contradiction(config: DayNightConfig) -> None:
    if config.night_below_lux > config.day_above_lux:
        raise RefusedError(
            f"night_below_lux {config.night_below_lux:g} is above day_above_lux "
            f"{config.day_above_lux:g}: it would be day and night at once",
            code="contradiction",
            field="night_below_lux",
            value=config.night_below_lux,
        )


def _thresholds(config: DayNightConfig) -> Thresholds:
    return Thresholds(
        night_below_lux=config.night_below_lux, day_above_lux=config.day_above_lux, dwell_s=config.dwell_s
    )
