"""Time-lapses as a feature: the command `timelapse`, its runs, and what outlives a restart."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Mapping
from datetime import UTC, tzinfo
from functools import partial
from types import TracebackType
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from edge_agent.clock import rfc3339
from edge_agent.contract.command import Arguments, Call, Outcome, command
from edge_agent.contract.status import Part
from edge_agent.contract.validation import validate
from edge_agent.errors import RefusedError, suggestion
from edge_agent.feature import Feature, Host
from edge_agent.profiles.config import ProfilesConfig
from edge_agent.saving import Saving
from edge_agent.schedules.place import timezone_of
from edge_agent.storage import set_aside, write_atomically
from edge_agent.timelapse.plan import NAME, Plan
from edge_agent.timelapse.run import Progress, Run, TimelapseStatus

__all__ = ["TimelapseFeature"]

logger = logging.getLogger(__name__)

_MAX_RUNS: Final = 16
# A picture that is being taken when its time-lapse is stopped is waited for, so that it counts.
_LAST_PICTURE_S: Final = 20.0
_MAX_FILE_BYTES: Final = 1024 * 1024


class TimelapseArguments(Arguments):
    """What to do with which time-lapse; `start` takes the rest."""

    action: Literal["start", "stop", "resume", "list", "delete", "video"] = Field(
        description="start a new one; stop, resume, delete (pictures stay) or list; video makes a film of it"
    )
    name: str = Field("timelapse", pattern=NAME, description="Its name; the pictures' reason says it, too")
    interval_s: Annotated[float, Field(ge=1, le=604_800)] | None = Field(
        None, description="Seconds from picture to picture, counted from the beginning: it does not drift"
    )
    begins_at: AwareDatetime | None = Field(None, description="Null is now")
    ends_at: AwareDatetime | None = Field(None, description="Null goes on until it is stopped")
    count: int | None = Field(None, ge=1, le=10_000_000, description="Ends after so many pictures")
    between_from: str | None = Field(None, description="Local time, as 06:00: only from then on, each day")
    between_until: str | None = Field(None, description="Local time, as 20:00: only until then, each day")
    snapshot: dict[str, Any] | None = Field(
        None, description="Arguments of each picture's `snapshot`; where they go is the store by default"
    )
    fps: float = Field(25.0, ge=1, le=120, description="The video's frames a second")


class TimelapseFeature(Feature):
    """Takes pictures at intervals, through the command `snapshot`."""

    name = "timelapse"
    status_models: ClassVar[Mapping[str, type[BaseModel]]] = {"timelapse": TimelapseStatus}

    def __init__(self, *, host: Host, config: Any) -> None:
        super().__init__(host=host, config=config)
        self._path = host.configuration.state_dir / "timelapse.json"
        self._timezone: tzinfo | None = None
        self._runs: dict[str, Run] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._saving = Saving(
            what="time-lapses", clock=host.clock, problem=partial(host.problems.set, "timelapse_not_saved")
        )

    def status(self) -> Mapping[str, Part]:
        """Return every time-lapse, the running ones with the time of the next picture."""
        return {"timelapse": lambda: {"runs": [_described(run) for run in self._runs.values()]}}

    async def __aenter__(self) -> Self:
        zone = self.host.configuration.section("profiles", ProfilesConfig).timezone
        self._timezone = await asyncio.to_thread(timezone_of, zone)
        for progress in await asyncio.to_thread(self._remembered):
            self._add(progress)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        await self._saving.close()

    @command(name="timelapse", arguments=TimelapseArguments, main="action", slow=True)
    async def timelapse(self, call: Call) -> Outcome:
        """Take pictures at an interval, between times of the day, until an end; make a video of them."""
        actions = {
            "start": self._start,
            "stop": self._stop,
            "resume": self._resume,
            "delete": self._delete,
            "video": self._video,
        }
        action = call.arguments.action
        if action == "list":
            return Outcome(result={"runs": [_described(run) for run in self._runs.values()]})
        return await actions[action](call)

    async def _start(self, call: Call) -> Outcome:
        arguments: TimelapseArguments = call.arguments
        plan = self._plan(arguments)
        known = self._runs.get(plan.name)
        if known is not None and known.progress.state == "running":
            raise RefusedError(
                f"the time-lapse '{plan.name}' is running; stop it first, or give another name",
                code="already_running",
                field="name",
                value=plan.name,
            )
        if known is None and len(self._runs) >= _MAX_RUNS:
            raise RefusedError(
                f"there are {_MAX_RUNS} time-lapses already; delete one first", code="too_many"
            )
        if not call.dry_run:
            run = self._add(Progress(plan=plan))
            self.host.events.emit("timelapse", "started", name=plan.name)
            await self._changed(run.progress, None, {})
        return Outcome(applied=plan.model_dump(mode="json"))

    def _plan(self, arguments: TimelapseArguments) -> Plan:
        if arguments.interval_s is None:
            raise RefusedError(
                "a time-lapse needs 'interval_s', the seconds from picture to picture",
                code="invalid_arguments",
                field="interval_s",
            )
        fields = arguments.model_dump(exclude={"action", "fps", "snapshot", "begins_at"})
        fields["begins_at"] = arguments.begins_at or self.host.clock.now().replace(microsecond=0)
        fields["snapshot"] = arguments.snapshot or {}
        plan = validate(Plan, fields)
        if plan.ends_at is not None and plan.ends_at <= self.host.clock.now():
            raise RefusedError("ends_at has passed", code="invalid_arguments", field="ends_at")
        if plan.next_number(-1, self._timezone or UTC) is None:
            raise RefusedError(
                "its times never fall between between_from and between_until",
                code="invalid_arguments",
                field="between_from",
            )
        self.host.commands.check("snapshot", self._snapshot_arguments(plan))
        return plan

    async def _stop(self, call: Call) -> Outcome:
        run = self._find(call.arguments.name)
        if run.progress.state == "running" and not call.dry_run:
            await self._end(run.progress.plan.name)
            stopped = {"state": "stopped", "ended_at": self.host.clock.now()}
            run.progress = run.progress.model_copy(update=stopped)
            await self._changed(run.progress, "stopped", {})
        return Outcome(result=_described(run))

    async def _resume(self, call: Call) -> Outcome:
        run = self._find(call.arguments.name)
        progress = run.progress
        if progress.state != "stopped":
            raise RefusedError(f"it is {progress.state}, not stopped", code="not_stopped", field="name")
        if not call.dry_run:
            # What was due meanwhile was not wanted: it is not missed.
            number = progress.plan.number_at(self.host.clock.now())
            update = {"state": "running", "number": number, "ended_at": None}
            run = self._add(progress.model_copy(update=update))
            await self._changed(run.progress, "resumed", {})
        return Outcome(result=_described(run))

    async def _delete(self, call: Call) -> Outcome:
        run = self._find(call.arguments.name)
        if not call.dry_run:
            await self._end(run.progress.plan.name)
            del self._runs[run.progress.plan.name]
            await self._write()
            self.host.status_changed()
        return Outcome(result={"name": run.progress.plan.name, "pictures": "kept"})

    async def _video(self, call: Call) -> Outcome:
        run = self._find(call.arguments.name)
        wanted = {
            "action": "video",
            "reason": _reason(run.progress.plan),
            "fps": call.arguments.fps,
        }
        return await self.host.commands.execute(
            "images", wanted, cause=call.cause, dry_run=call.dry_run, progress=call.progress
        )

    def _find(self, name: str) -> Run:
        run = self._runs.get(name)
        if run is None:
            raise RefusedError(
                f"there is no time-lapse '{name}'{suggestion(name, self._runs)}",
                code="unknown_timelapse",
                field="name",
                value=name,
                allowed=sorted(self._runs),
            )
        return run

    def _add(self, progress: Progress) -> Run:
        name = progress.plan.name
        if self._timezone is None:
            raise RefusedError("the time-lapses have not been started", code="busy")
        run = Run(
            progress=progress,
            timezone=self._timezone,
            clock=self.host.clock,
            take=self._take,
            changed=self._changed,
        )
        self._runs[name] = run
        if progress.state == "running":
            task = asyncio.get_running_loop().create_task(run.run(), name=f"timelapse {name}")
            self._tasks[name] = task
            task.add_done_callback(lambda done: self._ended(name, done))
        return run

    def _ended(self, name: str, task: asyncio.Task[None]) -> None:
        if self._tasks.get(name) is task:
            del self._tasks[name]
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("The time-lapse %s ended by a mistake of this program", name, exc_info=error)
            message = f"'{name}' ended: {type(error).__name__}; start it anew"
            self.host.problems.set("timelapse_failed", message)

    async def _end(self, name: str) -> None:
        task = self._tasks.pop(name, None)
        if task is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LAST_PICTURE_S):
                    await self._runs[name].between_pictures()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _snapshot_arguments(self, plan: Plan) -> dict[str, Any]:
        return {"to": ["store"], **plan.snapshot, "reason": _reason(plan)}

    async def _take(self, plan: Plan) -> None:
        await self.host.commands.execute(
            "snapshot", self._snapshot_arguments(plan), cause=f"timelapse {plan.name}"
        )

    async def _changed(self, progress: Progress, event: str | None, facts: dict[str, Any]) -> None:
        if event is not None:
            self.host.events.emit("timelapse", event, name=progress.plan.name, **facts)
        failing = [run.progress.plan.name for run in self._runs.values() if run.progress.last_error]
        self.host.problems.set(
            "timelapse_failing",
            f"no pictures for {', '.join(sorted(failing))}: {progress.last_error or 'see status.timelapse'}"
            if failing
            else None,
        )
        self.host.status_changed()
        await self._write()

    async def _write(self) -> None:
        document = [run.progress.model_dump(mode="json") for run in self._runs.values()]
        content = json.dumps(document).encode()
        # Without waiting for the disk: a picture every second would wear an SD card out.
        await self._saving.save(partial(write_atomically, self._path, content, wait_for_disk=False))

    def _remembered(self) -> list[Progress]:
        try:
            with self._path.open("rb") as file:
                document = json.loads(file.read(_MAX_FILE_BYTES))
        except FileNotFoundError:
            return []
        except OSError as error:
            logger.warning("%s cannot be read, its time-lapses are forgotten: %s", self._path, error)
            return []
        except (ValueError, RecursionError) as error:
            logger.warning("%s is damaged and set aside, time-lapses are forgotten: %s", self._path, error)
            set_aside(self._path)
            return []
        found: list[Progress] = []
        for entry in (document if isinstance(document, list) else [])[:_MAX_RUNS]:
            try:
                found.append(Progress.model_validate(entry))
            except ValidationError as error:
                logger.warning("A time-lapse of %s cannot be read: %s", self._path, error)
        return found


def _reason(plan: Plan) -> str:
    return f"timelapse {plan.name}"


def _described(run: Run) -> dict[str, Any]:
    progress = run.progress
    due = run.next_at()
    described = progress.model_dump(mode="json", exclude={"plan", "number", "last_at", "ended_at"})
    return {
        "name": progress.plan.name,
        **described,
        "next_at": None if due is None else rfc3339(due),
        "last_at": None if progress.last_at is None else rfc3339(progress.last_at),
        "ended_at": None if progress.ended_at is None else rfc3339(progress.ended_at),
        "plan": progress.plan.model_dump(mode="json", exclude={"name"}),
    }
