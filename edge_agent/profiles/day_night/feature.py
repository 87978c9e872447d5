"""Day and night as a feature: decides, switches the profile, the infrared filter and the lamp."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from types import TracebackType
from typing import Any, ClassVar, Final, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from edge_agent.clock import rfc3339
from edge_agent.contract.command import Call, Outcome, command
from edge_agent.contract.entity import Entity
from edge_agent.contract.status import Part
from edge_agent.contract.validation import validate
from edge_agent.errors import EdgeAgentError, RefusedError
from edge_agent.feature import Feature, Host
from edge_agent.mqtt.message import Incoming, Outgoing
from edge_agent.profiles.config import ProfilesConfig
from edge_agent.profiles.day_night.config import DayNightArguments, Rules
from edge_agent.profiles.day_night.decider import DayNight, Phase
from edge_agent.profiles.day_night.entities import DAY_NIGHT_ENTITIES
from edge_agent.profiles.day_night.gpio import Pin, open_pin
from edge_agent.profiles.day_night.light import Light, Said, understood
from edge_agent.profiles.day_night.outputs import Kind, Outputs
from edge_agent.profiles.day_night.status import DayNightStatus, PendingPhase, RulesStatus
from edge_agent.profiles.day_night.sun import Place
from edge_agent.profiles.switcher import Switch, Switcher
from edge_agent.pulse import until_pulse_s
from edge_agent.saving import Saving
from edge_agent.storage import Remembered

__all__ = ["CAUSE", "DayNightFeature"]

logger = logging.getLogger(__name__)

CAUSE: Final = "day_night"
_LOOK_EVERY_S: Final = 1.0
_RULES: Final = tuple(Rules.model_fields)


class _Memory(BaseModel):
    """What outlives a restart."""

    model_config = ConfigDict(frozen=True)

    rules: Rules
    phase: Phase | None = None
    since: str | None = None


class DayNightFeature(Feature):
    """Decides between day and night where it is asked to, and switches what follows from it."""

    name = "day_night"
    status_models: ClassVar[Mapping[str, type[BaseModel]]] = {"day_night": DayNightStatus}

    def __init__(
        self,
        *,
        host: Host,
        config: ProfilesConfig | None = None,
        open_pin: Callable[..., Pin] = open_pin,
    ) -> None:
        # Where it is and how it is switched is said in the section `profiles`.
        whole = config or host.configuration.section("profiles", ProfilesConfig)
        super().__init__(host=host, config=whole.day_night)
        place = None
        if whole.latitude is not None and whole.longitude is not None:
            place = Place(latitude=whole.latitude, longitude=whole.longitude)
        self._light = Light(place=place, max_age_s=self.config.topic_max_age_s)
        self._outputs = Outputs(self.config.outputs, publish=host.publish, open_pin=open_pin)
        configured = {name: getattr(self.config, name) for name in _RULES}
        self._rules = Rules.model_validate(configured)
        self._memory = Remembered(path=host.configuration.state_dir / "day_night.json", configured=configured)
        self._saving = Saving(
            what="day or night", clock=host.clock, problem=partial(host.problems.set, "day_night_not_saved")
        )
        self._decider = DayNight()
        self._taken: Phase | None = None
        self._since: str | None = None
        self._said = Said(source=None, says=None, because="nothing was measured yet")
        self._switcher = Switcher(clock=host.clock, apply=self._apply_later, failed=self._gave_up)
        self._switching = asyncio.Lock()
        self._asserted = False
        self._tasks: list[asyncio.Task[None]] = []
        self._deaf: Callable[[], None] = lambda: None

    def subscriptions(self) -> Mapping[str, Callable[[Incoming], None]]:
        """Return the light sensor's topic."""
        return {} if self.config.topic is None else {self.config.topic: self._hear_sensor}

    def retained(self) -> Iterable[Outgoing]:
        """Yield what filter and lamp were last told by MQTT, at every connect."""
        return self._outputs.messages()

    def status(self) -> Mapping[str, Part]:
        """Return whether it is day, and why."""
        return {"day_night": self._status}

    def entities(self) -> Iterable[Entity]:
        """Return what a home sees of day and night."""
        return DAY_NIGHT_ENTITIES

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self._recall)
        # Loads what computes the sun, away from the event loop.
        await asyncio.to_thread(self._light.sun_elevation_deg, self.host.clock.now())
        self._deaf = self.host.events.listen(self._hear_event)
        loop = asyncio.get_running_loop()
        self._tasks.append(loop.create_task(self._switcher.run(), name="day and night switcher"))
        self._tasks.append(loop.create_task(self._watch(), name="day and night"))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._deaf()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._outputs.close()
        await self._saving.close()

    @command(name="day_night", arguments=DayNightArguments, main="mode", interrupts_stream=True)
    async def day_night(self, call: Call) -> Outcome:
        """Set day or night, or let the light that the camera measures, a sensor or the sun decide."""
        changes = {name: value for name, value in call.arguments.model_dump().items() if value is not None}
        wanted = self._changed(changes)
        forced: Phase | None = wanted.mode if wanted.mode in ("day", "night") and "mode" in changes else None
        outcome = Outcome()
        async with self._switching:
            if forced is not None:
                apply = partial(self._execute, cause=call.cause, strict=call.strict)
                # What would be refused is refused before filter and lamp have moved.
                outcome = await apply(self._profile_of(forced), dry_run=True)
                if not call.dry_run:
                    outcome = await self._switch(forced, apply)
            if not call.dry_run:
                self._rules = wanted
                self._decider.forget()
                if "mode" in changes:
                    # With `auto` the next look decides, whatever was decided before.
                    self._enter(forced)
                await self._remember()
                self.host.status_changed()
        return Outcome(
            applied=wanted.model_dump(),
            clamped=outcome.clamped,
            result={
                "profile": self._profile_of(forced) if forced else None,
                "settings": dict(outcome.applied),
                **outcome.result,
            },
        )

    def _changed(self, changes: Mapping[str, Any]) -> Rules:
        wanted = self._rules.model_copy(update=changes)
        if wanted.night_below_lux > wanted.day_above_lux:
            raise RefusedError(
                f"night_below_lux {wanted.night_below_lux:g} is above day_above_lux "
                f"{wanted.day_above_lux:g}: it would be day and night at once",
                code="contradiction",
                field="night_below_lux",
                value=wanted.night_below_lux,
            )
        if wanted.source == "topic" and self.config.topic is None:
            raise RefusedError(
                "there is no light sensor: 'profiles.day_night.topic' is not configured",
                code="not_offered",
                field="source",
                value="topic",
            )
        return validate(Rules, wanted.model_dump())

    async def _watch(self) -> None:
        while True:
            clock = self.host.clock
            await clock.sleep(until_pulse_s(clock.monotonic(), _LOOK_EVERY_S))
            async with self._switching:
                try:
                    await self._look()
                except Exception as error:
                    logger.exception("Day and night could not be decided")
                    self.host.problems.set(
                        "day_night_failed", f"an unexpected {type(error).__name__}: {error}"
                    )

    async def _look(self) -> None:
        host, rules = self.host, self._rules
        camera = host.camera
        manual = camera.settings is not None and camera.settings.exposure.mode == "manual"
        self._light.take_reading(camera.reading, manual=manual)
        if rules.mode == "off":
            return
        if rules.mode in ("day", "night"):
            await self._take(rules.mode)
            return
        before = (self._said.source, self._said.says)
        at_s = host.clock.monotonic()
        self._said = self._light.look(rules, now=host.clock.now(), at_s=at_s)
        if before != (self._said.source, self._said.says):
            host.status_changed()
        if self._said.source is None:
            return
        self._decider.see(self._said.says, at_s=at_s, dwell_s=rules.dwell_s)
        if self._decider.phase is not None:
            await self._take(self._decider.phase)

    async def _take(self, phase: Phase) -> None:
        """Switch to a phase where it is not the one that was taken last, also before a restart."""
        if phase == self._taken:
            # What was set by hand since then holds; filter and lamp have lost their state with the agent.
            if not self._asserted:
                self._asserted = True
                await self._outputs.switch("ir_cut", phase)
                await self._outputs.switch("lamp", phase)
                self._tell_outputs()
            return
        await self._switch(phase, self._execute_or_wait)
        self._enter(phase)
        await self._remember()

    def _enter(self, phase: Phase | None) -> None:
        self._taken = phase
        self._since = rfc3339(self.host.clock.now()) if phase else None
        if phase is not None:
            because = self._said.because if self._rules.mode == "auto" else "it was said"
            self.host.events.emit("day_night", phase, because=because)
        self.host.status_changed()

    async def _switch(self, phase: Phase, apply: Callable[[str], Awaitable[Outcome]]) -> Outcome:
        """At night the filter goes first and the lamp last, by day the other way round."""
        order: tuple[Kind, Kind] = ("ir_cut", "lamp") if phase == "night" else ("lamp", "ir_cut")
        self._asserted = False
        await self._outputs.switch(order[0], phase)
        outcome = await apply(self._profile_of(phase))
        await self._outputs.switch(order[1], phase)
        self._asserted = True
        self._tell_outputs()
        return outcome

    def _tell_outputs(self) -> None:
        errors = self._outputs.errors
        self.host.problems.set("day_night_output", "; ".join(errors) if errors else None)
        self.host.status_changed()

    def _profile_of(self, phase: Phase) -> str:
        profile: str = self.config.day_profile if phase == "day" else self.config.night_profile
        return profile

    async def _execute(
        self, profile: str, *, cause: str = CAUSE, strict: bool = False, dry_run: bool = False
    ) -> Outcome:
        return await self.host.commands.execute(
            "profile", {"name": profile}, cause=cause, strict=strict, dry_run=dry_run
        )

    async def _execute_or_wait(self, profile: str) -> Outcome:
        """Apply a profile, or have it applied when the camera is there."""
        switch = Switch(profile, CAUSE)
        try:
            outcome = await self._execute(profile)
        except EdgeAgentError as error:
            if error.transient:
                self._switcher.want(switch)
            else:
                self._gave_up(switch, error.message)
            return Outcome()
        self.host.problems.set("day_night_failed", None)
        return outcome

    async def _apply_later(self, switch: Switch) -> None:
        await self._execute(switch.name)
        self.host.problems.set("day_night_failed", None)
        self.host.status_changed()

    def _gave_up(self, switch: Switch, message: str) -> None:
        logger.warning("%s could not apply the profile %s: %s", switch.cause, switch.name, message)
        self.host.problems.set("day_night_failed", f"profile '{switch.name}': {message}")
        self.host.status_changed()

    def _hear_event(self, kind: str, document: Mapping[str, Any]) -> None:
        # Something newer was applied: what still waits for the camera is out of date.
        if kind == "profile" and document.get("event_type") == "switched" and document.get("cause") != CAUSE:
            self._switcher.forget(self._switcher.wanted)

    def _hear_sensor(self, message: Incoming) -> None:
        try:
            value = understood(message.payload, key=self.config.topic_key)
        except RefusedError as error:
            self.host.problems.set("day_night_sensor", f"{message.topic}: {error.message}")
            return
        self.host.problems.set("day_night_sensor", None)
        self._light.take_sensor(value, at_s=self.host.clock.monotonic())

    def _recall(self) -> None:
        remembered = self._memory.value()
        try:
            memory = _Memory.model_validate(remembered)
        except ValidationError as error:
            if remembered != self._rules.model_dump():
                self._memory.damaged(error)
            return
        self._rules, self._taken, self._since = memory.rules, memory.phase, memory.since

    async def _remember(self) -> None:
        value = _Memory(rules=self._rules, phase=self._taken, since=self._since).model_dump(mode="json")
        await self._saving.save(partial(self._memory.remember, value))

    def _status(self) -> DayNightStatus:
        host, rules = self.host, self._rules
        automatic = rules.mode == "auto"
        in_s = self._decider.changes_in(at_s=host.clock.monotonic(), dwell_s=rules.dwell_s)
        elevation_deg = self._light.sun_elevation_deg(host.clock.now())
        pending = None
        if automatic and in_s is not None:
            pending = PendingPhase(phase=self._said.says, in_s=round(in_s, 1))
        because = self._said.because if automatic else {"off": "it is off"}.get(rules.mode, "it was said")
        return DayNightStatus(
            mode=rules.mode,
            phase=None if rules.mode == "off" else self._taken,
            source=self._said.source if automatic else None,
            lux=self._light.lux,
            lux_fresh=self._light.lux_is_fresh,
            sun_elevation_deg=None if elevation_deg is None else round(elevation_deg, 2),
            since=self._since if self._taken else None,
            because=because,
            pending=pending,
            outputs=self._outputs.status,
            rules=RulesStatus(**rules.model_dump(exclude={"mode"})),
        )
