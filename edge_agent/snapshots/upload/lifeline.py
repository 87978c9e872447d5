"""How an upload is ended from outside: every wait of its thread ends when its time is up."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Final

from edge_agent.errors import UploadError

__all__ = ["Lifeline"]

_STEP_S: Final = 0.05


class Lifeline:
    """One worker's sockets and the time that it has. The worker extends the time as it gets on.

    A socket's own timeout begins anew with every byte that arrives; this one does not.
    """

    def __init__(self, *, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._until: float | None = None
        self._overdue = False
        self._stopped = threading.Event()

    @property
    def is_cut(self) -> bool:
        """Whether the attempt was ended from outside."""
        return self._overdue or self._stopped.is_set()

    @property
    def is_stopped(self) -> bool:
        """Whether it was ended for good."""
        return self._stopped.is_set()

    def extend(self, seconds: float) -> None:
        """Give the next step its time. Raises UploadError where it is over already."""
        with self._lock:
            if not self.is_cut:
                self._until = self._monotonic() + seconds
                return
        raise UploadError("ended: it took too long", code="timeout")

    def rest(self) -> None:
        """Say that nothing is under way, and forget an earlier end."""
        with self._lock:
            self._until, self._overdue = None, False

    def cut_if_overdue(self) -> None:
        """End what is under way where its time is up; from any thread."""
        with self._lock:
            if self._until is not None and self._monotonic() > self._until:
                self._overdue, self._until = True, None
                self._shut()

    def stop(self) -> None:
        """End what is under way, and whatever is begun later; from any thread."""
        with self._lock:
            self._stopped.set()
            self._shut()

    def wait(self, seconds: float) -> None:
        """Wait in the worker's thread. Raises UploadError where it is cut meanwhile."""
        until = self._monotonic() + seconds
        self.extend(seconds + 1.0)
        while (rest := until - self._monotonic()) > 0:
            if self._stopped.wait(min(rest, _STEP_S)) or self._overdue:
                raise UploadError("ended", code="timeout")

    def hold(self, connection: socket.socket) -> socket.socket:
        """Take a hold of a connection, to be given back with `release`; also through TLS."""
        held = connection.dup()
        with self._lock:
            self._sockets.add(held)
            if self.is_cut:
                self._shut()
        return held

    def release(self, held: socket.socket) -> None:
        """Let a connection go."""
        with self._lock:
            self._sockets.discard(held)
        held.close()

    def _shut(self) -> None:
        for held in self._sockets:
            with contextlib.suppress(OSError):
                held.shutdown(socket.SHUT_RDWR)
