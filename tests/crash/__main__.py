"""`make crash`: kill what takes and uploads pictures at 500 random moments, and count what is left of them.

python -m tests.crash [uploader] [agent] [--kills 500] [--seed 1]

`uploader` is the upload spool by itself, which dies at finer moments in a few minutes. `agent` is the whole
agent with camera and broker; half an hour. Both also on a disk that fills, with a fifth of the kills.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.brokers import mosquitto_executable
from tests.crash.agents import AgentOutcome, crash_agent
from tests.crash.disk import small_disk
from tests.crash.suite import Outcome, crash

_FEWER = 5


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def uploader(directory: Path, kills: int, seed: int) -> bool:
    """The upload spool in a process of its own."""
    say(f"the uploader by itself, {kills} kills")
    (directory / "put").mkdir()
    right = _told("PUT", crash(directory / "put", kills=kills, seed=seed, say=say))
    (directory / "post").mkdir()
    fewer = max(1, kills // _FEWER)
    outcome = crash(directory / "post", kills=fewer, seed=seed, method="POST", say=say)
    right = _told("POST", outcome) and right

    def full() -> bool:
        with small_disk(directory / "disk", kib=2000) as disk:
            where = {"spool": disk.path / "spool", "failing": 0.9}
            outcome = crash(directory, kills=fewer, seed=seed, say=say, **where)  # type: ignore[arg-type] # of paths
        return _told("PUT, a full disk", outcome) and outcome.refused["disk_full"] > 0

    return _where_it_can_be(full) and right


def agent(directory: Path, kills: int, seed: int) -> bool:
    """The whole agent."""
    if mosquitto_executable() is None:
        say("the agent: left out, it takes mosquitto: apt-get install mosquitto")
        return True
    say(f"the whole agent, {kills} kills")
    (directory / "roomy").mkdir()
    right = _told_of_agent("the agent", crash_agent(directory / "roomy", kills=kills, seed=seed, say=say))

    def full() -> bool:
        (directory / "full").mkdir()
        with small_disk(directory / "full" / "disk", kib=4000) as disk:
            outcome = crash_agent(
                directory / "full",
                kills=max(1, kills // _FEWER),
                seed=seed,
                failing=0.9,
                state=disk.path / "state",
                is_small=True,
                make_room=disk.grow,
                say=say,
            )
        return _told_of_agent("the agent, a full disk", outcome) and outcome.refused["disk_full"] > 0

    return _where_it_can_be(full) and right


def _where_it_can_be(full: Callable[[], bool]) -> bool:
    try:
        return full()
    except OSError as error:
        say(f"a full disk: left out, no disk can be mounted here: {error}")
        return True


def _told(name: str, outcome: Outcome) -> bool:
    say(
        f"{name}: {outcome.kills} kills, {outcome.promised} pictures promised, "
        f"{outcome.stored} on the server, "
        f"lost {len(outcome.lost)}, wrong {len(outcome.wrong)}, twice {len(outcome.twice)}, "
        f"left over {len(outcome.left)}, sent again {outcome.again}, "
        f"refused {dict(outcome.refused) or 0}"
    )
    return outcome.is_right


def _told_of_agent(name: str, outcome: AgentOutcome) -> bool:
    broken = outcome.broken
    say(
        f"{name}: {outcome.kills} kills in {outcome.took_s:.0f} s, {outcome.started} after its start; "
        f"{outcome.done} commands done, {outcome.for_upload} pictures promised for upload and "
        f"{outcome.for_store} for the store, {outcome.stored} on the server; "
        f"lost {len(broken.lost)}, gone from the store {len(broken.gone)}, wrong {len(broken.wrong)}, "
        f"twice {len(broken.twice)}, left over {len(outcome.left)}, sent again {outcome.again}, "
        f"refused {dict(outcome.refused) or 0}; processes left running {len(outcome.running)} "
        f"(the last ended after {outcome.longest_end_s:.2f} s)"
    )
    if not outcome.is_right:
        say(f"  not right: {outcome}")
    return outcome.is_right


PARTS: dict[str, Callable[[Path, int, int], bool]] = {"uploader": uploader, "agent": agent}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.crash",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="both by default")
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        right = True
        for name in asked.parts or PARTS:
            (Path(scratch) / name).mkdir()
            right = PARTS[name](Path(scratch) / name, asked.kills, asked.seed) and right
    if not right:
        sys.exit(1)


main()
