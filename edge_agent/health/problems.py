"""What is wrong now: each problem once, with its code, its grade, since when, and what to do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from edge_agent.clock import Clock, rfc3339
from edge_agent.contract.events import Events
from edge_agent.health.codes import Grade, kind_of

__all__ = ["Health", "Problem", "Problems"]


class Problem(BaseModel):
    """One thing that is wrong. `message` says what, `advice` what to do about it."""

    model_config = ConfigDict(frozen=True)

    code: str = Field(description="For machines")
    grade: Grade = Field(description="How bad it is")
    since: str = Field(description="When it began")
    message: str = Field(description="What is wrong")
    advice: str = Field(description="What to do about it")


class Health(BaseModel):
    """`status.health`: the whole node in a word, and how many problems there are."""

    model_config = ConfigDict(frozen=True)

    state: Literal["ok"] | Grade = Field(description="As bad as the worst problem; ok where there is none")
    problems: int = Field(description="How many there are")


class Problems:
    """The list in `status.problems`; each one that comes or goes is told by an event, once."""

    def __init__(self, *, clock: Clock, events: Events, changed: Callable[[], None]) -> None:
        self._clock = clock
        self._events = events
        self._changed = changed
        self._present: dict[str, tuple[datetime, str]] = {}

    def set(self, code: str, message: str | None) -> None:
        """Say that a problem is there, or with None that it is not; saying it again changes nothing."""
        known = self._present.get(code)
        if message is None:
            if known is not None:
                del self._present[code]
                self._events.emit("problem", "solved", code=code, message=known[1])
                self._changed()
            return
        if known is None:
            self._present[code] = (self._clock.now(), message)
            kind = kind_of(code)
            self._events.emit(
                "problem", "raised", code=code, message=message, grade=kind.grade, advice=kind.advice
            )
            self._changed()
        elif known[1] != message:
            self._present[code] = (known[0], message)
            self._changed()

    def document(self) -> list[Any]:
        """Return `status.problems`, the oldest first."""
        return [
            Problem(
                code=code,
                grade=kind_of(code).grade,
                since=rfc3339(since),
                message=message,
                advice=kind_of(code).advice,
            ).model_dump()
            for code, (since, message) in self._present.items()
        ]

    def health(self) -> Health:
        """Return the worst grade of what is wrong, `ok` where nothing is."""
        grades = {kind_of(code).grade for code in self._present}
        state: Literal["ok"] | Grade = "failed" if "failed" in grades else "degraded" if grades else "ok"
        return Health(state=state, problems=len(self._present))
