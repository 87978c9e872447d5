"""Profiles as a feature: which one is active and why, the schedules that switch them, day and night."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from edge_agent.camera.commands import change_outcome
from edge_agent.camera.limits import what_is_offered
from edge_agent.clock import rfc3339
from edge_agent.config import Section
from edge_agent.contract.command import Arguments, Call, Outcome, command
from edge_agent.contract.status import Part
from edge_agent.errors import CameraUnavailableError, ConfigError, EdgeAgentError, RefusedError, StorageError
from edge_agent.feature import Feature, Host
from edge_agent.profiles.day_night import DayNight, Thresholds
from edge_agent.profiles.profile import Profiles, load_profiles
from edge_agent.profiles.schedule import Schedule, last_fire, load_schedules, trigger_of
from edge_agent.storage import Remembered

if TYPE_CHECKING:
    from apscheduler.schedulers.asyncio import AsyncIOScheduler

__all__ = ["ProfilesConfig", "ProfilesFeature", "shipped_directory"]

logger = logging.getLogger(__name__)

_RETRY_S: Final = 1.0
_LOOK_EVERY_S: Final = 1.0
_MISFIRE_GRACE_S: Final = 300

DayNightMode = Literal["auto", "day", "night", "off"]


class DayNightConfig(Section):
    """When it is night and when day."""

    mode: DayNightMode = Field("off", description="auto switches the profiles day and night by the light")
    night_below_lux: float = Field(5.0, ge=0, le=100_000, description="Night when darker for dwell_s")
    day_above_lux: float = Field(20.0, ge=0, le=100_000, description="Day when lighter for dwell_s")
    dwell_s: float = Field(30.0, ge=0, le=3600, description="How long the light must have changed")


class ProfilesConfig(Section):
    """Where profiles and schedules are, and when it is what time."""

    directories: tuple[Path, ...] = Field(
        (Path("/etc/edge-agent/schedules"),), description="Schedules are in each, profiles in its `profiles`"
    )
    timezone: str = Field("auto", description="Like Europe/Paris; auto is the machine's")
    latitude: float | None = Field(None, ge=-90, le=90, description="Degrees north")
    longitude: float | None = Field(None, ge=-180, le=180, description="Degrees east")
    day_night: DayNightConfig = DayNightConfig()


class ProfileArguments(Arguments):
    """Which profile."""

    name: str = Field(description="The profile to apply", max_length=64)


class DayNightArguments(Arguments):
    """Who decides, and by which light."""

    mode: DayNightMode | None = Field(None, description="auto, or what it is to be; off lets go")
    night_below_lux: float | None = Field(None, ge=0, le=100_000, description="Night when darker for dwell_s")
    day_above_lux: float | None = Field(None, ge=0, le=100_000, description="Day when lighter for dwell_s")
    dwell_s: float | None = Field(None, ge=0, le=3600, description="How long the light must have changed")


class ProfileStatus(BaseModel):
    """`status.profile`: the profile that was applied last, and why."""

    model_config = ConfigDict(frozen=True)

    active: str | None = None
    cause: str | None = None
    since: str | None = None
    pending: str | None = None
    available: list[str] = []


def shipped_directory() -> Path | None:
    """Return where the shipped profiles are: beside the sources, or where they were installed."""
    here = Path(__file__).resolve().parents[2] / "schedules"
    places = (here, Path(sys.prefix) / "share/edge-agent/schedules", Path("/usr/share/edge-agent/schedules"))
    return next((place for place in places if (place / "profiles").is_dir()), None)


class ProfilesFeature(Feature):
    """Applies profiles: by command, by schedule, by the light."""

    name = "profiles"
    section = ProfilesConfig

    def __init__(self, *, host: Host, config: ProfilesConfig) -> None:
        super().__init__(host=host, config=config)
        self._profiles = Profiles()
        self._schedules: list[Schedule] = []
        self._scheduler: AsyncIOScheduler | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._switching: asyncio.Task[None] | None = None
        self._status = ProfileStatus()
        state_dir = host.configuration.state_dir
        self._memory = Remembered(path=state_dir / "profile.json", configured=None)
        self._day_night_memory = Remembered(
            path=state_dir / "day_night.json", configured=config.day_night.model_dump()
        )
        self._day_night = DayNightConfig.model_validate(self._day_night_memory.value())
        self._decider = DayNight(thresholds=_thresholds(self._day_night))

    def status(self) -> Mapping[str, Part]:
        """Return what is active, what comes next, and whether it is day."""
        return {
            "profile": lambda: self._status,
            "schedule": self._schedule_status,
            "day_night": lambda: {**self._day_night.model_dump(), "phase": self._decider.phase},
        }

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self._load)
        self._start_schedules()
        self._tasks.append(
            asyncio.get_running_loop().create_task(self._watch_the_light(), name="day and night")
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._scheduler is not None:
            self._scheduler.shutdown(wait=False)
        tasks = [*self._tasks, *([self._switching] if self._switching else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @command(name="profile", arguments=ProfileArguments, main="name", interrupts_stream=True)
    async def profile(self, call: Call) -> Outcome:
        """Apply a profile."""
        return await self._apply(
            call.arguments.name, cause=call.cause, strict=call.strict, dry_run=call.dry_run
        )

    @command(name="day_night", arguments=DayNightArguments, main="mode", interrupts_stream=True)
    async def day_night(self, call: Call) -> Outcome:
        """Set day or night, or let the light that the camera measures decide."""
        changes = {name: value for name, value in call.arguments.model_dump().items() if value is not None}
        wanted = self._day_night.model_copy(update=changes)
        if wanted.night_below_lux > wanted.day_above_lux:
            raise RefusedError(
                f"night_below_lux {wanted.night_below_lux:g} is above day_above_lux "
                f"{wanted.day_above_lux:g}: "
                "it would be day and night at once",
                code="contradiction",
                field="night_below_lux",
                value=wanted.night_below_lux,
            )
        outcome = Outcome()
        if wanted.mode in ("day", "night") and "mode" in changes:
            outcome = await self._apply(
                wanted.mode, cause=call.cause, strict=call.strict, dry_run=call.dry_run
            )
        if call.dry_run:
            return outcome
        self._day_night = wanted
        self._decider.thresholds = _thresholds(wanted)
        self._decider.forget()
        await self._write(self._day_night_memory, wanted.model_dump())
        self.host.status_changed()
        return Outcome(
            applied=wanted.model_dump(),
            clamped=outcome.clamped,
            result={"profile": self._status.active, "settings": dict(outcome.applied), **outcome.result},
        )

    async def _apply(self, name: str, *, cause: str, strict: bool = False, dry_run: bool = False) -> Outcome:
        patch, left_out = self._possible(name)
        change = await self.host.camera.change(patch, cause=cause, strict=strict, dry_run=dry_run)
        outcome = change_outcome(change)
        if left_out:
            outcome = replace(outcome, result={**outcome.result, "left_out": left_out})
        if not dry_run:
            self._status = self._status.model_copy(
                update={
                    "active": name,
                    "cause": cause,
                    "since": rfc3339(self.host.clock.now()),
                    "pending": None,
                }
            )
            await self._write(self._memory, self._status.model_dump(include={"active", "cause", "since"}))
            self.host.events.emit("profile", "switched", name=name, cause=cause)
            self.host.status_changed()
        return outcome

    def _possible(self, name: str) -> tuple[dict[str, Any], dict[str, str]]:
        """Return what is to be applied of a profile, and what is left out because it says that it may be."""
        patch = self._profiles.patch(name)
        camera = self.host.camera
        current, capabilities = camera.settings, camera.capabilities
        if not self._profiles.find(name).partial or capabilities is None or current is None:
            return patch, {}
        return what_is_offered(patch, current=current, capabilities=capabilities)

    async def _write(self, memory: Remembered, value: Any) -> None:
        try:
            await asyncio.to_thread(memory.remember, value)
        except StorageError as error:
            self.host.problems.set("settings_not_saved", error.message)

    def _load(self) -> None:
        shipped = shipped_directory()
        places = [*([shipped] if shipped else []), *self.config.directories]
        self._profiles, wrong_profiles = load_profiles(place / "profiles" for place in places)
        self._schedules, wrong_schedules = load_schedules(self.config.directories)
        wrong = [*wrong_profiles, *wrong_schedules]
        for message in wrong:
            logger.warning("%s", message)
        self.host.problems.set("profiles_invalid", "; ".join(wrong[:5]) if wrong else None)
        remembered = self._memory.value() or {}
        self._status = ProfileStatus(**remembered, available=self._profiles.names)

    def _start_schedules(self) -> None:
        from apscheduler.schedulers.asyncio import AsyncIOScheduler  # noqa: PLC0415 - only where schedules run

        timezone = _timezone(self.config.timezone)
        self._scheduler = AsyncIOScheduler(timezone=timezone)
        now = self.host.clock.now().astimezone(timezone)
        latest: tuple[datetime, Schedule] | None = None
        wrong: list[str] = []
        for schedule in self._schedules:
            if not schedule.enabled:
                continue
            try:
                trigger = trigger_of(schedule, timezone)
                self._profiles.find(schedule.profile)
            except (ConfigError, RefusedError) as error:
                wrong.append(error.message)
                continue
            self._scheduler.add_job(
                self._fire,
                trigger,
                args=(schedule,),
                id=schedule.name,
                misfire_grace_time=_MISFIRE_GRACE_S,
                coalesce=True,
                max_instances=1,
            )
            fired = last_fire(trigger, now)
            if fired is not None and (latest is None or fired > latest[0]):
                latest = (fired, schedule)
        self.host.problems.set("schedules_invalid", "; ".join(wrong[:5]) if wrong else None)
        self._scheduler.start()
        since = self._status.since
        # What was set by hand after the last switch holds until the next one.
        if latest is not None and (since is None or datetime.fromisoformat(since) < latest[0]):
            self._switch(latest[1].profile, f"schedule {latest[1].name}")

    async def _fire(self, schedule: Schedule) -> None:
        self._switch(schedule.profile, f"schedule {schedule.name}")

    def _switch(self, name: str, cause: str) -> None:
        """Apply a profile as soon as the camera can; a newer switch takes an older one's place."""
        if self._switching is not None:
            self._switching.cancel()
        self._status = self._status.model_copy(update={"pending": name})
        self._switching = asyncio.get_running_loop().create_task(
            self._apply_when_possible(name, cause), name=f"profile {name}"
        )

    async def _apply_when_possible(self, name: str, cause: str) -> None:
        while True:
            try:
                await self._apply(name, cause=cause)
            except CameraUnavailableError:
                await self.host.clock.sleep(_RETRY_S)
                continue
            except EdgeAgentError as error:
                logger.warning("%s could not apply the profile %s: %s", cause, name, error.message)
                self._status = self._status.model_copy(update={"pending": None})
                self.host.events.emit("profile", "failed", name=name, cause=cause, message=error.message)
                self.host.problems.set("profile_failed", f"{cause}: profile '{name}': {error.message}")
                return
            self.host.problems.set("profile_failed", None)
            return

    async def _watch_the_light(self) -> None:
        last_frame = -1
        while True:
            await self.host.clock.sleep(_LOOK_EVERY_S)
            reading = self.host.camera.reading
            if self._day_night.mode != "auto" or reading is None or reading.lux is None:
                continue
            if reading.sequence == last_frame:
                continue
            last_frame = reading.sequence
            phase = self._decider.see(reading.lux, self.host.clock.monotonic())
            if phase is not None and phase != self._status.active:
                self._switch(phase, "day_night")

    def _schedule_status(self) -> dict[str, Any]:
        jobs = {job.id: job for job in self._scheduler.get_jobs()} if self._scheduler else {}
        return {
            "timezone": self.config.timezone,
            "entries": [
                {
                    "name": schedule.name,
                    "cron": schedule.cron,
                    "profile": schedule.profile,
                    "enabled": schedule.enabled,
                    "next": rfc3339(jobs[schedule.name].next_run_time) if schedule.name in jobs else None,
                }
                for schedule in self._schedules
            ],
        }


def _thresholds(config: DayNightConfig) -> Thresholds:
    return Thresholds(
        night_below_lux=config.night_below_lux, day_above_lux=config.day_above_lux, dwell_s=config.dwell_s
    )


def _timezone(name: str) -> Any:
    if name == "auto":
        from tzlocal import get_localzone  # noqa: PLC0415 - reads files: only where schedules run

        return get_localzone()
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # noqa: PLC0415 - see above

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ConfigError(
            f"profiles.timezone: '{name}' is not known; right is a name like Europe/Paris"
        ) from error
