"""Opens connections, and only to addresses that are allowed: looked up once, checked, and then dialled.

What is dialled is the address that was checked, never the name again: a name server that answers otherwise
the second time changes nothing.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from typing import Final

from edge_agent.errors import RefusedError, UploadError
from edge_agent.snapshots.upload.addressing import is_public, private_refusal
from edge_agent.snapshots.upload.lifeline import Lifeline

__all__ = ["Dialer"]

_MAX_ADDRESSES: Final = 16
# Bytes that may wait in the kernel: more would be on their way for minutes on a slow line while an answer
# is waited for.
_UNSENT_BYTES: Final = 131_072


class Dialer:
    """One worker's way out. `may_be_private` tells whether an address inside will do."""

    def __init__(
        self,
        *,
        may_be_private: bool,
        connect_s: float,
        lifeline: Lifeline,
        monotonic: Callable[[], float],
    ) -> None:
        self._may_be_private = may_be_private
        self._connect_s = connect_s
        self._monotonic = monotonic
        self.lifeline = lifeline

    def dial(self, host: str, port: int) -> socket.socket:
        """Return a connected socket. Raises UploadError, or RefusedError `address_not_allowed`."""
        self.lifeline.extend(self._connect_s)
        until = self._monotonic() + self._connect_s
        addresses = self._look_up(host, port)
        failure = UploadError(f"{host} has no address", code="dns_failed")
        for number, (family, address) in enumerate(addresses):
            # The last ones get what is left, so that one dead address does not use up the time of all.
            share_s = (until - self._monotonic()) / (len(addresses) - number)
            if share_s <= 0:
                break
            try:
                return self._connect(family, address, share_s)
            except TimeoutError as error:
                failure = UploadError(
                    f"{host}:{port} did not answer in {self._connect_s:g} s", code="unreachable"
                )
                failure.__cause__ = error
            except OSError as error:
                failure = UploadError(
                    f"{host}:{port} cannot be reached: {error.strerror or error}", code="unreachable"
                )
                failure.__cause__ = error
        raise failure

    def _look_up(self, host: str, port: int) -> Sequence[tuple[int, tuple[str, int]]]:
        try:
            found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no name"
            raise UploadError(f"{host} cannot be looked up: {why}", code="dns_failed") from error
        addresses = [(family, (str(address[0]), port)) for family, _, _, _, address in found][:_MAX_ADDRESSES]
        if not self._may_be_private:
            for _, (address, _) in addresses:
                if not is_public(address):
                    raise private_refusal(host, address)
        return addresses

    def _connect(self, family: int, address: tuple[str, int], timeout_s: float) -> socket.socket:
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.settimeout(timeout_s)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT_BYTES)
            connection.connect(address)
            peer = str(connection.getpeername()[0])
            if not self._may_be_private and not is_public(peer):
                raise private_refusal(address[0], peer)
        except (OSError, RefusedError):
            connection.close()
            raise
        return connection
