"""One time-lapse under way: takes its pictures when they are due, and counts what it could not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, tzinfo
from typing import Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from edge_agent.clock import Clock
from edge_agent.errors import EdgeAgentError
from edge_agent.timelapse.plan import Plan

__all__ = ["Progress", "Run", "RunState", "TimelapseStatus"]

RunState = Literal["running", "stopped", "finished"]

# The wall clock may be set at any time: nobody sleeps longer than this without looking at it.
_LOOK_EVERY_S: Final = 5.0
# Less is a clock that is being slewed; more was set.
_JUMP_S: Final = 2.0


class Progress(BaseModel):
    """How far a time-lapse is; outlives a restart. `number` is the last interval that was dealt with.

    `missed` counts the pictures that were due while the agent was off, or while the one before was still
    being taken; `failed` those that could not be taken.
    """

    model_config = ConfigDict(frozen=True)

    plan: Plan
    state: RunState = "running"
    number: int = -1
    taken: int = 0
    failed: int = 0
    missed: int = 0
    last_at: AwareDatetime | None = None
    last_error: str | None = None
    ended_at: AwareDatetime | None = None


class PlanStatus(BaseModel):
    """What was asked for."""

    model_config = ConfigDict(frozen=True)

    interval_s: float = Field(description="From picture to picture")
    begins_at: str = Field(description="The time of the first picture")
    ends_at: str | None = Field(description="No picture comes after it; null where that is not limited")
    count: int | None = Field(description="After so many it ends; null where that is not limited")
    between_from: str | None = Field(description="The time of the day from which pictures are taken")
    between_until: str | None = Field(description="The time of the day until which pictures are taken")
    snapshot: dict[str, Any] = Field(description="What each picture's command is given")


class RunStatus(BaseModel):
    """One time-lapse."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="Its name")
    state: RunState = Field(description="Whether it takes pictures")
    taken: int = Field(description="Pictures that were taken")
    failed: int = Field(description="Pictures that could not be taken")
    missed: int = Field(description="Pictures that were due while the agent was off or still busy")
    last_error: str | None = Field(description="Why the last one that failed did")
    next_at: str | None = Field(description="When the next picture is due")
    last_at: str | None = Field(description="When the last picture was taken")
    ended_at: str | None = Field(description="When it ended")
    plan: PlanStatus


class TimelapseStatus(BaseModel):
    """Every time-lapse, the running ones with the time of the next picture."""

    model_config = ConfigDict(frozen=True)

    runs: list[RunStatus] = Field(description="All that are known")


class Run:
    """`take` takes one picture; `changed` hears of every change, with an event's name and facts, or None."""

    def __init__(
        self,
        *,
        progress: Progress,
        timezone: tzinfo,
        clock: Clock,
        take: Callable[[Plan], Awaitable[None]],
        changed: Callable[[Progress, str | None, dict[str, Any]], Awaitable[None]],
    ) -> None:
        self.progress = progress
        self._timezone = timezone
        self._clock = clock
        self._take = take
        self._changed = changed
        self._offset_s = self._clock_offset_s()
        self._taking = asyncio.Lock()

    def next_at(self) -> datetime | None:
        """Return when the next picture is due; None where there is none."""
        progress = self.progress
        if progress.state != "running" or self._is_full():
            return None
        number = progress.plan.next_number(progress.number, self._timezone)
        return None if number is None else progress.plan.due(number)

    async def run(self) -> None:
        """Take the pictures until the end, or until cancelled."""
        await self._count_missed("the agent was not running")
        while (due := self.next_at()) is not None:
            now = self._clock.now()
            if self._has_jumped():
                await self._begin_anew_after_a_jump()
            elif due > now:
                await self._clock.sleep(min((due - now).total_seconds(), _LOOK_EVERY_S))
            else:
                await self._picture()
        await self._tell("finished", {}, {"state": "finished", "ended_at": self._clock.now()})

    async def between_pictures(self) -> None:
        """Wait until no picture is being taken."""
        async with self._taking:
            return

    async def _picture(self) -> None:
        plan = self.progress.plan
        number = plan.next_number(self.progress.number, self._timezone)
        if number is None:
            return
        self.progress = self.progress.model_copy(update={"number": number})
        async with self._taking:
            await self._take_and_count(plan, number)
        if not self._has_jumped():
            await self._count_missed("the picture before took longer than the interval")

    async def _take_and_count(self, plan: Plan, number: int) -> None:
        before = self.progress
        try:
            await self._take(plan)
        except EdgeAgentError as error:
            failed = {"failed": before.failed + 1, "last_error": error.message}
            event = "failing" if before.last_error is None else None
            await self._tell(event, {"error": error.message}, failed)
        else:
            taken = {"taken": before.taken + 1, "last_at": plan.due(number), "last_error": None}
            await self._tell("taking_again" if before.last_error is not None else None, {}, taken)

    async def _count_missed(self, why: str) -> None:
        """Leave out what was due before the present interval: pictures are taken when they are due or not."""
        plan, number = self.progress.plan, self.progress.number
        present = plan.number_at(self._clock.now())
        if self._is_on_time(present):
            present -= 1
        if present <= number:
            return
        missed = plan.wanted_between(number + 1, present, self._timezone)
        if missed:
            facts = {"count": missed, "reason": why}
            await self._tell("missed", facts, {"number": present, "missed": self.progress.missed + missed})
        else:
            self.progress = self.progress.model_copy(update={"number": present})

    def _is_on_time(self, number: int) -> bool:
        """Whether the picture of this interval may still be taken: it is not half over."""
        plan = self.progress.plan
        late_s = (self._clock.now() - plan.due(number)).total_seconds()
        return number >= 0 and late_s <= min(plan.interval_s / 2, _LOOK_EVERY_S)

    async def _begin_anew_after_a_jump(self) -> None:
        """Go on with the present interval: what lies between never was."""
        self._offset_s = self._clock_offset_s()
        number = self.progress.plan.number_at(self._clock.now())
        number -= self._is_on_time(number)
        await self._tell("clock_jumped", {}, {"number": number})

    def _is_full(self) -> bool:
        count = self.progress.plan.count
        return count is not None and self.progress.taken >= count

    def _clock_offset_s(self) -> float:
        return self._clock.now().timestamp() - self._clock.monotonic()

    def _has_jumped(self) -> bool:
        return abs(self._clock_offset_s() - self._offset_s) > _JUMP_S

    async def _tell(self, event: str | None, facts: dict[str, Any], update: dict[str, Any]) -> None:
        self.progress = self.progress.model_copy(update=update)
        await self._changed(self.progress, event, facts)
