"""Profiles as a feature: which one is active and why, which others there are, and what was set by hand."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Any, ClassVar, Final, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from edge_agent.camera.settings import flatten, normalise, unflatten
from edge_agent.clock import rfc3339
from edge_agent.config import Configuration
from edge_agent.contract.command import Call, Outcome, command
from edge_agent.contract.entity import Entity
from edge_agent.contract.status import Part
from edge_agent.errors import CameraUnavailableError, EdgeAgentError
from edge_agent.feature import Feature, Host
from edge_agent.profiles.applying import Applied, Applier
from edge_agent.profiles.config import ProfileArguments, ProfilesConfig, ProfileStatus
from edge_agent.profiles.entities import profile_entities
from edge_agent.profiles.hold import Hold, Holding
from edge_agent.profiles.library import Library, shipped_directory
from edge_agent.profiles.profile import DEFAULTS, Wanted
from edge_agent.profiles.shelf import Shelf
from edge_agent.profiles.switcher import Switch, Switcher
from edge_agent.pulse import until_pulse_s
from edge_agent.saving import Saving
from edge_agent.storage import Remembered

__all__ = ["ProfilesConfig", "ProfilesFeature", "shipped_directory"]

logger = logging.getLogger(__name__)

_LOOK_EVERY_S: Final = 1.0
# Who switches by itself, and so waits while something holds.
_BY_ITSELF: Final = ("schedule ", "day_night")


class _Memory(BaseModel):
    """What outlives a restart. `automatic` is what schedules or the light said last, applied or not."""

    model_config = ConfigDict(frozen=True)

    active: str | None = None
    cause: str | None = None
    since: AwareDatetime | None = None
    holds: dict[str, Any] = {}
    automatic: Switch | None = None
    pending: Switch | None = None
    hold: Hold | None = None


class ProfilesFeature(Feature):
    """Applies profiles, keeps those that are saved, and holds what was set by hand."""

    name = "profiles"
    section = ProfilesConfig
    status_models: ClassVar[Mapping[str, type[BaseModel]]] = {"profile": ProfileStatus}

    def __init__(self, *, host: Host, config: ProfilesConfig) -> None:
        super().__init__(host=host, config=config)
        state_dir = host.configuration.state_dir
        self._library = _library(host.configuration, config)
        self._applier = Applier(
            camera=host.camera, commands=host.commands, configured=host.configuration.stream.settings()
        )
        self._shelf = Shelf(library=self._library, applier=self._applier, changed=self._shelf_changed)
        self._memory = Remembered(path=state_dir / "profile.json", configured=None)
        self._saving = Saving(
            what="the profile", clock=host.clock, problem=partial(host.problems.set, "profile_not_saved")
        )
        self._known = _Memory()
        self._holding: Holding | None = None
        self._switcher = Switcher(clock=host.clock, apply=self._apply_pending, failed=self._gave_up)
        self._one_at_a_time = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []

    @classmethod
    def faults(cls, configuration: Configuration) -> list[str]:
        """Return what is wrong in the files of profiles, each with file, line and key."""
        return _library(configuration, configuration.section("profiles", ProfilesConfig)).load()

    def status(self) -> Mapping[str, Part]:
        """Return what is active."""
        return {"profile": self._status}

    def entities(self) -> Iterable[Entity]:
        """Return what a home sees of profiles."""
        return profile_entities(self.host.topics, names=tuple(self._library.profiles.names))

    async def __aenter__(self) -> Self:
        wrong = await asyncio.to_thread(self._library.load)
        for message in wrong:
            logger.warning("%s", message)
        self.host.problems.set("profiles_invalid", "; ".join(wrong[:5]) if wrong else None)
        await asyncio.to_thread(self._recall)
        loop = asyncio.get_running_loop()
        self._tasks.append(loop.create_task(self._switcher.run(), name="profile switcher"))
        self._tasks.append(loop.create_task(self._watch(), name="profile hold"))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._saving.close()

    @command(
        name="profile",
        arguments=ProfileArguments,
        main="name",
        interrupts_stream=True,
        changes=lambda given: given.action not in ("diff", "list"),
    )
    async def profile(self, call: Call) -> Outcome:
        """Apply a profile, save what is set now as one, see what one would change, hold or release."""
        arguments: ProfileArguments = call.arguments
        name = arguments.name or DEFAULTS
        match arguments.action:
            case "save":
                async with self._one_at_a_time:
                    return await self._shelf.save(call, arguments)
            case "delete":
                async with self._one_at_a_time:
                    return await self._shelf.delete(call, name)
            case "diff":
                wanted = _on_top(self._library.profiles.wanted(name), arguments)
                return Outcome(result=self._applier.diff(wanted))
            case "list":
                return Outcome(result={"profiles": self._shelf.listed(self._known.active)})
            case "release":
                return await self._release(call)
            case "hold":
                return await self._hold(call, arguments)
        async with self._one_at_a_time:
            if call.cause.startswith(_BY_ITSELF):
                return await self._switch_by_itself(call, name)
            return await self._apply_by_hand(call, name, arguments)

    # ---- applying

    async def _apply_by_hand(self, call: Call, name: str, arguments: ProfileArguments) -> Outcome:
        wanted = _on_top(self._library.profiles.wanted(name), arguments)
        applied = await self._applier.apply(
            name, wanted, cause=call.cause, strict=call.strict, dry_run=call.dry_run
        )
        if call.dry_run:
            return applied.outcome
        self._switcher.forget(self._switcher.wanted)
        self._take(name, call.cause, applied)
        if arguments.hold is not None or arguments.hold_s is not None:
            self._begin_hold(call.cause, arguments)
        elif self._holding is not None:
            self._update(pending=self._known.automatic)
        await self._remember()
        hold = self._holding.status().model_dump() if self._holding else None
        return replace(applied.outcome, result={**applied.outcome.result, "hold": hold})

    async def _switch_by_itself(self, call: Call, name: str) -> Outcome:
        wanted = self._library.profiles.wanted(name)
        if call.dry_run:
            return (await self._applier.apply(name, wanted, cause=call.cause, dry_run=True)).outcome
        switch = Switch(name, call.cause)
        if self._holding is not None:
            self._update(automatic=switch, pending=switch)
            await self._remember()
            return Outcome(result={"held": True, "hold": self._holding.status().model_dump()})
        try:
            applied = await self._applier.apply(name, wanted, cause=call.cause, strict=call.strict)
        except CameraUnavailableError:
            self._update(automatic=switch, pending=switch)
            raise
        except EdgeAgentError:
            self._update(pending=None)
            raise
        self._switcher.forget(self._switcher.wanted)
        self._update(automatic=switch)
        self._take(name, call.cause, applied)
        await self._remember()
        return replace(applied.outcome, result={**applied.outcome.result, "held": False})

    async def _apply_pending(self, switch: Switch) -> None:
        """Apply what waited for a hold's end, or for the camera after that."""
        async with self._one_at_a_time:
            if self._switcher.wanted is not switch:
                return
            wanted = self._library.profiles.wanted(switch.name)
            applied = await self._applier.apply(switch.name, wanted, cause=switch.cause)
            self._switcher.forget(switch)
            self._take(switch.name, switch.cause, applied)
            await self._remember()

    def _take(self, name: str, cause: str, applied: Applied) -> None:
        host = self.host
        self._update(active=name, cause=cause, since=host.clock.now(), holds=applied.holds, pending=None)
        host.problems.set("profile_failed", None)
        host.events.emit("profile", "switched", name=name, cause=cause)

    def _update(self, **changes: Any) -> None:
        self._known = self._known.model_copy(update=changes)
        self.host.status_changed()

    def _gave_up(self, switch: Switch, message: str) -> None:
        host = self.host
        logger.warning("%s could not apply the profile %s: %s", switch.cause, switch.name, message)
        host.events.emit("profile", "failed", name=switch.name, cause=switch.cause, message=message)
        host.problems.set("profile_failed", f"{switch.cause}: profile '{switch.name}': {message}")
        self._update(pending=None)

    # ---- holding

    def _begin_hold(self, cause: str, arguments: ProfileArguments) -> None:
        """Hold for as long as was asked for; until the next switch is no hold, and ends an older one."""
        self._holding = None
        if arguments.hold_s is not None or arguments.hold == "until_released":
            self._holding = Holding.begin(cause=cause, duration_s=arguments.hold_s, clock=self.host.clock)
            until = self._holding.status().until
            self.host.events.emit("profile", "held", name=self._known.active, cause=cause, until=until)
        # What comes after it is what the schedules or the light said last.
        self._update(
            hold=self._holding.hold if self._holding else None,
            pending=self._known.automatic if self._holding else None,
        )

    async def _hold(self, call: Call, arguments: ProfileArguments) -> Outcome:
        async with self._one_at_a_time:
            if not call.dry_run:
                if arguments.hold_s is None:
                    arguments = arguments.model_copy(update={"hold": "until_released"})
                self._switcher.forget(self._switcher.wanted)
                self._begin_hold(call.cause, arguments)
                await self._remember()
            hold = self._holding.status().model_dump() if self._holding else None
            return Outcome(result={"hold": hold})

    async def _release(self, call: Call) -> Outcome:
        """End a hold, and what was set by hand: what schedules or the light said last is applied."""
        async with self._one_at_a_time:
            target = self._known.pending or self._known.automatic
            result: dict[str, Any] = {
                "was_held": self._holding is not None,
                "profile": target.name if target else None,
            }
            if call.dry_run:
                return Outcome(result=result)
            await self._end_hold(call.cause)
        if target is None:
            return Outcome(result={**result, "pending": False})
        try:
            outcome = await self._execute(target)
        except EdgeAgentError as error:
            if not error.transient:
                raise
            self._switcher.want(target)
            return Outcome(result={**result, "pending": True})
        return replace(outcome, result={**outcome.result, **result, "pending": False})

    async def _execute(self, switch: Switch) -> Outcome:
        call = Call(
            arguments=ProfileArguments(name=switch.name), given={"name": switch.name}, cause=switch.cause
        )
        async with self._one_at_a_time:
            return await self._switch_by_itself(call, switch.name)

    async def _end_hold(self, cause: str) -> None:
        if self._holding is not None:
            self.host.events.emit("profile", "released", name=self._known.active, cause=cause)
        self._holding = None
        self._update(hold=None)
        await self._remember()

    async def _watch(self) -> None:
        while True:
            clock = self.host.clock
            await clock.sleep(until_pulse_s(clock.monotonic(), _LOOK_EVERY_S))
            if self._holding is None:
                continue
            async with self._one_at_a_time:
                await self._look_at_the_hold(self._holding)

    async def _look_at_the_hold(self, holding: Holding) -> None:
        if self._holding is not holding:
            return
        if holding.over:
            pending = self._known.pending
            await self._end_hold("time")
            if pending is not None:
                self._switcher.want(pending)
        elif holding.follow_the_clock():
            self._update(hold=holding.hold)
            await self._remember()

    # ---- memory and status

    def _shelf_changed(self, what: str, name: str, cause: str) -> None:
        self.host.events.emit("profile", what, name=name, cause=cause)
        self.host.entities_changed()
        self.host.status_changed()

    def _recall(self) -> None:
        try:
            self._known = _Memory.model_validate(self._memory.value() or {})
        except ValidationError as error:
            self._memory.damaged(error)
            return
        if self._known.hold is not None:
            self._holding = Holding.again(self._known.hold, clock=self.host.clock)

    async def _remember(self) -> None:
        await self._saving.save(partial(self._memory.remember, self._known.model_dump(mode="json")))

    def _status(self) -> ProfileStatus:
        known, waiting = self._known, self._switcher.wanted or self._known.pending
        return ProfileStatus(
            active=known.active,
            cause=known.cause,
            since=rfc3339(known.since) if known.since else None,
            pending=waiting.name if waiting else None,
            hold=self._holding.status() if self._holding else None,
            differs=self._applier.differing(known.holds),
            available=self._library.profiles.names,
        )


def _library(configuration: Configuration, config: ProfilesConfig) -> Library:
    return Library(directories=config.directories, saved=configuration.state_dir / "profiles")


def _on_top(wanted: Wanted, arguments: ProfileArguments) -> Wanted:
    """Return what a profile comes to with what a command puts on top of it."""
    own = flatten(normalise(arguments.definition().patch()))
    stream = wanted.stream if arguments.stream is None else arguments.stream.enabled
    patch = unflatten({**flatten(wanted.patch), **own})
    return replace(wanted, patch=patch, optional=wanted.optional - own.keys(), stream=stream)
