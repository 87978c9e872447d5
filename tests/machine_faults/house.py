"""What every fault needs: a broker, somebody who listens, an agent, and a note of what was said and when."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.agent_process import AgentProcess
from tests.brokers import Mosquitto
from tests.listener import Listener, Seen
from tests.rtsp_servers import wait_until

__all__ = ["House", "Outcome", "house", "table"]


@dataclass
class Outcome:
    """One fault: how long it was, what was said (with the seconds since it began), and the way back.

    `back_s` are the seconds from the fault's end until all was well again.
    """

    fault: str
    lasted_s: float = 0.0
    told: list[tuple[float, str]] = field(default_factory=list)
    back_s: float = 0.0
    note: str = ""

    def said(self) -> list[str]:
        """Return all that was told, without the times."""
        return [word for _, word in self.told]


class House:
    """A running agent and what is seen of it."""

    def __init__(self, *, agent: AgentProcess, broker: Mosquitto, listener: Listener) -> None:
        self.agent = agent
        self.broker = broker
        self.listener = listener
        self._begun_s = time.monotonic()
        self._ended_s = self._begun_s
        self._mark = 0
        self._epoch = 0
        self._more: list[tuple[float, str]] = []

    def begin(self) -> None:
        """The fault begins now."""
        self._begun_s, self._mark = time.monotonic(), self.listener.mark()
        self._more.clear()
        self._epoch = max(
            seen.json["epoch"]
            for seen in self.listener.seen
            if seen.topic == f"{self.agent.base}/availability" and seen.payload
        )

    def note(self, word: str) -> None:
        """Note that something was seen now that is on no topic."""
        self._more.append((round(time.monotonic() - self._begun_s, 2), word))

    def last(self, lasting_s: float) -> None:
        """Wait until the fault is so old."""
        wait_until(
            lambda: time.monotonic() - self._begun_s >= lasting_s, timeout_s=lasting_s + 10, what="its time"
        )

    def age_s(self) -> float:
        """Return how long ago the fault began."""
        return time.monotonic() - self._begun_s

    def end(self) -> int:
        """The fault ends now; returns the mark of what comes after it."""
        self._ended_s = time.monotonic()
        return self.listener.mark()

    def outcome(self, fault: str, note: str = "") -> Outcome:
        """All is well again: put together what was."""
        back_s = time.monotonic() - self._ended_s
        told = [
            (round(seen.at_s - self._begun_s, 2), word)
            for seen in self.listener.seen[self._mark :]
            if (word := self._word(seen)) is not None
        ]
        return Outcome(
            fault, self._ended_s - self._begun_s, sorted([*told, *self._more]), round(back_s, 2), note
        )

    def _word(self, seen: Seen) -> str | None:
        kind = seen.topic.removeprefix(f"{self.agent.base}/")
        if kind == "availability" and seen.payload:
            return str(seen.json["state"])
        if kind == "event/problem":
            return f"{'+' if seen.json['event_type'] == 'raised' else '-'}{seen.json['code']}"
        if kind == "event/camera":
            return f"camera {seen.json['event_type']}"
        return None

    # ---- looking

    def logged(self, text: str, *, timeout_s: float = 20.0, after: int = 0) -> None:
        """Wait until the agent logs something, and note it; `after` is a length of its log."""
        wait_until(
            lambda: text in self.agent.log()[after:],
            timeout_s=timeout_s,
            what=f"'{text}' in the log",
        )
        self.note(f"log: {text}")

    def problem(
        self, code: str, *, there: bool = True, since: int | None = None, timeout_s: float = 20.0
    ) -> Any:
        """Wait until status has a problem, or has it no more; returns the problem."""
        start = self._mark if since is None else since
        status = self.agent.status(
            lambda status: any(each["code"] == code for each in status["problems"]) == there,
            since=start,
            timeout_s=timeout_s,
        )
        return next((each for each in status["problems"] if each["code"] == code), None)

    def well(
        self,
        *,
        since: int,
        timeout_s: float = 40.0,
        accept: Callable[[Any], bool] = lambda _: True,
        but: str | None = None,
    ) -> Any:
        """Wait until the camera runs and nothing is wrong, `but` this code may be; returns that status."""
        return self.agent.status(
            lambda status: (
                status["camera"]["state"] == "running"
                and {problem["code"] for problem in status["problems"]} <= {but}
                and accept(status)
            ),
            since=since,
            timeout_s=timeout_s,
        )

    def back(self, *, since: int, timeout_s: float = 40.0, but: str | None = None) -> Any:
        """Wait until the agent is online on a new connection and all is well; returns that status.

        What the broker found in the old connection's buffers is none of it, nor what it had kept.
        """
        online = self.listener.wait(
            f"{self.agent.base}/availability",
            lambda seen: seen.json["state"] == "online" and seen.json["epoch"] > self._epoch,
            since=since,
            timeout_s=timeout_s,
        )
        epoch = online.json["epoch"]
        return self.well(
            since=since,
            timeout_s=timeout_s,
            accept=lambda status: bool(status["link"]["epoch"] == epoch),
            but=but,
        )


@contextlib.contextmanager
def house(
    directory: Path,
    *,
    broker: Callable[[Path], Mosquitto] = Mosquitto,
    connect: Callable[[Mosquitto], dict[str, Any]] = lambda _: {},
    through: Sequence[str] = (),
    environ: dict[str, str] | None = None,
    **sections: Any,
) -> Iterator[House]:
    """Run all of it; `connect` returns what the section `mqtt` has more."""
    with (
        broker(directory) as server,
        Listener(server.port, "#") as listener,
        AgentProcess(
            directory,
            port=server.port,
            listener=listener,
            through=through,
            environ=environ,
            **{**sections, "mqtt": {"keepalive_s": 5, **connect(server)}},
        ) as agent,
    ):
        running = House(agent=agent, broker=server, listener=listener)
        agent.online()
        agent.running()
        yield running


def table(outcomes: list[Outcome]) -> str:
    """Return the outcomes as lines of text."""
    lines = [f"{'fault':34} {'lasted':>7} {'well again':>11}  told (seconds since it began)"]
    for outcome in outcomes:
        told = ", ".join(f"{at_s:.1f} {word}" for at_s, word in outcome.told)
        lines.append(f"{outcome.fault:34} {outcome.lasted_s:5.1f} s {outcome.back_s:9.2f} s  {told}")
        if outcome.note:
            lines.append(f"{'':34} {outcome.note}")
    return "\n".join(lines)
