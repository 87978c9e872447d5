"""Every file of the state directory cut at every length: an agent starts, and says what is damaged."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from pathlib import Path

from edge_agent.clock import SystemClock
from edge_agent.contract.journal import Journal
from tests.lived import KEPT, live, started
from tests.machine_faults.house import Outcome

__all__ = ["cut_at_every_length"]

# Of what is derived and large only some: the index of the pictures, and what Home Assistant was told.
_STEPS = {"pictures.sqlite3": 61, "home_assistant.json": 97}
# Whose damage is told: the others hold what is read from elsewhere anew.
_TOLD = frozenset(
    {
        "settings.json",
        "stream.json",
        "profile.json",
        "day_night.json",
        "desired.json",
        "schedules.json",
        "schedules.d/saved.json",
    }
)


class _Errors(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append(record.getMessage())


def cut_at_every_length(directory: Path, _lasting_s: float) -> Outcome:
    """Start an agent, without its children, from each."""
    begun_s = time.monotonic()
    live(directory)
    errors = _Errors()
    logging.getLogger("edge_agent").addHandler(errors)
    try:
        counts = asyncio.run(_cut_all(directory))
        entries = _cut_journal(directory)
    finally:
        logging.getLogger("edge_agent").removeHandler(errors)
    assert not errors.seen, errors.seen[:3]
    told = ", ".join(f"{name} {count}" for name, count in counts.items())
    return Outcome(
        "state files cut at each length",
        time.monotonic() - begun_s,
        note=f"{sum(counts.values())} starts, none failed: {told}; each whole line of the journal, "
        f"{entries} at the most, was kept at each length",
    )


async def _cut_all(directory: Path) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name, readers in KEPT.items():
        content = (directory / "kept" / name).read_bytes()
        lengths = range(0, len(content), _STEPS.get(name, 1))
        for length in lengths:
            (directory / "state" / name).write_bytes(content[:length])
            states, status = await started(directory, only=readers)
            assert all(told["state"] == "running" for told in states.values()), (name, length, states)
            codes = {problem["code"] for problem in status["problems"]}
            if name in _TOLD:
                assert codes & {"state_damaged", "schedules_invalid"}, (name, length, codes)
        (directory / "state" / name).write_bytes(content)
        counts[name] = len(lengths)
    return counts


def _cut_journal(directory: Path) -> int:
    """At each length the commands of all whole lines are known."""
    path, content = directory / "cut.jsonl", (directory / "kept" / "journal.jsonl").read_bytes()
    most = 0
    for length in range(len(content) + 1):
        path.write_bytes(content[:length])
        whole = {json.loads(line)["key"] for line in content[:length].split(b"\n")[:-1] if line}
        journal = Journal(path=path, clock=SystemClock(), window_s=3600, max_entries=1000)
        journal.open()
        assert all(journal.find(key) is not None for key in whole), length
        journal.close()
        most = max(most, len(whole))
    return most
