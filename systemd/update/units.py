"""The agent's units: which are online, and whether they come online again."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import re
import stat
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from messages import USER, FailedError
from packages import PACKAGE, run

RUN: Final = Path("/run")
UNIT: Final = re.compile(r"edge-agent(?:@(?P<instance>[A-Za-z0-9:_.\\-]{1,200}))?\.service")
MAX_FILE_BYTES: Final = 64 * 1024


def online_pid(directory: Path, uid: int) -> int | None:
    """Return the process that says, in its runtime directory, that it is online at the broker.

    The directory is the agent's own: nothing in it is followed, waited for, or read beyond its bound.
    """
    try:
        inside = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
            with open(os.open("online.json", flags, dir_fd=inside), "rb") as file:  # noqa: PTH123 - by descriptor
                facts = os.fstat(file.fileno())
                if not stat.S_ISREG(facts.st_mode) or facts.st_uid != uid or facts.st_size > MAX_FILE_BYTES:
                    return None
                pid = json.loads(file.read(MAX_FILE_BYTES))["pid"]
        finally:
            os.close(inside)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return pid if isinstance(pid, int) else None


class Units:
    """The agent's units, as systemd has them."""

    def __init__(self) -> None:
        self._uid = pwd.getpwnam(USER).pw_uid

    def online(self, *, since_us: int = 0) -> dict[str, int]:
        """Return those that are online, and their processes; only such as were started since then."""
        listed = run(
            ["systemctl", "list-units", "--type=service", "--plain", "--no-legend", "--full",
             "edge-agent.service", "edge-agent@*.service"]
        )  # fmt: skip
        found = {}
        for line in listed.splitlines():
            name = line.split(maxsplit=1)[0] if line.strip() else ""
            match = UNIT.fullmatch(name)
            if match is None:
                continue
            facts = self._facts(name)
            directory = RUN / "-".join(filter(None, (PACKAGE, match["instance"])))
            pid = int(facts.get("MainPID") or 0)
            began_us = int(facts.get("ExecMainStartTimestampMonotonic") or 0)
            online = facts.get("ActiveState") == "active" and pid and online_pid(directory, self._uid) == pid
            if online and began_us >= since_us:
                found[name] = pid
        return found

    def restart_older(self, names: Sequence[str], since_us: int) -> None:
        """Restart those whose process is of before; the package has mostly done so already."""
        for name in names:
            began_us = int(self._facts(name).get("ExecMainStartTimestampMonotonic") or 0)
            if began_us < since_us:
                with contextlib.suppress(FailedError):
                    run(["systemctl", "--no-block", "restart", name])

    def come_online(self, names: Sequence[str], *, since_us: int, limit_s: float, settle_s: float) -> bool:
        """Whether all of them come online within the time, and stay so for a moment."""
        deadline, steady_since, steady = time.monotonic() + limit_s, 0.0, None
        while True:
            try:
                found = self.online(since_us=since_us)
            except FailedError:
                found = {}  # systemd may be about to be replaced itself
            now = time.monotonic()
            present = {name: found.get(name) for name in names}
            if None in present.values():
                steady = None
            elif present != steady:
                steady, steady_since = present, now
            elif now - steady_since >= settle_s:
                return True
            if now > deadline + (settle_s if steady else 0):
                return False
            time.sleep(0.5)

    @staticmethod
    def _facts(name: str) -> dict[str, str]:
        wanted = "--property=ActiveState,MainPID,ExecMainStartTimestampMonotonic"
        shown = run(["systemctl", "show", wanted, name])
        return dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
