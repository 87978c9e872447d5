"""The packet socket: made by the agent, so that it outlives both children and neither waits for the other."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["PacketListener", "packet_listener"]


@dataclass(frozen=True)
class PacketListener:
    """Where the publisher connects to, and the descriptor that the camera child listens on."""

    path: Path
    fd: int


@contextmanager
def packet_listener(runtime_directory: Path | None = None) -> Iterator[PacketListener]:
    """Listen in a directory that only this user can enter, until the end of the block."""
    if runtime_directory is not None:
        runtime_directory.mkdir(parents=True, exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix="edge-agent-", dir=runtime_directory))
    path = directory / "packets"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(os.fspath(path))
        listener.listen(8)
        yield PacketListener(path=path, fd=listener.fileno())
    finally:
        listener.close()
        shutil.rmtree(directory, ignore_errors=True)
