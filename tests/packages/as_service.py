"""as_service.py UNIT [INSTANCE]: run a unit's program as systemd would, where there is no systemd running.

Its user, state and runtime directories, environment, credentials and notify socket are those of the unit, and
so are, of its sandbox, the ban on new privileges and on memory that is written and executed. What it notifies
is printed; SIGTERM is passed on. It runs on the Python of the root that is tested, and needs nothing else.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

CREDSTORE = Path("/etc/credstore")
PR_SET_NO_NEW_PRIVS = 38
PR_SET_MDWE = 65  # since Linux 6.3


def settings(unit: Path, instance: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in unit.read_text().splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith(("#", ";")):
            found.setdefault(name, []).append(value.replace("%i", instance).replace("%S", "/var/lib"))
    return found


def main() -> int:
    instance = sys.argv[2] if len(sys.argv) > 2 else ""
    unit = settings(Path(sys.argv[1]), instance)
    user = pwd.getpwnam(unit["User"][0])
    environ = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": user.pw_dir, "LANG": "C.UTF-8"}
    for assignment in unit["Environment"]:
        name, _, value = assignment.partition("=")
        environ[name] = value
    for setting, top in (("StateDirectory", "/var/lib"), ("RuntimeDirectory", "/run")):
        directory = Path(top, unit[setting][0])
        directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        os.chown(directory, user.pw_uid, user.pw_gid)
        environ[setting.removesuffix("Directory").upper() + "_DIRECTORY"] = str(directory)
    place = Path(tempfile.mkdtemp())
    credentials = place / "credentials"
    credentials.mkdir()
    for credential in unit["LoadCredential"]:
        name, _, source = credential.partition(":")
        if (CREDSTORE / source).exists():
            (credentials / name).write_bytes((CREDSTORE / source).read_bytes())
    environ["CREDENTIALS_DIRECTORY"] = str(credentials)
    environ["WATCHDOG_USEC"] = str(int(unit["WatchdogSec"][0]) * 1_000_000)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(str(place / "notify"))
    environ["NOTIFY_SOCKET"] = str(place / "notify")
    for path in (place, *place.rglob("*")):
        os.chown(path, user.pw_uid, user.pw_gid)
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    banned = unit["MemoryDenyWriteExecute"] == ["yes"] and libc.prctl(PR_SET_MDWE, 1, 0, 0, 0) == 0
    sys.stdout.write(f"memory that is written and executed is {'banned' if banned else 'allowed here'}\n")
    process = subprocess.Popen(
        shlex.split(unit["ExecStart"][0]),
        env=environ,
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=os.getgrouplist(user.pw_name, user.pw_gid),
        umask=int(unit["UMask"][0], 8),
        cwd=unit["WorkingDirectory"][0],
    )
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    listener.settimeout(0.2)
    while process.poll() is None:
        try:
            sys.stdout.write(listener.recv(4096).decode() + "\n")
            sys.stdout.flush()
        except TimeoutError:
            continue
    shutil.rmtree(place)
    shutil.rmtree(environ["RUNTIME_DIRECTORY"])
    return process.returncode


if __name__ == "__main__":
    sys.exit(main())
