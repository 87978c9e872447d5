"""A disk that is soon full."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["SmallDisk", "small_disk"]

_GROWN_KIB = 65_536


@dataclass(frozen=True)
class SmallDisk:
    """A mounted one."""

    path: Path

    def grow(self) -> None:
        """Give it room for everything."""
        _mount("-o", f"remount,size={_GROWN_KIB}k", str(self.path))


@contextmanager
def small_disk(directory: Path, *, kib: int) -> Iterator[SmallDisk]:
    """Mount a disk that is soon full. Raises OSError where this machine does not let one do that."""
    directory.mkdir()
    _mount("-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", str(directory))
    try:
        yield SmallDisk(directory)
    finally:
        subprocess.run(["umount", str(directory)], check=True)


def _mount(*arguments: str) -> None:
    ran = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if ran.returncode:
        raise OSError(ran.stderr.strip())
