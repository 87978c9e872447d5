"""The agent's package: what is installed, a copy of it for the way back, and the programs that change it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from messages import STATE, FailedError, RefusedError

PACKAGE: Final = "edge-agent"
ARCHIVES: Final = Path("/var/cache/apt/archives")
COMMAND_S: Final = 60.0
APT_S: Final = 1200.0
APT: Final = (
    "apt-get", "--yes", "--quiet", "--no-remove", "--no-install-recommends",
    "--option=DPkg::Lock::Timeout=300", "--option=Dpkg::Options::=--force-confold",
    "--option=Acquire::Retries=2", "--option=Acquire::http::Timeout=30",
)  # fmt: skip
ENVIRON: Final = {
    "PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
    "APT_LISTCHANGES_FRONTEND": "none",
    "NEEDRESTART_SUSPEND": "1",
}


def run(command: Sequence[str], *, timeout_s: float = COMMAND_S, where: Path | None = None) -> str:
    """Run a program and return what it wrote. Raises FailedError with the last that it said."""
    try:
        ran = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
            text=True, errors="replace", timeout=timeout_s, cwd=where or STATE, env=ENVIRON,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise FailedError(f"{command[0]} took longer than {timeout_s:.0f} s") from error
    except OSError as error:
        raise FailedError(f"{command[0]} cannot be run: {error.strerror}") from error
    if ran.returncode != 0:
        sys.stderr.write(ran.stdout)
        lines = [line.strip() for line in ran.stdout.splitlines() if line.strip()]
        told = [line for line in lines if line.startswith("E: ")] or lines[-1:] or [f"exit {ran.returncode}"]
        raise FailedError(f"{command[0]}: {'; '.join(told)[:400]}")
    return ran.stdout


def installed() -> str | None:
    """Return the installed version; None where the package is not whole."""
    try:
        answer = run(["dpkg-query", "--show", "--showformat=${db:Status-Status} ${Version}", PACKAGE])
    except FailedError:
        return None
    state, _, version = answer.strip().partition(" ")
    return version if state == "installed" else None


def is_newer(version: str, than: str) -> bool:
    """Whether Debian's rules put a version after another."""
    ran = subprocess.run(["dpkg", "--compare-versions", version, "gt", than], check=False, env=ENVIRON)
    return ran.returncode == 0


def saved(version: str) -> Path:
    """Return a copy of that version's package, so that there is a way back. Raises RefusedError."""
    target = STATE / f"{PACKAGE}_{version.rpartition(':')[2]}_all.deb"
    if not _is(target, version):
        with tempfile.TemporaryDirectory(dir=STATE) as scratch:
            found = next((path for path in _sources(version, Path(scratch)) if _is(path, version)), None)
            if found is None:
                raise RefusedError(
                    f"there would be no way back: the archive does not have {version} any more; "
                    "'sudo apt install dpkg-repack' lets it be packed from what is installed"
                )
            shutil.copyfile(found, Path(scratch) / "copy")
            (Path(scratch) / "copy").replace(target)
    for other in STATE.glob(f"{PACKAGE}_*.deb"):
        if other != target:
            other.unlink()
    return target


def _sources(version: str, scratch: Path) -> Iterator[Path]:
    yield from ARCHIVES.glob(f"{PACKAGE}_*.deb")
    for command in (
        [*APT, "download", f"{PACKAGE}={version}"],
        # Which packs what is installed, and that is this version.
        ["dpkg-repack", PACKAGE],
    ):
        with contextlib.suppress(FailedError):
            run(command, timeout_s=APT_S, where=scratch)
        yield from scratch.glob("*.deb")


def _is(path: Path, version: str) -> bool:
    if not path.is_file():
        return False
    try:
        fields = run(["dpkg-deb", "--show", "--showformat=${Package} ${Version}", str(path)])
    except FailedError:
        return False
    return fields.strip() == f"{PACKAGE} {version}"
