"""Install a newer agent as root, and take it back where it does not come online.

systemd starts it, as edge-agent-update@.service, for each connection to /run/edge-agent-update.sock, with the
connection as its standard input; and with `--resume` at a start of the machine that was switched off in
between. The agent has no other way to root, and nothing that it says gets near a shell: it names a version,
or asks for the archives' lists to be read anew.

    request    {"action": "install", "id": "6f3a", "version": "1.2.3"} or {"action": "refresh"}, one line
    answers    {"state": "accepted"}, {"state": "running", "step": "install", "progress": 0.4} and in the end
               one of refused, done, failed, rolled_back with a `message`; of an install also in result.json

It takes Python's own library alone, all of it loaded before a package is replaced.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Final

from messages import STATE, FailedError, RefusedError, Report, Update, read_request, write_whole
from packages import APT, APT_S, PACKAGE, installed, is_newer, run, saved
from units import Units

REFRESH_EVERY_S: Final = 600.0


def refresh(report: Report) -> None:
    """Read the archives' lists anew, unless that was done a moment ago."""
    stamp = STATE / "refreshed"
    age_s = time.time() - stamp.stat().st_mtime if stamp.exists() else REFRESH_EVERY_S
    report.tell("accepted")
    if not 0 <= age_s < REFRESH_EVERY_S:
        run([*APT, "update"], timeout_s=APT_S)
        stamp.touch()
    report.tell("done", message="the lists are new")


def install(request: Mapping[str, str], report: Report, units: Units) -> None:
    """Install a version, and go back where it does not come online."""
    version, previous = request["version"], installed()
    if previous is None:
        raise RefusedError(f"the package {PACKAGE} is not whole: 'sudo dpkg --configure -a'")
    if not is_newer(version, previous):
        raise RefusedError(f"{version} is not newer than {previous}, which is installed")
    online = units.online()
    if not online:
        raise RefusedError("no unit of the agent's is online: nothing would tell whether the new one works")
    report.tell("accepted")
    report.update = update = Update(request["id"], version, previous, sorted(online))
    report.step("save", 0.05)
    way_back = saved(previous)
    report.step("download", 0.2)
    wanted = f"{PACKAGE}={version}"
    run([*APT, "--only-upgrade", "--download-only", "install", wanted], timeout_s=APT_S)
    write_whole(STATE / "pending.json", asdict(update))
    since_us = time.monotonic_ns() // 1000
    report.step("install", 0.4)
    try:
        run([*APT, "--only-upgrade", "install", wanted], timeout_s=APT_S)
    except FailedError as error:
        roll_back(update, way_back, report, units, f"it could not be installed: {error}")
        return
    units.restart_older(update.units, since_us)
    settle(update, way_back, report, units, since_us=since_us, limit_s=seconds("ONLINE_S", 120))


def settle(
    update: Update, way_back: Path, report: Report, units: Units, *, since_us: int, limit_s: float
) -> None:
    """Wait for the new version to come online, and say so or go back."""
    report.step("online", 0.7)
    settle_s = seconds("SETTLE_S", 10)
    if not units.come_online(update.units, since_us=since_us, limit_s=limit_s, settle_s=settle_s):
        why = f"{', '.join(update.units)} did not come online, and stay so, within {limit_s:.0f} s"
        roll_back(update, way_back, report, units, why)
        return
    report.tell("done", message=f"{update.version} is installed and online")
    forget_pending()
    with contextlib.suppress(RefusedError):
        saved(update.version)  # the way back of the next one


def roll_back(update: Update, way_back: Path, report: Report, units: Units, why: str) -> None:
    """Install the version of before from its copy."""
    report.step("roll_back", 0.8)
    since_us = time.monotonic_ns() // 1000
    try:
        run([*APT, "--allow-downgrades", "install", str(way_back)], timeout_s=APT_S)
    except FailedError:
        # What apt-get does not take, for what is broken elsewhere, dpkg may.
        with contextlib.suppress(FailedError):
            run(["dpkg", "--force-confold", "--install", str(way_back)], timeout_s=APT_S)
    if installed() != update.previous:
        report.tell("failed", message=f"{why}, and {update.previous} could not be installed again")
        return
    units.restart_older(update.units, since_us)
    online = units.come_online(
        update.units, since_us=since_us, limit_s=seconds("ONLINE_S", 120), settle_s=seconds("SETTLE_S", 10)
    )
    back = "is back" if online else "is installed again, but is not online either"
    report.tell("rolled_back", message=f"{why}; {update.previous} {back}")
    forget_pending()


def resume() -> None:
    """Bring to its end what the machine was switched off in."""
    try:
        update = Update(**json.loads((STATE / "pending.json").read_bytes()))
    except FileNotFoundError:
        return
    report = Report(None, update)
    way_back = saved(update.previous)
    with contextlib.suppress(FailedError):
        run(["dpkg", "--force-confold", "--configure", "--pending"], timeout_s=APT_S)
    present = installed()
    if present == update.previous:
        report.tell("failed", message=f"the machine was switched off; {present} is still installed")
        forget_pending()
    elif present == update.version:
        # After a power cut the broker may be slower than the agent.
        limit_s = seconds("RESUMED_ONLINE_S", 600)
        settle(update, way_back, report, Units(), since_us=0, limit_s=limit_s)
    else:
        roll_back(update, way_back, report, Units(), "the machine was switched off while it was installed")


def forget_pending() -> None:
    """There is nothing to bring to its end any more."""
    (STATE / "pending.json").unlink(missing_ok=True)


def seconds(name: str, default: float) -> float:
    """Return a time that the unit's environment says."""
    return float(os.environ.get(name, default))


def main(connection: socket.socket | None) -> int:
    """Do what the connection asks for; without one, go on with what was cut short."""
    STATE.mkdir(mode=0o755, exist_ok=True)
    report = Report(connection)
    try:
        request = {} if connection is None else read_request(connection)
        with (STATE / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise RefusedError("another one is under way") from error
            if connection is None:
                resume()
            elif request["action"] == "refresh":
                refresh(report)
            else:
                install(request, report, Units())
    except RefusedError as error:
        report.tell("refused", message=str(error))
        return 0
    except FailedError as error:
        report.tell("failed", message=str(error))
    except OSError as error:
        report.tell("failed", message=f"the helper failed: {error}")
    else:
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main(None if sys.argv[1:] == ["--resume"] else socket.socket(fileno=os.dup(0))))
