"""What systemd's notify socket takes: a few words in a datagram, sent without ever waiting."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
from collections.abc import Mapping

__all__ = ["NotifySocket", "watchdog_s"]

logger = logging.getLogger(__name__)


class NotifySocket:
    """The way to a service manager at a path, or at an abstract name that begins with `@`."""

    def __init__(self, address: str) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._failing: str | None = None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> NotifySocket | None:
        """Return the one that NOTIFY_SOCKET names, None where nobody listens."""
        address = environ.get("NOTIFY_SOCKET", "")
        if not address:
            return None
        if not address.startswith(("/", "@")) or len(address) < 2:
            logger.warning("NOTIFY_SOCKET is '%s', which is neither a path nor '@name': ignored", address)
            return None
        return cls(address)

    def send(self, **words: str) -> bool:
        """Send `NAME=value` lines and return whether they were taken. A failure is logged once."""
        datagram = "\n".join(f"{name}={value}" for name, value in words.items()).encode()
        try:
            with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as sender:
                sender.setblocking(False)
                sender.sendto(datagram, self._address)
        except OSError as error:
            reason = error.strerror or str(error)
            if reason != self._failing:
                logger.warning("The service manager is not told how this agent is: %s", reason)
            self._failing = reason
            return False
        if self._failing is not None:
            logger.info("The service manager is told again how this agent is")
            self._failing = None
        return True


def watchdog_s(environ: Mapping[str, str]) -> float | None:
    """Return how often, in seconds, the service manager's watchdog wants to be fed at least, or None."""
    if environ.get("WATCHDOG_PID") not in {None, str(os.getpid())}:
        return None
    text = environ.get("WATCHDOG_USEC", "")
    return int(text) / 1e6 if text.isdecimal() and int(text) > 0 else None
