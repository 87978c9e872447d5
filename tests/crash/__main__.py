"""`make crash`: 500 kills while adding and uploading, some with a disk that fills; some minutes.

python -m tests.crash [--kills 500] [--seed 1]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.crash.suite import Outcome, crash, small_disk


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def told(name: str, outcome: Outcome) -> bool:
    say(
        f"{name}: {outcome.kills} kills, {outcome.promised} pictures promised, "
        f"{outcome.stored} on the server, "
        f"lost {len(outcome.lost)}, wrong {len(outcome.wrong)}, twice {len(outcome.twice)}, "
        f"left over {len(outcome.left)}, sent again {outcome.again}, "
        f"refused {dict(outcome.refused) or 0}"
    )
    return outcome.is_right


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        right = []
        for name in ("put", "post", "full"):
            (Path(scratch) / name).mkdir()
        outcome = crash(Path(scratch, "put"), kills=asked.kills, seed=asked.seed, say=say)
        right.append(told("PUT", outcome))
        fewer = max(1, asked.kills // 5)
        outcome = crash(Path(scratch, "post"), kills=fewer, seed=asked.seed, method="POST", say=say)
        right.append(told("POST", outcome))
        try:
            with small_disk(Path(scratch, "full", "disk"), kib=2000) as disk:
                outcome = crash(
                    Path(scratch, "full"),
                    kills=fewer,
                    seed=asked.seed,
                    spool=disk / "spool",
                    failing=0.9,
                    say=say,
                )
            right.append(told("PUT, a full disk", outcome) and outcome.refused["disk_full"] > 0)
        except OSError as error:
            say(f"a full disk: left out, no disk can be mounted here: {error}")
    if not all(right):
        sys.exit(1)


main()
