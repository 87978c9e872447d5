"""A whole agent beside a server that is broken and mended: what it said, and how long everything took."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.agent_process import AgentProcess
from tests.brokers import Mosquitto
from tests.faults.servers import Server
from tests.listener import Listener
from tests.rtsp_servers import wait_until

__all__ = ["EXPECTED", "Outcome", "Rig", "rig", "table"]

# What status must come to say, by the fault; it may say another of these before.
EXPECTED: dict[str, frozenset[str]] = {
    "killed": frozenset({"stream_unreachable"}),
    "stopped": frozenset({"stream_timeout", "stream_blocked", "server_silent"}),
    "401": frozenset({"stream_refused_credentials"}),
    "400": frozenset({"stream_rejected"}),
    "404": frozenset({"stream_not_found"}),
    "never answers": frozenset({"stream_timeout"}),
    "reads no more": frozenset({"stream_timeout", "stream_blocked", "server_silent"}),
    "cut off": frozenset({"stream_unreachable"}),
}
_PROBE_EVERY_S = 0.1
_DEADLINE_S = 40.0


@dataclass
class Outcome:
    """One fault: the events of the stream with their seconds since it began, and what was measured.

    `back_s` are the seconds from the server's return to the first frame there. `usual_ms` and `latency_ms`
    are the median and the longest time from a command to its reply, before the fault and during it.
    """

    fault: str
    lasted_s: float = 0.0
    told: list[tuple[float, str, str | None]] = field(default_factory=list)
    back_s: float = 0.0
    usual_ms: tuple[float, float] = (0.0, 0.0)
    latency_ms: tuple[float, float] = (0.0, 0.0)

    def codes(self) -> set[str]:
        """Return the codes of all that was told."""
        return {code for _, _, code in self.told if code is not None}


class Rig:
    """An agent that streams to `server`, and a prober of its commands."""

    def __init__(self, *, agent: AgentProcess, listener: Listener, server: Server) -> None:
        self.agent = agent
        self.server = server
        self._listener = listener
        self._latencies: list[tuple[float, float]] = []
        self._ending = threading.Event()
        self._probing = threading.Thread(target=self._probe, daemon=True)

    def start(self) -> None:
        """Wait for the first frames, and for the usual latency to be known."""
        wait_until(lambda: self.server.first_after(0.0) is not None, what="the first frame")
        self._probing.start()
        self._settle(time.monotonic())

    def stop(self) -> None:
        """End the probing."""
        self._ending.set()
        self._probing.join(20)

    def suffer(self, fault: str, *, lasting_s: float, restart: bool = False) -> Outcome:
        """Break the server for a time, mend it, and wait for frames; `restart` has the stream restarted."""
        outcome = Outcome(fault, lasting_s)
        begun_s, mark = time.monotonic(), self._listener.mark()
        outcome.usual_ms = self._between(begun_s - 5, begun_s)
        self.server.break_it(fault)
        wait_until(
            lambda: bool(EXPECTED[fault] & self._told(outcome, mark, begun_s)),
            timeout_s=_DEADLINE_S,
            what=lambda: f"a word about the fault '{fault}'; told was {outcome.told}",
        )
        self._ending.wait(max(0.0, begun_s + lasting_s - time.monotonic()))
        back_s = self.server.mend()
        if restart:
            self.agent.command("stream", {"action": "restart"})
        wait_until(
            lambda: self.server.first_after(back_s) is not None,
            timeout_s=_DEADLINE_S,
            what=f"frames after the fault '{fault}'",
        )
        outcome.back_s = (self.server.first_after(back_s) or back_s) - back_s
        outcome.latency_ms = self._between(begun_s, time.monotonic())
        self._settle(back_s)
        self._told(outcome, mark, begun_s)
        return outcome

    def _settle(self, since_s: float) -> None:
        """Wait until all is well: published for some seconds and nothing to complain of."""
        mark = self._listener.mark()
        self.agent.status(
            lambda status: (
                status["stream"]["state"] == "publishing"
                and status["stream"]["fps"] is not None
                and not any(problem["code"] == "stream_down" for problem in status["problems"])
            ),
            since=mark,
            timeout_s=_DEADLINE_S,
        )
        wait_until(lambda: time.monotonic() - since_s > 2, what="two seconds")

    def _told(self, outcome: Outcome, mark: int, begun_s: float) -> set[str]:
        topic = f"{self.agent.base}/event/stream"
        outcome.told = [
            (round(seen.at_s - begun_s, 2), seen.json["event_type"], seen.json.get("code"))
            for seen in self._listener.seen[mark:]
            if seen.topic == topic
        ]
        codes = outcome.codes()
        last = next(
            (s for s in reversed(self._listener.seen) if s.topic == f"{self.agent.base}/status"), None
        )
        return codes | ({last.json["stream"]["code"]} if last is not None and last.at_s > begun_s else set())

    def _between(self, begin_s: float, end_s: float) -> tuple[float, float]:
        found = [took * 1000 for at_s, took in tuple(self._latencies) if begin_s <= at_s <= end_s]
        return (round(statistics.median(found), 1), round(max(found), 1)) if found else (0.0, 0.0)

    def _probe(self) -> None:
        number = 0
        while not self._ending.wait(_PROBE_EVERY_S):
            number += 1
            begun_s = time.monotonic()
            reply: Any = self.agent.command("image", {"contrast": 1 + number % 32 / 32}, id=f"probe-{number}")
            took_s = time.monotonic() - begun_s
            if reply["state"] == "done":
                self._latencies.append((begun_s, took_s))


@contextmanager
def rig(directory: Path, server: Server) -> Iterator[Rig]:
    """Run a broker and an agent that streams two megabits a second to `server`."""
    # At a rate that steps down the buffers of a server that reads no more take minutes to fill.
    stream = {"enabled": True, "url": server.url, "bitrate_bps": 2_000_000}
    with (
        Mosquitto(directory) as broker,
        Listener(broker.port, "#") as listener,
        AgentProcess(directory, port=broker.port, listener=listener, stream=stream) as agent,
    ):
        running = Rig(agent=agent, listener=listener, server=server)
        try:
            running.start()
            yield running
        finally:
            running.stop()


def table(outcomes: list[Outcome]) -> str:
    """Return the outcomes as lines of text."""
    lines = [f"{'fault':14} {'lasted':>7} {'frames again':>13}  {'reply (max)':15} {'during':15} told"]
    for outcome in outcomes:
        told = ", ".join(f"{at_s:.1f} s {code or state}" for at_s, state, code in outcome.told)
        usual, during = (
            f"{median:.1f} ({most:.0f}) ms" for median, most in (outcome.usual_ms, outcome.latency_ms)
        )
        lines.append(
            f"{outcome.fault:14} {outcome.lasted_s:5.0f} s {outcome.back_s:11.2f} s  "
            f"{usual:15} {during:15} {told}"
        )
    return "\n".join(lines)
