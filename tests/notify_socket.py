"""The service manager's end of the notify socket, for tests."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["ServiceManager"]


class ServiceManager:
    """Listens at a path or an abstract `@name`, and remembers what it was told."""

    def __init__(self, address: str | Path) -> None:
        self.address = str(address)
        self._heard: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind("\0" + self.address[1:] if self.address.startswith("@") else self.address)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def heard(self) -> list[str]:
        """Return every line so far."""
        while True:
            try:
                self._heard += self._socket.recv(4096).decode().splitlines()
            except BlockingIOError:
                return list(self._heard)

    def take(self) -> list[str]:
        """Return the lines since the last `take`."""
        heard = self.heard()
        self._heard = []
        return heard

    def wait(self, line: str, *, timeout_s: float = 20.0) -> None:
        """Wait for a line that begins like this."""
        deadline = time.monotonic() + timeout_s
        while not any(heard.startswith(line) for heard in self.heard()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"no {line!r} in {timeout_s} s, but {self._heard}")
            time.sleep(0.02)
