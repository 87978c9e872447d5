"""`make machine-faults`: every fault of the machine, slowly, and a table of what was seen.

python -m tests.machine_faults [NAME ...]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import traceback
from pathlib import Path

from tests.machine_faults.catalogue import FAULTS
from tests.machine_faults.house import Outcome, table


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> int:
    """Exit code 0 where the agent stood all of it, 1 where not, 2 where nothing could be done."""
    parser = argparse.ArgumentParser(prog="python -m tests.machine_faults", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"all by default: {', '.join(each.name for each in FAULTS)}")
    wanted = set(parser.parse_args().names)
    if unknown := wanted - {fault.name for fault in FAULTS}:
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    outcomes: list[Outcome] = []
    failed: list[str] = []
    left_out: list[str] = []
    for fault in FAULTS:
        if wanted and fault.name not in wanted:
            continue
        if (why := fault.impossible()) is not None:
            left_out.append(f"{fault.name}: {why}")
            continue
        say(f"{fault.name} ...")
        with tempfile.TemporaryDirectory() as directory:
            try:
                found = fault.slow(Path(directory))
            except (AssertionError, OSError, RuntimeError) as error:
                failed.append(fault.name)
                say("".join(traceback.format_exception(error)))
                continue
        outcomes += found
    say(table(outcomes))
    for line in left_out:
        say(f"left out: {line}")
    say(f"not stood: {', '.join(failed)}" if failed else "all stood")
    return 1 if failed else 0 if outcomes else 2


if __name__ == "__main__":
    sys.exit(main())
