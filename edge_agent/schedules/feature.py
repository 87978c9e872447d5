"""Schedules as a feature: read from files, edited by commands, carried out by the engine."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, ClassVar, Final, Self

from pydantic import BaseModel

from edge_agent.clock import rfc3339
from edge_agent.config import Configuration
from edge_agent.contract.command import Call, Outcome, command
from edge_agent.contract.entity import Entity
from edge_agent.contract.status import Part
from edge_agent.errors import EdgeAgentError, RefusedError, suggestion
from edge_agent.feature import Feature, Host
from edge_agent.profiles.config import ProfilesConfig
from edge_agent.schedules.arguments import ScheduleArguments, definition_of, planned_of, refuse_fields
from edge_agent.schedules.book import Book, runs_another
from edge_agent.schedules.engine import Engine
from edge_agent.schedules.entities import SCHEDULE_ENTITIES
from edge_agent.schedules.files import Entry
from edge_agent.schedules.memory import Memory, Result
from edge_agent.schedules.place import Place, place_of
from edge_agent.schedules.schedule import Schedule
from edge_agent.schedules.status import ScheduleStatus, entry_status, schedule_status, sun_status
from edge_agent.schedules.store import Store, saved_path

__all__ = ["SchedulesFeature"]

logger = logging.getLogger(__name__)

# What no waiting for the camera can mend.
_LASTING: Final = frozenset({"unknown_profile", "profile_loop", "unknown_command", "denied"})
_LISTED: Final = 100
_TOLD: Final = 5


class SchedulesFeature(Feature):
    """Carries out what is due by the clock, each time once, and after a start what should hold now."""

    name = "schedules"
    status_models: ClassVar[Mapping[str, type[BaseModel]]] = {"schedule": ScheduleStatus}

    def __init__(self, *, host: Host, config: ProfilesConfig | None = None) -> None:
        # Where schedules are, and by which clock they go, is said in the section `profiles`.
        super().__init__(host=host, config=config or host.configuration.section("profiles", ProfilesConfig))
        state_dir = host.configuration.state_dir
        self._store = Store(path=saved_path(state_dir))
        self._engine = Engine(
            clock=host.clock,
            memory=Memory(path=state_dir / "schedules.json"),
            execute=self._execute,
            told=self._tell,
            problem=host.problems.set,
            changed=host.status_changed,
        )
        self._book: Book
        self._wrong: dict[str, str] = {}
        self._logged: set[str] = set()
        self._no_profile: dict[str, RefusedError] = {}
        self._editing = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []
        self._deaf = host.events.listen(self._hear)
        self._profiles_changed = asyncio.Event()

    @classmethod
    def faults(cls, configuration: Configuration) -> list[str]:
        """Return what is wrong with the schedules, each with file, line and key."""
        from edge_agent.schedules.reading import faults  # noqa: PLC0415 - knows all commands, for `check` alone

        return faults(configuration)

    def status(self) -> Mapping[str, Part]:
        """Return what holds, what comes next, and how the last ones ended."""
        return {"schedule": self._status}

    def entities(self) -> Iterable[Entity]:
        """Return what a home sees of the schedules."""
        return SCHEDULE_ENTITIES

    async def __aenter__(self) -> Self:
        place = await asyncio.to_thread(place_of, self.config)
        await asyncio.to_thread(self._load, place)
        return self

    def ready(self) -> None:
        """Begin, now that every command is known."""
        loop = asyncio.get_running_loop()
        self._tasks.append(loop.create_task(self._live(), name="schedules"))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._deaf()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._engine.close()

    @command(
        name="schedule",
        arguments=ScheduleArguments,
        main="action",
        changes=lambda given: given.action != "list",
    )
    async def schedule(self, call: Call) -> Outcome:
        """List the schedules, save one, delete it, switch it on or off, or run it now."""
        arguments: ScheduleArguments = call.arguments
        if arguments.action == "list":
            refuse_fields(call)
            return self._list(arguments)
        if arguments.name is None:
            raise RefusedError(
                f"'{arguments.action}' needs the schedule's name", code="invalid_arguments", field="name"
            )
        if arguments.action == "set":
            return await self._set(call)
        refuse_fields(call)
        entry = self._find(arguments.name)
        if arguments.action == "run_now":
            return await self._run_now(entry, call)
        return await self._edit(entry, call)

    def _list(self, arguments: ScheduleArguments) -> Outcome:
        entries = list(self._book.entries.items())
        if arguments.name is not None:
            entries = [(arguments.name, self._find(arguments.name))]
        shown = entries[arguments.offset : arguments.offset + _LISTED]
        following = arguments.offset + len(shown)
        return Outcome(
            result={
                "version": self._book.version,
                "count": len(entries),
                "next_offset": following if following < len(entries) else None,
                "schedules": [
                    {
                        **entry_status(entry, engine=self._engine, wrong=self._wrong.get(name)).model_dump(),
                        "file": entry.path or None,
                        "line": entry.line,
                        "definition": entry.schedule.document(),
                    }
                    for name, entry in shown
                ],
            }
        )

    async def _set(self, call: Call) -> Outcome:
        schedule = definition_of(call)
        planned = await asyncio.to_thread(planned_of, schedule, self._book.place)
        await self._learn_profiles({schedule.profile} if schedule.profile else set())
        if (error := self._judge(schedule)) is not None:
            raise error
        version = self._book.version
        if not call.dry_run:
            version = await self._change(call, lambda: self._store.put(schedule))
        else:
            self._store.require(call.arguments.if_version)
        coming = planned.next_after(self.host.clock.now()) if schedule.enabled else None
        return Outcome(
            applied=schedule.document(),
            result={
                "name": schedule.name,
                "version": version,
                "next": rfc3339(coming) if coming else None,
                "replaces": self._book.files[schedule.name].path
                if schedule.name in self._book.files
                else None,
            },
        )

    async def _edit(self, entry: Entry, call: Call) -> Outcome:
        name, action = entry.schedule.name, call.arguments.action
        if action == "delete":
            if entry.source == "file" and name not in self._store.saved.switches:
                raise RefusedError(
                    f"'{name}' stands in {entry.path}: only its owner deletes it there. Disable it instead, "
                    "which is kept over restarts and updates of the file",
                    code="owners_file",
                    field="name",
                    value=name,
                )
            edit = lambda: self._store.drop(name)  # noqa: E731 - the one thing that differs
        else:
            edit = lambda: self._store.switch(name, enabled=action == "enable")  # noqa: E731 - see above
        if call.dry_run:
            self._store.require(call.arguments.if_version)
            version = self._book.version
        else:
            version = await self._change(call, edit)
        return Outcome(
            result={
                "name": name,
                "version": version,
                "remains": action != "delete" or name in self._book.files,
            }
        )

    async def _run_now(self, entry: Entry, call: Call) -> Outcome:
        schedule = entry.schedule
        name, given = _what(schedule)
        outcome = await self.host.commands.execute(
            name, given, cause=call.cause, strict=call.strict, dry_run=call.dry_run
        )
        return Outcome(
            applied=outcome.applied,
            clamped=outcome.clamped,
            result={**outcome.result, "name": schedule.name, "did": schedule.does},
        )

    def _find(self, name: str) -> Entry:
        entry = self._book.entries.get(name)
        if entry is None:
            raise RefusedError(
                f"there is no schedule '{name}'{suggestion(name, self._book.entries)}",
                code="unknown_schedule",
                field="name",
                value=name,
                allowed=list(self._book.entries)[:_LISTED],
            )
        return entry

    async def _change(self, call: Call, edit: Any) -> int:
        async with self._editing:
            self._store.require(call.arguments.if_version)
            await asyncio.to_thread(edit)
            self._book = await asyncio.to_thread(self._book.with_saved, self._store.saved)
            await self._adopt()
            return self._book.version

    def _load(self, place: Place) -> None:
        damaged = self._store.load()
        self._engine.memory.load()
        self._book = Book.read(directories=self.config.directories, saved=self._store.saved, place=place)
        if damaged is not None:
            self._book.file_problems.append(damaged)
        # Loads what computes the sun, away from the event loop.
        sun_status(place, self.host.clock.now())

    async def _live(self) -> None:
        await self._learn_profiles(self._profiles())
        await self._adopt()
        running = asyncio.get_running_loop().create_task(self._engine.run(), name="schedules: engine")
        try:
            while True:
                await self._profiles_changed.wait()
                self._profiles_changed.clear()
                async with self._editing:
                    await self._learn_profiles(self._profiles())
                    await self._adopt()
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    def _profiles(self) -> set[str]:
        schedules = [entry.schedule for entry in self._book.entries.values()]
        return {schedule.profile for schedule in schedules if schedule.profile and schedule.enabled}

    async def _learn_profiles(self, names: set[str]) -> None:
        """Ask which of these profiles can never be applied."""
        for name in sorted(names):
            self._no_profile.pop(name, None)
            try:
                await self.host.commands.execute("profile", {"name": name}, cause="schedules", dry_run=True)
            except RefusedError as error:
                if error.code in _LASTING:
                    self._no_profile[name] = error
            except EdgeAgentError:
                pass  # the camera is not there, or not yet: the profile may be right

    def _judge(self, schedule: Schedule) -> RefusedError | None:
        if schedule.profile is not None:
            return self._no_profile.get(schedule.profile)
        try:
            self.host.commands.check(str(schedule.command), schedule.arguments)
        except RefusedError as error:
            return error
        return runs_another(schedule)

    async def _adopt(self) -> None:
        # A thousand schedules take longer than the event loop may be kept.
        plans, self._wrong = await asyncio.to_thread(self._book.judged, self._judge)
        wrong = [*self._book.file_problems, *self._wrong.values()]
        for message in wrong:
            if message not in self._logged:
                logger.warning("%s", message)
        self._logged = set(wrong)
        more = [f"and {len(wrong) - _TOLD} more"] if len(wrong) > _TOLD else []
        self.host.problems.set("schedules_invalid", "; ".join([*wrong[:_TOLD], *more]) or None)
        self._engine.adopt(plans, names=self._book.entries)
        self.host.status_changed()

    async def _execute(self, schedule: Schedule) -> str:
        name, arguments = _what(schedule)
        outcome = await self.host.commands.execute(name, arguments, cause=f"schedule {schedule.name}")
        # What was set by hand may hold against schedules for a while; the profile then comes after it.
        return "held" if schedule.profile and outcome.result.get("held") else "done"

    def _hear(self, kind: str, document: Mapping[str, Any]) -> None:
        if kind != "profile":
            return
        if document.get("event_type") != "switched":
            self._profiles_changed.set()
            return
        self._engine.went_well()
        if not str(document.get("cause")).startswith("schedule "):
            self._engine.somebody_switched()

    def _tell(self, result: Result) -> None:
        fields = {**result.document(), "due": rfc3339(result.time)}
        fields.pop("time")
        self.host.events.emit("schedule", fields.pop("outcome"), **fields)

    def _status(self) -> ScheduleStatus:
        return schedule_status(
            book=self._book, engine=self._engine, wrong=self._wrong, now=self.host.clock.now()
        )


def _what(schedule: Schedule) -> tuple[str, Any]:
    """Return the command that a schedule comes to, and its arguments."""
    if schedule.profile is not None:
        return "profile", {"name": schedule.profile}
    return str(schedule.command), schedule.arguments
