"""Schedules as a feature: what comes when, what is due now, and what came of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from types import TracebackType
from typing import Any, Final, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from edge_agent.clock import rfc3339
from edge_agent.contract.status import Part
from edge_agent.errors import CameraUnavailableError, EdgeAgentError, RefusedError, StorageError
from edge_agent.feature import Feature, Host
from edge_agent.profiles.config import ProfilesConfig
from edge_agent.profiles.switcher import Switch, Switcher
from edge_agent.schedules.place import timezone_of
from edge_agent.schedules.schedule import Schedule, load_schedules
from edge_agent.schedules.timetable import Due, Timetable
from edge_agent.storage import Remembered

__all__ = ["SchedulesFeature"]

logger = logging.getLogger(__name__)

_LOOK_EVERY_S: Final = 1.0
# What was handled later than this from now was handled by a wrong clock.
_FUTURE: Final = timedelta(days=1)


class _Handled(BaseModel):
    """What was done last, and the time that it was due at. It outlives a restart."""

    model_config = ConfigDict(frozen=True)

    schedule: str | None = None
    at: AwareDatetime | None = None


class SchedulesFeature(Feature):
    """Runs what is due by the clock, each time once, and after a start what should hold now."""

    name = "schedules"

    def __init__(self, *, host: Host, config: ProfilesConfig | None = None) -> None:
        # Where schedules are, and by which clock they go, is said in the section `profiles`.
        super().__init__(host=host, config=config or host.configuration.section("profiles", ProfilesConfig))
        self._schedules: list[Schedule] = []
        self._timezone: tzinfo = UTC
        self._timetable = Timetable(schedules=(), timezone=UTC)
        self._switcher = Switcher(clock=host.clock, apply=self._switch, failed=self._failed)
        self._waiting: Due | None = None
        self._handled = _Handled()
        self._changed_s: float | None = None
        self._memory = Remembered(
            path=host.configuration.state_dir / "schedules.json",
            configured=None,
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._deaf = host.events.listen(self._hear)

    def status(self) -> Mapping[str, Part]:
        """Return what comes next."""
        return {"schedule": self._document}

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self._load)
        await self._tell_wrong()
        self._look_at_the_clock()
        loop = asyncio.get_running_loop()
        self._tasks.append(loop.create_task(self._switcher.run(), name="schedule switcher"))
        self._tasks.append(loop.create_task(self._watch(), name="schedules"))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._deaf()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _load(self) -> None:
        self._timezone = timezone_of(self.config.timezone)
        self._schedules, self._wrong_files = load_schedules(self.config.directories)
        try:
            self._handled = _Handled.model_validate(self._memory.value() or {})
        except ValidationError:
            logger.warning("What was remembered of schedules is damaged: what should hold now is done anew")

    async def _tell_wrong(self) -> None:
        unknown = {}
        for profile in {schedule.profile for schedule in self._schedules if schedule.enabled}:
            reason = await self._why_not(profile)
            if reason is not None:
                unknown[profile] = reason
        usable = [schedule for schedule in self._schedules if schedule.profile not in unknown]
        self._timetable = Timetable(schedules=usable, timezone=self._timezone)
        wrong = [
            *self._wrong_files,
            *self._timetable.wrong,
            *(
                f"schedule '{schedule.name}': {unknown[schedule.profile]}"
                for schedule in self._schedules
                if schedule.enabled and schedule.profile in unknown
            ),
        ]
        for message in wrong:
            logger.warning("%s", message)
        self.host.problems.set("schedules_invalid", "; ".join(wrong[:5]) if wrong else None)

    async def _why_not(self, profile: str) -> str | None:
        """Return why a profile can never be applied, None where it may be."""
        try:
            await self.host.commands.execute("profile", {"name": profile}, cause="schedules", dry_run=True)
        except RefusedError as error:
            if error.code in ("unknown_profile", "profile_loop", "unknown_command"):
                return error.message
        except EdgeAgentError:
            pass  # the camera is not there, or not yet: the profile may be right
        return None

    async def _watch(self) -> None:
        while True:
            await self.host.clock.sleep(_LOOK_EVERY_S)
            self._look_at_the_clock()

    def _look_at_the_clock(self) -> None:
        clock = self.host.clock
        due = self._timetable.look(clock.now(), clock.monotonic())
        if due is not None and (not due.missed or self._is_news(due)):
            self._waiting = due
            self._switcher.want(Switch(due.schedule.profile, f"schedule {due.schedule.name}"))
            self.host.status_changed()

    def _is_news(self, due: Due) -> bool:
        """Whether a time of the past was not acted on; what was set by hand since then holds."""
        if self._handled.schedule != due.schedule.name:
            return True  # by a clock that was wrong, or before the schedules were edited
        clock = self.host.clock
        now = clock.now()
        if self._changed_s is not None:
            # As the clock tells it now: it may have jumped since.
            return now - timedelta(seconds=clock.monotonic() - self._changed_s) < due.at
        at = self._handled.at
        return at is None or at < due.at or at > now + _FUTURE

    def _hear(self, kind: str, document: Mapping[str, Any]) -> None:
        if kind != "profile" or document.get("event_type") != "switched":
            return
        self._changed_s = self.host.clock.monotonic()
        self.host.problems.set("schedule_failed", None)
        wanted = self._switcher.wanted
        if wanted is not None and document.get("cause") != wanted.cause:
            self._switcher.forget(wanted)

    async def _switch(self, switch: Switch) -> None:
        due = self._waiting
        try:
            await self.host.commands.execute("profile", {"name": switch.name}, cause=switch.cause)
        except CameraUnavailableError:
            self.host.status_changed()
            raise
        self._switcher.forget(switch)
        self.host.status_changed()
        if due is not None:
            self._handled = _Handled(schedule=due.schedule.name, at=due.at)
            await self._remember()

    async def _remember(self) -> None:
        try:
            await asyncio.to_thread(self._memory.remember, self._handled.model_dump(mode="json"))
        except StorageError as error:
            self.host.problems.set(
                "schedules_not_saved", f"what schedules did would not survive a restart: {error.message}"
            )
        else:
            self.host.problems.set("schedules_not_saved", None)

    def _failed(self, switch: Switch, message: str) -> None:
        host = self.host
        logger.warning("%s could not apply the profile %s: %s", switch.cause, switch.name, message)
        host.events.emit("schedule", "failed", name=switch.name, cause=switch.cause, message=message)
        host.problems.set("schedule_failed", f"{switch.cause}: profile '{switch.name}': {message}")
        host.status_changed()

    def _document(self) -> dict[str, Any]:
        wanted = self._switcher.wanted
        return {
            "timezone": str(self._timezone),
            "pending": wanted.name if wanted else None,
            "entries": [
                {
                    "name": schedule.name,
                    "cron": schedule.cron,
                    "profile": schedule.profile,
                    "enabled": schedule.enabled,
                    "next": self._told(self._timetable.next_of(schedule.name)),
                }
                for schedule in self._schedules
            ],
        }

    def _told(self, moment: datetime | None) -> str | None:
        return rfc3339(moment) if moment else None
