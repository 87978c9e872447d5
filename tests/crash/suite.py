"""Many lives of one uploader, each ended by SIGKILL, against a server that fails at random."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Literal

from tests.crash.plan import Plan
from tests.crash.uploader import Uploaders
from tests.snapshots.pictures import content_of, picture_of
from tests.upload_server import UploadServer

__all__ = ["Outcome", "crash"]

_SIZES = [1000, 20_000, 300_000]
_DRAIN_S = 120.0


@dataclass
class Outcome:
    """What came of it. `again`: how often the server got what it had, and knew it by its key."""

    kills: int = 0
    promised: int = 0
    stored: int = 0
    again: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    lost: list[int] = field(default_factory=list)
    wrong: list[int] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    @property
    def is_right(self) -> bool:
        """Whether every promise was kept, once."""
        return not (self.lost or self.wrong or self.twice or self.left)


def crash(
    directory: Path,
    *,
    kills: int,
    seed: int = 1,
    method: Literal["PUT", "POST"] = "PUT",
    spool: Path | None = None,
    failing: float = 0.4,
    at_least: int = 0,
    say: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """Kill an uploader at `kills` random moments; then let it finish and compare. Raises nothing.

    On a slow machine it is killed more often, up to ten times so, until `at_least` so much was promised.
    """
    random, outcome = Random(seed), Outcome()
    log, spool = directory / "promises", spool or directory / "spool"
    log.touch()
    plan = Plan(seed=seed, failing=failing)
    with UploadServer(fault=plan.next) as server, Uploaders() as uploaders:
        url = f"{server.url}/{{file_name}}" if method == "PUT" else f"{server.url}/in"
        config: dict[str, Any] = {
            "url": url,
            "method": method,
            "retry_base_s": 0.01,
            "retry_cap_s": 0.1,
            "concurrency": 3,
            "min_free_mb": 0,
        }
        life: dict[str, Any] = {
            "directory": str(spool),
            "log": str(log),
            "sizes": _SIZES,
            "config": config,
        }
        for number in range(10 * kills):
            if number >= kills and len(log.read_bytes().splitlines()) >= at_least:
                break
            pid = uploaders.start(first=number * 100_000, drain=False, **life)
            time.sleep(random.choice([random.uniform(0, 0.05), random.uniform(0.05, 0.4)]))
            os.kill(pid, signal.SIGKILL)
            if uploaders.ended() == -signal.SIGKILL:
                outcome.kills += 1
            if number % 50 == 49:
                say(f"  {number + 1} kills, {len(server.stored)} pictures on the server")
        plan.is_over = True
        pid = uploaders.start(first=10 * kills * 100_000, drain=True, **life)
        _kill_after(pid, _DRAIN_S, uploaders)
        _compare(outcome, log, server, method)
    outcome.left = sorted(file.name for file in spool.iterdir())
    return outcome


def _kill_after(pid: int, seconds: float, uploaders: Uploaders) -> None:
    """Wait for the last life to end by itself; one that hangs is ended."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            break
        time.sleep(0.02)
    else:
        os.kill(pid, signal.SIGKILL)
    uploaders.ended()


def _compare(outcome: Outcome, log: Path, server: UploadServer, method: str) -> None:
    for line in log.read_text().splitlines():
        number, _, size = line.partition(" ")
        if not size:
            outcome.refused[number] += 1
            continue
        outcome.promised += 1
        content = content_of(int(number), int(size))
        picture = picture_of(int(number), content)
        name = f"/{picture.file_name}" if method == "PUT" else f"{picture.id}-{picture.sha256[:16]}"
        if name not in server.stored:
            outcome.lost.append(int(number))
        elif server.stored[name] != content:
            outcome.wrong.append(int(number))
    outcome.stored = len(server.stored)
    outcome.again = sum(server.again.values())
    outcome.twice = [name for name, count in server.stores.items() if count != 1]
