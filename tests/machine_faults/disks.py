"""What befalls the disk that holds the agent's state: full, read-only from the start, gone bad under it."""

from __future__ import annotations

import contextlib
import errno
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.machine_faults.house import House, Outcome, house
from tests.machine_faults.machine import Machine
from tests.rtsp_servers import wait_until

__all__ = ["full", "gone_bad", "read_only"]

_NOT_SAVED = frozenset({"settings_not_saved", "journal_not_written"})


@contextlib.contextmanager
def _house(directory: Path, machine: Machine) -> Iterator[House]:
    machine.disk(directory / "state", mib=16)
    with house(directory, through=machine.through) as at:
        at.agent.command("image", {"contrast": 1.25})
        wait_until(lambda: _saved(machine.path(directory / "state")) == 1.25, what="the settings on disk")
        yield at


def _saved(state: Path) -> Any:
    try:
        return json.loads((state / "settings.json").read_bytes())["settings"]["image.contrast"]
    except (OSError, ValueError, KeyError):
        return None


def _works_without_a_disk(at: House) -> None:
    """Commands are done, what cannot be kept says so at once, and the problem says what to do."""
    reply = at.agent.command("image", {"contrast": 1.5})
    assert (reply["state"], reply["applied"]["contrast"]) == ("done", 1.5)
    for _ in range(40):  # until the journal's last block on the disk is full
        assert at.agent.command("framerate", {"fps": 20})["state"] == "done"
    for code in sorted(_NOT_SAVED):
        told = at.problem(code)
        assert "writable" in told["advice"]
    for name, arguments in (
        ("profile", {"action": "save", "name": "mine"}),
        ("schedule", {"action": "set", "name": "often", "cron": "0 7 * * *", "profile": "day"}),
    ):
        refused = at.agent.command(name, arguments)
        assert refused["state"] == "failed", refused
        assert refused["error"]["code"] in {"disk_full", "storage_failed"}, refused
    assert at.agent.command("snapshot", {"to": ["mqtt"]})["state"] == "done"


def _is_saved_again(at: House, state: Path, *, since: int) -> None:
    """By itself: nothing more is asked of the agent, and then it is killed."""
    wait_until(lambda: _saved(state) == 1.5, timeout_s=60, what="what was set meanwhile on disk")
    at.note("settings on disk")
    at.problem("settings_not_saved", there=False, since=since, timeout_s=30)


def _outlives_a_kill(at: House) -> None:
    at.agent.signal(signal.SIGKILL)
    since = at.listener.mark()
    at.agent.start()
    status = at.back(since=since)
    assert status["camera"]["settings"]["image"]["contrast"] == 1.5


def full(directory: Path, lasting_s: float) -> Outcome:
    """No byte is free; then there is space again."""
    with Machine(directory) as machine, _house(directory, machine) as at:
        state = machine.path(directory / "state")
        at.begin()
        _fill(state / "filler")
        _works_without_a_disk(at)
        at.last(lasting_s)
        since = at.end()
        (state / "filler").unlink()
        _is_saved_again(at, state, since=since)
        at.well(since=since)
        outcome = at.outcome("disk full")
        _outlives_a_kill(at)
    return outcome


def read_only(directory: Path, lasting_s: float) -> Outcome:
    """The agent is started on a disk that is mounted read-only; later it can be written."""
    with Machine(directory) as machine, _house(directory, machine) as at:
        at.agent.stop()
        machine.run("mount", "-o", "remount,ro", str(directory / "state"))
        at.begin()
        since = at.listener.mark()
        at.agent.start()
        at.agent.online(since=since)
        status = at.agent.running(since=since)
        assert status["camera"]["settings"]["image"]["contrast"] == 1.25
        at.note("online")
        _works_without_a_disk(at)
        at.last(lasting_s)
        since = at.end()
        machine.run("mount", "-o", "remount,rw", str(directory / "state"))
        _is_saved_again(at, machine.path(directory / "state"), since=since)
        at.well(since=since)
        outcome = at.outcome("state directory read-only")
        _outlives_a_kill(at)
    return outcome


def gone_bad(directory: Path, lasting_s: float) -> Outcome:
    """The file system finds itself damaged and lets nobody write any more, as with a worn-out SD card.

    It is mended as its owner would: the agent stopped, the file system checked and mounted again.
    """
    with Machine(directory) as machine, _house(directory, machine) as at:
        at.begin()
        machine.break_disk(directory / "state")
        _works_without_a_disk(at)
        at.last(lasting_s)
        at.agent.stop()
        machine.mend_disk(directory / "state")
        since = at.end()
        at.agent.start()
        status = at.back(since=since)
        # What could not be written is lost with the process, as the problem said.
        outcome = at.outcome(
            "file system gone bad", f"contrast {status['camera']['settings']['image']['contrast']}"
        )
        assert status["camera"]["settings"]["image"]["contrast"] == 1.25
    return outcome


def _fill(path: Path) -> None:
    block = bytes(65536)
    with path.open("wb", buffering=0) as file:
        while block:
            try:
                if file.write(block) < len(block):
                    block = block[: len(block) // 2]
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                block = block[: len(block) // 2]
