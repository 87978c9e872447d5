"""A machine for an agent, as far as a fault needs one: its own mounts and its own network.

Everything belongs to namespaces that are held by one process, which ends with whoever runs the test: the
mounts, the loop device and the network go with it, and nothing of the real machine was touched.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Self

from tests.rtsp_servers import wait_until

__all__ = ["Machine", "why_no_machine"]

_TOOLS = ("unshare", "nsenter", "ip", "nft", "mount", "mkfs.ext4")
_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
_DROP_ALL = (
    "table inet cut {"
    " chain in { type filter hook input priority 0; policy drop; };"
    " chain out { type filter hook output priority 0; policy drop; }; }"
)
# The answers: who sends into an output that drops is told at once that he may not.
_DROP_ANSWERS = (
    "table inet cut { chain in { type filter hook input priority 0; meta l4proto { udp, icmp } drop; }; }"
)


def why_no_machine() -> str | None:
    """Return why namespaces cannot be had here, None where they can."""
    if os.geteuid() != 0:
        return "needs root, for namespaces of its own"
    missing = [tool for tool in _TOOLS if shutil.which(tool, path=_PATH) is None]
    if missing:
        return f"needs {', '.join(missing)}"
    probe = ["unshare", "--mount", "--net", "ip", "link", "set", "lo", "up"]
    done = subprocess.run(probe, capture_output=True, text=True, check=False, env=_environ())
    return f"namespaces are not allowed here: {done.stderr.strip()}" if done.returncode else None


class Machine:
    """Namespaces for the length of a `with` block; `through` is put before a command to run it inside."""

    def __init__(self, directory: Path, *, network: bool = False) -> None:
        self._directory = directory
        self._network = network
        self._number = Random().randrange(1 << 15)
        base = f"198.{18 + (self._number >> 14)}.{(self._number >> 6) & 0xFF}"
        first = (self._number >> 1 & 0x1F) << 3
        self._outside = f"eaf{self._number}"
        # The test's end of its only cable has two addresses, so that a server can move.
        self.outside, self.elsewhere, self.inside = (f"{base}.{first + each}" for each in (1, 2, 3))
        self._made_link = False

    def __enter__(self) -> Self:
        spaces = ["--mount", "--propagation", "private", *(["--net"] if self._network else [])]
        self._holder = subprocess.Popen(
            ["unshare", *spaces, "cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=_environ()
        )
        wait_until(lambda: self._command() == "cat", what="the machine's namespaces")
        kinds = ["--mount", *(["--net"] if self._network else [])]
        self.through = ["nsenter", f"--target={self._holder.pid}", *kinds, f"--wd={Path.cwd()}", "--"]
        try:
            if self._network:
                self._connect()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._end()

    def run(self, *command: str) -> None:
        """Run a command inside, to its end. Raises RuntimeError with what it said."""
        _run(*self.through, *command)

    def _ask(self, *command: str) -> str:
        return _run(*self.through, *command)

    def path(self, inside: Path) -> Path:
        """Return where this process finds a file of the machine's."""
        return Path(f"/proc/{self._holder.pid}/root{inside}")

    # ---- disks

    def disk(self, mountpoint: Path, *, mib: int = 8, image: Path | None = None) -> Path:
        """Mount a disk of its own, a new one or an `image` of one; returns its image."""
        file = image or self._directory / f"disk-{mountpoint.name}.img"
        if image is None:
            with file.open("wb") as new:
                new.truncate(mib << 20)
            _run("mkfs.ext4", "-q", "-F", "-m", "0", str(file))
        mountpoint.mkdir(parents=True, exist_ok=True)
        self.run("mount", "-o", "loop,errors=remount-ro", str(file), str(mountpoint))
        return file

    def break_disk(self, mountpoint: Path) -> None:
        """Have the file system find an error: from then on it is read-only, whoever has a file open."""
        source = self._ask("findmnt", "--noheadings", "--output", "SOURCE", str(mountpoint))
        Path(f"/sys/fs/ext4/{Path(source).name}/trigger_fs_error").write_text("a test\n")

    def mend_disk(self, mountpoint: Path) -> None:
        """Check the file system and mount it anew; nobody may have a file open there."""
        self.run("umount", str(mountpoint))
        image = self._directory / f"disk-{mountpoint.name}.img"
        subprocess.run(["e2fsck", "-f", "-y", str(image)], capture_output=True, check=False, env=_environ())
        self.disk(mountpoint, image=image)

    def sectors_written(self, mountpoint: Path) -> int:
        """Return how many sectors of 512 bytes have been written to a disk of its own."""
        source = self._ask("findmnt", "--noheadings", "--output", "SOURCE", str(mountpoint))
        return int(Path(f"/sys/block/{Path(source).name}/stat").read_text().split()[6])

    def cover(self, name: Path, content: str) -> Path:
        """Put a file of the machine's own over one of the system's; returns it, to be written in place."""
        own = self._directory / f"own-{name.name}"
        own.write_text(content)
        self.run("mount", "--bind", str(own), str(name))
        return own

    # ---- the network

    def cut_off(self) -> None:
        """Have all packets dropped, in and out: nobody is told anything."""
        self.run("nft", _DROP_ALL)

    def lose_names(self) -> None:
        """Have the answers of name servers dropped, everything else goes through."""
        self.run("nft", _DROP_ANSWERS)

    def connect_again(self) -> None:
        """Let packets through again."""
        self.run("nft", "delete table inet cut")

    def _connect(self) -> None:
        pid = str(self._holder.pid)
        _run("ip", "link", "add", self._outside, "type", "veth", "peer", "name", "eth0", "netns", pid)
        self._made_link = True
        for address in (self.outside, self.elsewhere):
            _run("ip", "address", "add", f"{address}/29", "dev", self._outside)
        _run("ip", "link", "set", self._outside, "up")
        self.run("ip", "address", "add", f"{self.inside}/29", "dev", "eth0")
        for link in ("lo", "eth0"):
            self.run("ip", "link", "set", link, "up")
        self.run("ip", "route", "add", "default", "via", self.outside)

    # ---- its end

    def _command(self) -> str:
        try:
            return Path(f"/proc/{self._holder.pid}/comm").read_text().strip()
        except OSError:
            return ""

    def _end(self) -> None:
        if self._made_link:
            subprocess.run(
                ["ip", "link", "delete", self._outside], capture_output=True, check=False, env=_environ()
            )
        self._holder.kill()
        self._holder.wait(10)
        if self._holder.stdin is not None:
            self._holder.stdin.close()


def _environ() -> dict[str, str]:
    return {**os.environ, "PATH": _PATH}


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=_environ(), timeout=30)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")
    return done.stdout.strip()
