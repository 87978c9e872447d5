"""`make faults`: the slow part of the fault suite, against the suite's own receiver and a real MediaMTX.

MEDIAMTX_EXECUTABLE names MediaMTX's executable; without it that half is left out, and said to be.
"""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import AbstractContextManager
from pathlib import Path

from tests.brokers import mosquitto_executable
from tests.faults.rig import EXPECTED, Outcome, rig, table
from tests.faults.servers import MediaMtx, Own, mediamtx_executable

_LASTING_S = {"killed": 10.0, "stopped": 60.0, "never answers": 20.0, "reads no more": 30.0, "cut off": 0.0}
_OTHERS_S = 10.0
_WANTED_S = 2.0
# A request that is lost and whose connection stays takes as long as its answer may.
_AT_MOST_S = {"never answers": 3.5}


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def suffer_all(server: AbstractContextManager[Own] | AbstractContextManager[MediaMtx]) -> list[Outcome]:
    """Do every fault to a server, one after the other."""
    outcomes = []
    with (
        tempfile.TemporaryDirectory() as directory,
        server as started,
        rig(Path(directory), started) as running,
    ):
        for fault in [fault for fault in EXPECTED if fault in started.broken_by()]:
            lasting_s = _LASTING_S.get(fault, _OTHERS_S)
            outcomes.append(running.suffer(fault, lasting_s=lasting_s, restart=fault == "401"))
            say(f"  {fault}: frames again after {outcomes[-1].back_s:.2f} s")
    return outcomes


def main() -> int:
    """Exit code 0 where all came back as wanted, 1 where one took longer, 2 where something is missing."""
    if mosquitto_executable() is None:
        say("the fault suite needs mosquitto: apt-get install mosquitto")
        return 2
    say("the suite's own receiver")
    outcomes = suffer_all(Own())
    say(table(outcomes))
    executable = mediamtx_executable(os.environ.get("MEDIAMTX_EXECUTABLE"))
    if executable is None:
        say("MediaMTX is left out: MEDIAMTX_EXECUTABLE names no executable")
    else:
        say("MediaMTX")
        with tempfile.TemporaryDirectory() as directory:
            real = suffer_all(MediaMtx(executable, Path(directory)))
        say(table(real))
        outcomes += real
    slow = [
        outcome.fault for outcome in outcomes if outcome.back_s > _AT_MOST_S.get(outcome.fault, _WANTED_S)
    ]
    say("back in time: " + (f"not after {', '.join(slow)}" if slow else "all"))
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
