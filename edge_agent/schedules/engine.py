"""The engine: sees by the clock what is due and what should hold, has it done once, and remembers.

Rules, each with a test: what is seen to more than half a minute late was missed, and the schedule's rule
says what becomes of it. After a start, and when the wall clock jumps, everything is computed anew. What
somebody set by hand holds until the next switch. A command is never run twice for one time: that it begins is
on disk before it does. A profile may be applied twice after a kill, which changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from edge_agent.clock import Clock
from edge_agent.errors import StorageError
from edge_agent.saving import RETRY_EVERY_S
from edge_agent.schedules.holding import Hold
from edge_agent.schedules.memory import CLOCK_CORRECTION, Held, Memory, Result
from edge_agent.schedules.plan import Planned
from edge_agent.schedules.runner import Ended, Run, Runner
from edge_agent.schedules.schedule import Schedule
from edge_agent.schedules.timetable import Timetable
from edge_agent.schedules.words import told

__all__ = ["Engine", "Jump"]

_GRACE: Final = timedelta(seconds=30)
# Less is a clock that is being slewed; more was set, or the machine slept.
_JUMP_S: Final = 2.0
# How long a clock that was set goes unnoticed at most.
_LOOK_EVERY_S: Final = 10.0
_PATIENCE_S: Final = 60.0
# What may be lost by a kill without harm is written now and then only: flash wears out.
_WRITE_EVERY_S: Final = 900.0
# A machine without a clock of its own begins in 1970, or when its image was made.
_CLOCK_IS_SET_FROM: Final = 2020


@dataclass(frozen=True)
class Jump:
    """When the clock was set, by itself then, and by how much."""

    at: datetime
    by_s: float


class Engine:
    """`execute` does it and returns the outcome, `told` hears of each outcome, `problem` of troubles."""

    def __init__(
        self,
        *,
        clock: Clock,
        memory: Memory,
        execute: Callable[[Schedule], Awaitable[str]],
        told: Callable[[Result], None],
        problem: Callable[[str, str | None], None],
        changed: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._carry_out = execute
        self._told = told
        self._problem = problem
        self._changed = changed
        self._runner = Runner(clock=clock, execute=self._execute, ended=self._ended)
        self._plans: list[Planned] = []
        self._anew = True
        self._edited = asyncio.Event()
        self._looking = asyncio.Lock()
        self._writing = asyncio.Lock()
        self._offset_s: float | None = None
        self._written_s = clock.monotonic()
        self._refused = False
        self._by_hand_s: float | None = None
        self._acted: tuple[str, datetime, str | None] | None = None
        self._failing: dict[str, str] = {}
        self.memory = memory
        self.timetable = Timetable(())
        self.hold: Hold | None = None
        self.jump: Jump | None = None
        self.jumps = 0

    @property
    def pending(self) -> Planned | None:
        """The schedule whose profile still waits for the camera."""
        return self._runner.wanted.planned if self._runner.wanted else None

    def adopt(self, plans: Iterable[Planned], *, names: Iterable[str]) -> None:
        """Go by these schedules from now on; `names` are all there are, those that are off, too."""
        self._plans = list(plans)
        self.memory.keep_only(names)
        for name in set(self._failing) - {planned.name for planned in self._plans}:
            self._tell_failing(name, None)
        self._anew = True
        self._edited.set()

    async def run(self) -> None:
        """See to what is due, until cancelled."""
        while True:
            self._edited.clear()
            wait_s = await self.look()
            await self._wait(wait_s)

    async def close(self) -> None:
        """End what is under way and write down what is not yet."""
        await self._runner.close()
        if self.memory.dirty:
            await self._save()

    async def look(self) -> float:
        """See what time it is and what is to be done; return in how many seconds to look again."""
        async with self._looking:
            now = self._clock.now()
            jumped = self._has_jumped(now)
            unset = now.year < _CLOCK_IS_SET_FROM
            self._problem("clock_not_set", "schedules wait until the clock is set" if unset else None)
            if unset:
                self._anew = True
                return _LOOK_EVERY_S
            if self._anew or jumped:
                self._anew = False
                await self._start_anew(now)
                now = self._clock.now()
            self._see_to(now)
            write_every_s = RETRY_EVERY_S if self._refused else _WRITE_EVERY_S
            if self.memory.dirty and self._clock.monotonic() - self._written_s >= write_every_s:
                await self._save()
            wake = self.timetable.wake()
            wait_s = (wake - self._clock.now()).total_seconds() if wake else _LOOK_EVERY_S
            return min(max(wait_s, 0.0), _LOOK_EVERY_S)

    def somebody_switched(self) -> None:
        """Take note that a profile was applied by somebody else: it holds until the next switch."""
        self._by_hand_s = self._clock.monotonic()
        run = self._runner.forget_switch()
        if run is not None:
            self._seen_to(run.planned, run.at)
            self._tell(run, "by_hand")

    def went_well(self) -> None:
        """Take note that a profile was applied, by whomever: what failed before does not matter any more."""
        for name in [planned.name for planned in self._plans if planned.schedule.profile]:
            self._tell_failing(name, None)

    def _has_jumped(self, now: datetime) -> bool:
        offset_s = now.timestamp() - self._clock.monotonic()
        before_s, self._offset_s = self._offset_s, offset_s
        if before_s is None or abs(offset_s - before_s) <= _JUMP_S:
            return False
        self.jumps += 1
        self.jump = Jump(at=now, by_s=round(offset_s - before_s, 3))
        self._changed()
        return True

    async def _wait(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        waits = [
            loop.create_task(self._clock.sleep(seconds), name="schedules: until the next"),
            loop.create_task(self._edited.wait(), name="schedules: until edited"),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waits:
                task.cancel()

    async def _start_anew(self, now: datetime) -> None:
        memory = self.memory
        memory.clock_is(now)
        for name, at in memory.running.items():
            planned = next((planned for planned in self._plans if planned.name == name), None)
            if planned is not None and not self._runner.runs(name):
                self._add(planned, at, "ended_with_agent")
        memory.running = {name: at for name, at in memory.running.items() if self._runner.runs(name)}
        self.timetable, missed = await asyncio.to_thread(_computed, self._plans, dict(memory.seen), now)
        for planned, last in missed:
            if last is not None:
                if not self._runner.runs(planned.name):
                    self._command_due(planned, last, now)
            elif planned.name not in memory.seen:
                self._see(planned, now)
        self._changed()

    def _see_to(self, now: datetime) -> None:
        due = self.timetable.take(now)
        hold = self.timetable.holds(now)
        if due or (hold is not None) != (self.hold is not None) or (hold and hold.key != self._hold_key()):
            self._changed()
        self.hold = hold
        for one in due:
            if one.planned.schedule.command:
                self._command_due(one.planned, one.at, now)
            elif hold is None or hold.key != (one.planned.name, one.at):
                over = f"'{hold.planned.name}' holds" if hold else None
                self._add(one.planned, one.at, "overridden", error=over)
        if hold is not None and self._is_news(hold, now):
            self._switch_to(hold, now)

    def _hold_key(self) -> tuple[str, datetime] | None:
        return self.hold.key if self.hold else None

    def _is_news(self, hold: Hold, now: datetime) -> bool:
        key = (*hold.key, hold.planned.schedule.profile)
        held = self.memory.held
        if key == self._acted:
            return False
        if held is not None:
            if key == (held.schedule, held.at, held.profile):
                return False
            if hold.at < held.at and timedelta(0) < held.seen_at - now <= CLOCK_CORRECTION:
                return False  # the clock was set back a little: that switch was done already
        if self._by_hand_s is not None:
            # As the clock tells it now: it may have jumped since.
            by_hand_at = now - timedelta(seconds=self._clock.monotonic() - self._by_hand_s)
            if by_hand_at > hold.since:
                self._acted = key
                self._seen_to(hold.planned, hold.at)
                return False
        return True

    def _switch_to(self, hold: Hold, now: datetime) -> None:
        planned = hold.planned
        self._acted = (*hold.key, planned.schedule.profile)
        if self._missed(planned.schedule, now - hold.since):
            self._seen_to(planned, hold.at)
            self._skip(planned, hold.at, now - hold.since)
        else:
            self._runner.switch(Run(planned, hold.at, hold.since))

    def _command_due(self, planned: Planned, at: datetime, now: datetime) -> None:
        schedule = planned.schedule
        rule = schedule.rule
        if self._missed(schedule, now - at):
            self._see(planned, at)
            self._skip(planned, at, now - at)
            return
        if rule == "skip":
            self._see(planned, at)  # else when it begins: what has not begun is begun after a kill
        patience_s = rule.total_seconds() if isinstance(rule, timedelta) else _PATIENCE_S
        if not self._runner.start(Run(planned, at, at, patience_s)):
            self._see(planned, at)
            self._add(planned, at, "skipped", error="the last one still runs")

    def _see(self, planned: Planned, at: datetime) -> None:
        self.memory.seen[planned.name] = at
        self.memory.dirty = True

    @staticmethod
    def _missed(schedule: Schedule, late: timedelta) -> bool:
        rule = schedule.rule
        if late <= _GRACE or rule == "run_once":
            return False
        return not isinstance(rule, timedelta) or late > rule

    def _skip(self, planned: Planned, at: datetime, late: timedelta) -> None:
        rule = planned.schedule.rule
        said = f"run_if_within {told(rule)}" if isinstance(rule, timedelta) else rule
        self._add(planned, at, "skipped", error=f"missed, {told(late)} ago; misfire: {said}")

    def _seen_to(self, planned: Planned, at: datetime) -> None:
        profile = planned.schedule.profile
        if profile is not None:
            self.memory.held = Held(schedule=planned.name, profile=profile, at=at, seen_at=self._clock.now())
            self.memory.dirty = True

    async def _execute(self, run: Run) -> str:
        memory, schedule = self.memory, run.planned.schedule
        if schedule.command and schedule.rule != "skip" and run.planned.name not in memory.running:
            # On disk before it begins: after a kill it is not begun again.
            memory.running[run.planned.name] = memory.seen[run.planned.name] = run.at
            await self._save()
        return await self._carry_out(schedule)

    async def _ended(self, run: Run, ended: Ended) -> None:
        name = run.planned.name
        durable = run.planned.schedule.profile is not None or self.memory.running.pop(name, None) is not None
        if ended.error is None:
            self._seen_to(run.planned, run.at)
        self._tell_failing(name, ended.error)
        self._tell(run, ended.outcome, ended)
        if durable:
            await self._save()

    def _tell(self, run: Run, outcome: str, ended: Ended | None = None) -> None:
        late_s = (ended.begun_at - run.since).total_seconds() if ended else None
        self._add(
            run.planned,
            run.at,
            outcome,
            error=ended.error if ended else None,
            late_s=round(late_s, 3) if late_s is not None else None,
            took_s=round(ended.took_s, 3) if ended else None,
        )

    def _add(self, planned: Planned, at: datetime, outcome: str, **fields: Any) -> None:
        result = Result(schedule=planned.name, does=planned.schedule.does, time=at, outcome=outcome, **fields)
        self.memory.add(result)
        self._told(result)
        self._changed()

    def _tell_failing(self, name: str, error: str | None) -> None:
        if error is None:
            if self._failing.pop(name, None) is None:
                return
        else:
            self._failing[name] = error
        worst = [f"schedule '{name}': {message}" for name, message in list(self._failing.items())[:3]]
        self._problem("schedule_failed", "; ".join(worst) or None)

    async def _save(self) -> None:
        async with self._writing:  # in the order of the changes
            self._written_s = self._clock.monotonic()
            content = self.memory.document()
            try:
                await asyncio.to_thread(self.memory.write, content)
            except StorageError as error:
                self.memory.dirty = self._refused = True
                self._problem(
                    "schedules_not_saved", f"what schedules did would not survive a restart: {error.message}"
                )
            else:
                self._refused = False
                self._problem("schedules_not_saved", None)


def _computed(
    plans: Iterable[Planned], seen: Mapping[str, datetime], now: datetime
) -> tuple[Timetable, list[tuple[Planned, datetime | None]]]:
    """Return the timetable from now on, and each command's schedule with its time that was missed."""
    timetable = Timetable(plans)
    timetable.start(now, seen)
    missed: list[tuple[Planned, datetime | None]] = []
    for planned in timetable.plans.values():
        if planned.schedule.command:
            last = planned.last_at(now) if planned.name in seen else None
            missed.append((planned, last if last is not None and last > seen[planned.name] else None))
    return timetable, missed
