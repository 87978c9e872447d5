"""What an agent costs with its own intervals: wake-ups, CPU, memory, and how it wears the disk.

The disk's figure is the kernel's own count of what reached a disk that has the state directory alone, its
journal and tables included; where no such disk can be made there is only what the processes wrote.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.agent_process import AgentProcess
from tests.bench.processes import children_of, cpu_s, pss_bytes, wake_ups, written_bytes
from tests.bench.video import FORMATS, clip_of
from tests.brokers import Mosquitto
from tests.listener import Listener
from tests.machine_faults.machine import Machine, why_no_machine
from tests.receiver import Receiver

__all__ = ["footprint"]

_KIB, _MIB = 1024, 1024 * 1024
_WANTED_KIB_A_MINUTE = 100
# Until what the start wrote has reached the disk, and all is as it stays.
_SETTLE_S = 40.0
_SYNC = "sync -f"


@dataclass(frozen=True)
class _Counts:
    """All counters at one moment."""

    at_s: float
    wake_ups: dict[str, int]
    cpu_s: dict[str, float]
    written: dict[str, int]
    disk: int | None


def footprint(directory: Path, seconds: float, say: Callable[[str], None]) -> None:
    """Measure an agent that is idle, then one that streams 1080p30."""
    ffmpeg = shutil.which("ffmpeg")
    camera: dict[str, Any] = {"driver": "simulated", "options": {"lux": 500}}
    (directory / "idle").mkdir()
    _measure(
        directory / "idle", "idle (stream stopped, simulated camera at 320x240, 20 fps)", seconds, say, camera
    )
    if ffmpeg is None:
        say("footprint, streaming: left out, there is no ffmpeg (apt-get install ffmpeg)")
        return
    own = directory / "streaming"
    own.mkdir()
    wanted = next(each for each in FORMATS if each.name == "1080p30")
    camera = {"driver": "file", "path": str(clip_of(own, wanted, ffmpeg)), "options": {}}
    with Receiver() as receiver:
        stream = {"enabled": True, "url": receiver.url, "width": None, "height": None, "fps": None}
        what = f"streaming ({wanted.name} at {wanted.megabits} Mbit/s from a file)"
        _measure(own, what, seconds, say, camera, stream=stream)


def _measure(
    directory: Path,
    what: str,
    seconds: float,
    say: Callable[[str], None],
    camera: dict[str, Any],
    **more: Any,
) -> None:
    with (
        _own_disk(directory / "state") as (through, disk),
        Mosquitto(directory) as broker,
        Listener(broker.port, "#") as listener,
        AgentProcess(
            directory,
            port=broker.port,
            listener=listener,
            through=through,
            camera=camera,
            status={"interval_s": 10},
            heartbeat={"interval_s": 30},
            **more,
        ) as agent,
    ):
        agent.running()
        if more:
            agent.status(lambda status: status["stream"]["state"] == "publishing", since=0)
        time.sleep(_SETTLE_S)
        pids = {"agent": agent.pid, **children_of(agent.pid)}
        before = _counts(pids, disk)
        time.sleep(seconds)
        after = _counts(pids, disk)
        memory = {role: pss_bytes(pid) for role, pid in pids.items()}
    took_s = after.at_s - before.at_s
    say(f"footprint, {what}, over {took_s:.0f} s")
    for role in pids:
        say(
            f"  {role}: {(after.wake_ups[role] - before.wake_ups[role]) / took_s:.1f} wake-ups a second, "
            f"{(after.cpu_s[role] - before.cpu_s[role]) / took_s * 100:.2f} % of a core, "
            f"{memory[role] / _MIB:.1f} MiB (PSS), "
            f"{(after.written[role] - before.written[role]) / _KIB / took_s * 60:.1f} KiB written a minute"
        )
    say(f"  all: {sum(memory.values()) / _MIB:.1f} MiB (PSS)")
    if before.disk is not None and after.disk is not None:
        written = (after.disk - before.disk) / _KIB / took_s * 60
        say(
            f"  to the state directory's own disk: {written:.1f} KiB a minute"
            f"  (wanted: at most {_WANTED_KIB_A_MINUTE})"
        )


def _counts(pids: dict[str, int], disk: Callable[[], int] | None) -> _Counts:
    return _Counts(
        at_s=time.monotonic(),
        wake_ups={role: wake_ups(pid) for role, pid in pids.items()},
        cpu_s={role: cpu_s(pid) for role, pid in pids.items()},
        written={role: written_bytes(pid) for role, pid in pids.items()},
        disk=None if disk is None else disk(),
    )


@contextlib.contextmanager
def _own_disk(state: Path) -> Iterator[tuple[list[str], Callable[[], int] | None]]:
    """Make a disk for the state directory alone; yields how to run a command there, and its counter."""
    if why_no_machine() is not None:
        yield [], None
        return
    with Machine(state.parent) as machine:
        machine.disk(state, mib=64)

        def written() -> int:
            machine.run(*_SYNC.split(), str(state))
            return machine.sectors_written(state) * 512

        yield machine.through, written
