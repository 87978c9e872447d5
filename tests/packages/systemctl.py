#!/usr/bin/python3
"""systemctl for a root without systemd: runs edge-agent.service by as_service.py, and nothing else.

Also installed as deb-systemd-invoke. It starts nothing anew by itself: what ends has failed.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

UNIT = "edge-agent.service"
FILE = Path("/usr/lib/systemd/system") / UNIT
STATE = Path("/run/systemd/state.json")


def children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (OSError, ValueError):
        return []


def present() -> tuple[int, int, int]:
    """Return the service's manager, its main process and when it was started; zeros without one."""
    if not STATE.exists():
        return 0, 0, 0
    manager, began_us = json.loads(STATE.read_bytes())
    return manager, next(iter(children(manager)), 0), began_us


def stop() -> None:
    manager, main, _ = present()
    if main:
        os.kill(main, signal.SIGTERM)
    deadline = time.monotonic() + 30
    while manager and Path(f"/proc/{manager}").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    STATE.unlink(missing_ok=True)


def start() -> None:
    if present()[1]:
        return
    with Path("/var/log/edge-agent.log").open("ab") as log:
        service = subprocess.Popen(
            ["/usr/bin/python3", "/source/tests/packages/as_service.py", str(FILE)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    STATE.write_text(json.dumps([service.pid, time.monotonic_ns() // 1000]))


def main() -> None:
    words = [word for word in sys.argv[1:] if not word.startswith("-")]
    verb, units = words[0], words[1:]
    if verb == "list-units":
        if present()[1]:
            sys.stdout.write(f"{UNIT} loaded active running Camera agent on MQTT\n")
    elif verb == "show":
        _, pid, began_us = present()
        sys.stdout.write(f"ActiveState={'active' if pid else 'failed'}\n")
        sys.stdout.write(f"MainPID={pid}\nExecMainStartTimestampMonotonic={began_us}\n")
    elif UNIT in units and verb in ("stop", "restart", "try-restart"):
        was_there = bool(present()[1])
        stop()
        if verb == "restart" or (verb == "try-restart" and was_there):
            start()
    elif UNIT in units and verb == "start":
        start()
    elif verb in ("enable", "disable"):
        os.environ["SYSTEMD_OFFLINE"] = "1"
        arguments = [word for word in sys.argv[1:] if word != "--now"]
        os.execv("/usr/bin/systemctl.real", ["systemctl", *arguments])


if __name__ == "__main__":
    main()
