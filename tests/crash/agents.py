"""Many lives of one whole agent, each ended by SIGKILL while it takes and uploads pictures.

Some lives end with all their processes at once, as a service manager kills; in the others the agent alone is
killed, and its camera process has to end by itself.
"""

from __future__ import annotations

import signal
import statistics
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import psutil

from tests.agent_process import AgentProcess
from tests.brokers import Mosquitto
from tests.crash.plan import Plan
from tests.crash.promises import Broken, Promises
from tests.listener import Listener
from tests.upload_server import UploadServer

__all__ = ["AgentOutcome", "crash_agent"]

_MARK = "CRASH_SUITE_LIFE"
_DRAIN_S = 180.0
_ENDS_WITHIN_S = 15.0
_MOST_UNANSWERED = 8
# How much longer than the start the longest lives are: then pictures are taken and uploaded.
_BUSY_S = 3.0


@dataclass
class AgentOutcome:
    """What came of it. `again`: how often the server got what it had; `running`: what outlived its agent."""

    kills: int = 0
    started: int = 0
    done: int = 0
    for_upload: int = 0
    for_store: int = 0
    stored: int = 0
    again: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    broken: Broken = field(default_factory=Broken)
    running: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    tracebacks: list[str] = field(default_factory=list)
    exit_code: int | None = None
    longest_end_s: float = 0.0
    took_s: float = 0.0

    @property
    def is_right(self) -> bool:
        """Whether every promise was kept, once, and nothing was left behind."""
        faults = (self.broken, self.running, self.left, self.tracebacks, self.exit_code)
        return not any(faults)


def crash_agent(
    directory: Path,
    *,
    kills: int,
    seed: int = 1,
    failing: float = 0.4,
    state: Path | None = None,
    is_small: bool = False,
    shortest: float = 0.0,
    make_room: Callable[[], None] = lambda: None,
    enough: Callable[[Promises], object] = lambda _: True,
    say: Callable[[str], None] = lambda _: None,
) -> AgentOutcome:
    """Kill an agent at `kills` random moments; then let it finish, and compare.

    `is_small`: the disk of `state` fills up, until `make_room` is called before the last life. `shortest` is
    the share of the longest life that each one has at least. On a slow machine it is killed more often, up to
    five times so, until there is `enough` to compare.
    """
    began_s = time.monotonic()
    state = state or directory / "state"
    plan = Plan(seed=seed, failing=failing)
    with ExitStack() as stack:
        server = stack.enter_context(UploadServer(fault=plan.next))
        broker = stack.enter_context(Mosquitto(directory))
        topics = [f"edge/v1/porch/{tail}" for tail in ("availability", "status", "reply/#", "event/snapshot")]
        listener = stack.enter_context(Listener(broker.port, *topics))
        agent = AgentProcess(
            directory,
            port=broker.port,
            listener=listener,
            environ={_MARK: (mark := uuid.uuid4().hex)},
            stream={"width": 160, "height": 120},
            snapshots={"min_free_mb": 0, "keep_days": None},
            upload={
                "url": f"{server.url}/{{file_name}}",
                "retry_base_s": 0.05,
                "retry_cap_s": 0.5,
                "concurrency": 3,
                "min_free_mb": 0,
            },
            state_dir=str(state),
        )
        lives = _Lives(
            agent=agent, listener=listener, mark=mark, seed=seed, is_small=is_small, shortest=shortest
        )
        stack.callback(lives.end_all)
        for number in range(5 * kills):
            if number >= kills and enough(lives.promises):
                break
            lives.live(number)
            server.seen.clear()
            if number % 25 == 24:
                lives.tell(say, len(server.stored))
        plan.is_over = True
        make_room()
        listed = lives.finish()
        promises, outcome = lives.promises, lives.outcome
        outcome.broken = promises.compare(server=server.stored, listed=listed, store=state / "pictures")
        outcome.done, outcome.refused = promises.done, promises.refused
        outcome.for_upload, outcome.for_store = len(promises.for_upload), len(promises.for_store)
        outcome.stored, outcome.again = len(server.stored), sum(server.again.values())
        outcome.broken.twice += [key for key, count in server.keys.items() if count != 1]
    outcome.left = sorted(str(file.relative_to(state)) for file in _left_over(state))
    outcome.tracebacks = [line for line in agent.log().splitlines() if "Traceback" in line]
    outcome.took_s = time.monotonic() - began_s
    return outcome


