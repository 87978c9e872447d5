"""Try, from inside a running service's sandbox, what it must refuse and what it must leave.

A drop-in runs it as ExecStartPre=, in all that the unit puts around the agent; each line says what was tried
and how it ended, and it fails where that is not as it should be. Made for it are /tmp/probe, and /dev/probe,
a device that anybody may open by its mode and that the unit does not list. It needs nothing but Python.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
ADDR_NO_RANDOMIZE = 0x0040000
AF_VSOCK = 40
libc = ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments: Any) -> None:
    if getattr(libc, name)(*arguments) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def write(path: str) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))


def set_user_id(path: Path) -> None:
    path.touch()
    path.chmod(0o4755)


def read(path: str) -> None:
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - unbuffered, of a device
        file.read(16)


def families() -> None:
    for family in (socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK, socket.AF_UNIX):
        socket.socket(family, socket.SOCK_DGRAM).close()


def refused() -> dict[str, Callable[[], object]]:
    """What the unit takes away; each has to fail."""
    state = Path(os.environ["STATE_DIRECTORY"])
    return {
        "become root": lambda: os.setuid(0),
        "write to /usr": lambda: write("/usr/probe"),
        "write to /etc": lambda: write("/etc/edge-agent/probe"),
        "write to /var": lambda: write("/var/tmp/../probe"),
        "write to a sysctl": lambda: write("/proc/sys/kernel/hostname"),
        "write to cgroups": lambda: write("/sys/fs/cgroup/cgroup.procs"),
        "look into homes": lambda: list(Path("/home").iterdir()),
        "see another's process": lambda: Path("/proc/1").stat(),
        "see what was in /tmp": lambda: Path("/tmp/probe").stat(),
        "read the stored secrets": lambda: list(Path("/etc/credstore").iterdir()),
        "read the kernel's log": lambda: call("klogctl", 3, ctypes.create_string_buffer(16), 16),
        "write and execute memory": lambda: mmap.mmap(
            -1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
        ),
        "make a user namespace": lambda: call("unshare", CLONE_NEWUSER),
        "make a network namespace": lambda: call("unshare", CLONE_NEWNET),
        "mount": lambda: call("mount", b"none", b"/tmp", b"tmpfs", 0, None),
        "trace a process": lambda: call("ptrace", 16, os.getppid(), 0, 0),
        "set the clock": lambda: time.clock_settime(time.CLOCK_REALTIME, time.time()),
        "set the host's name": lambda: call("sethostname", b"probe", 5),
        "take real time": lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)),
        "make a file with its owner's rights": lambda: set_user_id(state / "probe"),
        "change the personality": lambda: call("personality", ADDR_NO_RANDOMIZE),
        "listen to raw packets": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
        "talk to a hypervisor": lambda: socket.socket(AF_VSOCK, socket.SOCK_STREAM),
        "dump core": lambda: resource.setrlimit(resource.RLIMIT_CORE, (1, 1)),
        "open another device": lambda: os.close(os.open("/dev/probe", os.O_RDWR)),
    }


def left() -> dict[str, Callable[[], object]]:
    """What the agent cannot do without; none may fail."""
    return {
        "write to its state": lambda: write(os.environ["STATE_DIRECTORY"] + "/probe"),
        "write to its runtime directory": lambda: write(os.environ["RUNTIME_DIRECTORY"] + "/probe"),
        "write to a /tmp of its own": lambda: tempfile.TemporaryFile().close(),
        "read its credentials": lambda: [
            path.read_text() for path in Path(os.environ["CREDENTIALS_DIRECTORY"]).iterdir()
        ],
        "write to /dev/null": lambda: write("/dev/null"),
        "read /dev/urandom": lambda: read("/dev/urandom"),
        "read the machine's load and memory": lambda: [
            Path("/proc", name).read_text() for name in ("loadavg", "meminfo")
        ],
        "talk IPv4, IPv6, to the kernel and to its children": families,
        "start a child and kill it": _child,
    }


def _child() -> None:
    child = subprocess.Popen(["sleep", "60"])
    child.send_signal(signal.SIGKILL)
    child.wait()


def say(line: str) -> None:
    sys.stdout.write(line + "\n")


def main() -> int:
    wrong = 0
    for what, attempt in refused().items():
        try:
            attempt()
        except (OSError, ValueError) as error:  # resource's own is a ValueError
            name = errno.errorcode[error.errno] if isinstance(error, OSError) and error.errno else error
            say(f"refused: {what}: {name}")
        else:
            wrong += 1
            say(f"NOT REFUSED: {what}")
    for what, attempt in left().items():
        try:
            attempt()
        except OSError as error:
            wrong += 1
            say(f"NOT LEFT: {what}: {error}")
        else:
            say(f"left: {what}")
    for directory in ("STATE_DIRECTORY", "RUNTIME_DIRECTORY"):
        Path(os.environ[directory], "probe").unlink(missing_ok=True)
    say("the sandbox is as it should be" if not wrong else f"{wrong} of the sandbox's rules do not hold")
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
