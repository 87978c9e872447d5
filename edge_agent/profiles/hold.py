"""A hold: what was set by hand stays, whatever schedules and the light say, for a time or until released."""

from __future__ import annotations

from datetime import timedelta
from typing import Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from edge_agent.clock import Clock, rfc3339

__all__ = ["Hold", "HoldStatus", "Holding"]

# Less is a clock that is being slewed.
_JUMP_S = 2.0


class Hold(BaseModel):
    """As it is remembered. Without `duration_s` it ends when it is released."""

    model_config = ConfigDict(frozen=True)

    cause: str
    since: AwareDatetime
    duration_s: float | None = None
    until: AwareDatetime | None = None


class HoldStatus(BaseModel):
    """As `status` tells it; `until` is null where it has to be released."""

    model_config = ConfigDict(frozen=True)

    until: str | None = Field(description="When it ends; null where it has to be released")
    since: str = Field(description="When it began")
    cause: str = Field(description="By whom")


class Holding:
    """A hold in force, by a wall clock that may jump.

    In the life that it began in it lasts its time by the clock that does not jump. After a restart only the
    wall clock knows how much is left; where that stood wrong, the hold lasts no longer than its time anew.
    """

    def __init__(self, hold: Hold, *, clock: Clock, ends_s: float | None, of_this_life: bool) -> None:
        self.hold = hold
        self._clock = clock
        self._ends_s = ends_s
        self._of_this_life = of_this_life

    @classmethod
    def begin(cls, *, cause: str, duration_s: float | None, clock: Clock) -> Self:
        """Hold from now on."""
        now = clock.now()
        until = None if duration_s is None else now + timedelta(seconds=duration_s)
        hold = Hold(cause=cause, since=now, duration_s=duration_s, until=until)
        ends_s = None if duration_s is None else clock.monotonic() + duration_s
        return cls(hold, clock=clock, ends_s=ends_s, of_this_life=True)

    @classmethod
    def again(cls, hold: Hold, *, clock: Clock) -> Self:
        """Go on with what was remembered."""
        ends_s = None if hold.duration_s is None else clock.monotonic() + hold.duration_s
        return cls(hold, clock=clock, ends_s=ends_s, of_this_life=False)

    @property
    def over(self) -> bool:
        """Whether its time is up."""
        if self._ends_s is None or self.hold.until is None:
            return False
        if self._clock.monotonic() >= self._ends_s:
            return True
        return not self._of_this_life and self._clock.now() >= self.hold.until

    def follow_the_clock(self) -> bool:
        """Take in that the wall clock has jumped; return whether what is remembered changed by that."""
        if not self._of_this_life or self._ends_s is None or self.hold.until is None:
            return False
        until = self._clock.now() + timedelta(seconds=self._ends_s - self._clock.monotonic())
        if abs((until - self.hold.until).total_seconds()) <= _JUMP_S:
            return False
        shift = until - self.hold.until
        self.hold = self.hold.model_copy(update={"until": until, "since": self.hold.since + shift})
        return True

    def status(self) -> HoldStatus:
        """Return it as `status` tells it."""
        hold = self.hold
        return HoldStatus(
            until=rfc3339(hold.until) if hold.until else None, since=rfc3339(hold.since), cause=hold.cause
        )