class _Lives:
    """Starts the agent, commands it, and ends it."""

    def __init__(
        self,
        *,
        agent: AgentProcess,
        listener: Listener,
        mark: str,
        seed: int,
        is_small: bool,
        shortest: float,
    ) -> None:
        self._agent = agent
        self._listener = listener
        self._mark = mark
        self._moments = Random(seed)
        self._random = Random(seed + 2000)
        self._shortest = shortest
        self._is_small = is_small
        self._heard = 0
        self._ids: list[str] = []
        self._starts_s: list[float] = []
        self.promises = Promises(locked_only=is_small)
        self.outcome = AgentOutcome()

    def live(self, number: int) -> None:
        """Have one life, up to a random moment of its start or of its work."""
        begun_s, since = time.monotonic(), self._listener.mark()
        # Until its camera runs.
        start_s = statistics.median(self._starts_s[-9:]) if self._starts_s else 2.0
        until_s = begun_s + self._moments.uniform(self._shortest, 1.0) * (start_s + _BUSY_S)
        self._agent.start()
        try:
            with suppress(TimeoutError):
                left_s = max(0.0, until_s - time.monotonic())
                self._agent.online(since=since, timeout_s=left_s)
                self.outcome.started += 1
                self._command(number, until_s)
            _sleep_until(until_s)
        finally:
            self._kill(alone=self._moments.random() < 0.5)
        self._hear()
        lived_s = time.monotonic() - begun_s
        ran = [
            message.at_s - begun_s
            for message in self._listener.seen[since:]
            if message.topic.endswith("/status") and message.json["camera"]["state"] == "running"
        ]
        if ran or lived_s > start_s:
            # A machine that has become slower must not have all of them end before they do anything.
            self._starts_s.append(ran[0] if ran else 2 * lived_s)

    def finish(self) -> list[dict[str, Any]]:
        """Let the agent end what it has begun, and return what its store has."""
        since = self._listener.mark()
        self._agent.start()
        self._agent.online(since=since)
        self._ask_again()
        self._agent.status(
            lambda status: (
                status["snapshot"]["store"]["state"] == "ready"
                and not (status["upload"]["waiting"] or status["upload"]["uploading"])
                and not status["upload"]["bytes"]
            ),
            since=since,
            timeout_s=_DRAIN_S,
        )
        listed: list[dict[str, Any]] = []
        page: dict[str, Any] = {}
        while True:
            result = self._agent.command("images", {"action": "list", "limit": 100, **page})["result"]
            listed += result["pictures"]
            if result["next"] is None:
                break
            page = {"before": result["next"]}
        self._hear()
        self.outcome.exit_code = self._agent.stop()
        self._wait_for_the_end()
        return listed

    def tell(self, say: Callable[[str], None], stored: int) -> None:
        """Show how far it is."""
        outcome, promises = self.outcome, self.promises
        say(
            f"  {outcome.kills} kills, {outcome.started} after its start: {promises.done} commands done, "
            f"{len(promises.for_upload)} pictures promised for upload, {len(promises.for_store)} for the "
            f"store, {stored} on the server"
        )

    def end_all(self) -> None:
        """Leave nothing running, whatever has happened."""
        for process in self._processes():
            with suppress(psutil.Error):
                process.kill()

    # ---- commands

    def _command(self, number: int, until_s: float) -> None:
        self._ask_again()
        ids: list[str] = []
        while time.monotonic() < until_s:
            self._hear()
            if len(self.promises.unanswered(ids)) < _MOST_UNANSWERED:
                ids.append(f"k{number}-{len(ids)}")
                self._ids.append(ids[-1])
                self._snapshot(ids[-1])
            if self._is_small and self._random.random() < 0.05:
                self._delete()
            time.sleep(min(self._random.choice([0.0, 0.01, 0.1, 0.3]), max(0.0, until_s - time.monotonic())))

    def _snapshot(self, id_: str) -> None:
        choice, chance = self._random.choice, self._random.random
        arguments: dict[str, Any] = {"id": id_, "count": choice([1, 1, 1, 1, 2, 4])}
        to = choice([None, ["store"], ["upload"], ["store", "upload"], ["store", "upload", "mqtt"]])
        if to is not None:
            arguments["to"] = to
        if to is None or "store" in to:
            arguments["lock"] = chance() < (0.5 if self._is_small else 0.2)
        if to is not None and chance() < 0.2:
            arguments["format"] = "png"
        self.promises.asked(id_, arguments["count"])
        self._listener.publish("edge/v1/porch/cmd/snapshot", arguments)

    def _ask_again(self) -> None:
        """Send again what had no answer: it is answered as it ended, and not carried out twice."""
        for id_ in self.promises.unanswered(self._ids):
            self._listener.publish("edge/v1/porch/cmd/snapshot", {"id": id_, "count": 1, "to": ["store"]})
        self._ids = self.promises.unanswered(self._ids)

    def _delete(self) -> None:
        some = self.promises.locked()[:20]
        if some:
            self.promises.let_go(some)
            arguments = {"action": "delete", "pictures": some, "force": True}
            self._listener.publish("edge/v1/porch/cmd/images", arguments)

    def _hear(self) -> None:
        seen = self._listener.seen
        while self._heard < len(seen):
            message = seen[self._heard]
            self._heard += 1
            if message.topic.endswith(("reply/snapshot", "event/snapshot")):
                self.promises.hear(message.json)

    # ---- ends

    def _kill(self, *, alone: bool) -> None:
        others = [] if alone else [process for process in self._processes() if process.pid != self._agent.pid]
        self._agent.signal(signal.SIGKILL)
        for process in others:
            with suppress(psutil.Error):
                process.kill()
        self.outcome.kills += 1
        self._wait_for_the_end()

    def _wait_for_the_end(self) -> None:
        begun_s = time.monotonic()
        while left := list(self._processes()):
            if time.monotonic() - begun_s > _ENDS_WITHIN_S:
                self.outcome.running += [f"{process.pid} of life {self.outcome.kills}" for process in left]
                self.end_all()
                break
            time.sleep(0.01)
        self.outcome.longest_end_s = max(self.outcome.longest_end_s, time.monotonic() - begun_s)

    def _processes(self) -> Iterator[psutil.Process]:
        for process in psutil.process_iter():
            # A process that has just ended, or somebody else's.
            with suppress(psutil.Error, OSError):
                if process.environ().get(_MARK) == self._mark and process.is_running():
                    yield process


def _left_over(state: Path) -> Iterator[Path]:
    """Yield what nothing needs any more: all of the spool, and files that were never finished."""
    yield from (state / "spool").iterdir()
    yield from (file for file in state.rglob("*") if file.name.endswith((".tmp", ".new")))


def _sleep_until(until_s: float) -> None:
    time.sleep(max(0.0, until_s - time.monotonic()))
