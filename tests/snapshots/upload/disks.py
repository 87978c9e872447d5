"""A disk of one's own, and what a power cut leaves of it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

__all__ = ["cut_power", "mounted_again", "own_disk"]

_POWER_CUT = """
import fcntl, os, struct, sys
# EXT4_IOC_SHUTDOWN, without flushing the journal: what the disk has is all that there will be.
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587D, struct.pack("I", 2))
"""


@contextmanager
def own_disk(scratch: Path) -> Iterator[Path]:
    """Mount a disk whose power can be cut; as root, where loop devices are, else the test is skipped."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a disk and cut its power")
    image, mount = scratch / "image", scratch / "mount"
    mount.mkdir()
    with image.open("wb") as file:
        file.truncate(16 * 1024 * 1024)
    made = subprocess.run(["mkfs.ext4", "-q", str(image)], capture_output=True, check=False)
    if made.returncode:
        pytest.skip(f"no ext4 can be made here: {made.stderr!r}")
    if subprocess.run(["mount", "-o", "loop", str(image), str(mount)], check=False).returncode:
        pytest.skip("no loop device can be mounted here")
    try:
        yield mount
    finally:
        subprocess.run(["umount", str(mount)], check=False)


def cut_power(mount: Path) -> None:
    """Let nothing more reach the disk."""
    subprocess.run(["python3", "-c", _POWER_CUT, str(mount)], check=True)


def mounted_again(mount: Path) -> None:
    """Start again with what the disk has."""
    subprocess.run(["umount", str(mount)], check=True)
    image = mount.parent / "image"
    subprocess.run(["mount", "-o", "loop", str(image), str(mount)], check=True)
