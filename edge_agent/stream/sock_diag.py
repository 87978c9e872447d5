"""One TCP connection as the kernel has it, asked for by its addresses (sock_diag(7)).

The tables in /proc/net are walked whole for each reading: milliseconds where the kernel's own table is large.
This costs some microseconds, however many connections there are.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
import struct
from dataclasses import dataclass
from typing import Final

__all__ = ["Address", "SockDiag", "Waiting"]

_NETLINK_SOCK_DIAG: Final = 4
_SOCK_DIAG_BY_FAMILY: Final = 20
_NLM_F_REQUEST: Final = 1
_NLMSG_ERROR: Final = 2
_NO_COOKIE: Final = 0xFFFFFFFF
_ESTABLISHED: Final = 1
_ANSWER_BYTES: Final = 8192
_ANSWER_WITHIN_S: Final = 1.0

_MESSAGE: Final = struct.Struct("=IHHII")
_REQUEST: Final = struct.Struct("=BBBBI")
# The ports and addresses are in the network's byte order, the rest in the machine's.
_PORTS: Final = struct.Struct("!HH")
_INTERFACE: Final = struct.Struct("=III")
# Of the answer: family, state, timer, retransmissions; the 48 bytes of the identity; five numbers.
_STATE: Final = struct.Struct("=BBBB")
_NUMBERS: Final = struct.Struct("=IIIII")
_IDENTITY_BYTES: Final = 48
_PORTS_AND_ADDRESSES: Final = 36

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits at an established connection: bytes not acknowledged, bytes not read; and its inode."""

    unacknowledged: int
    unread: int
    inode: int


class SockDiag:
    """A socket to ask with, for one thread. Raises OSError where the kernel tells nothing."""

    def __init__(self) -> None:
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
        self._socket = socket.socket(socket.AF_NETLINK, kind, _NETLINK_SOCK_DIAG)
        self._socket.settimeout(_ANSWER_WITHIN_S)
        self._sequence = 0

    def find(self, local: Address, remote: Address) -> Waiting | None:
        """Return what waits at the connection from `local` to `remote`, None where there is none.

        Raises OSError where the kernel does not answer such questions.
        """
        near, far = ipaddress.ip_address(local[0]), ipaddress.ip_address(remote[0])
        if near.version != far.version:
            return None
        family = socket.AF_INET if near.version == 4 else socket.AF_INET6
        identity = (
            _PORTS.pack(local[1], remote[1])
            + near.packed.ljust(16, b"\0")
            + far.packed.ljust(16, b"\0")
            + _INTERFACE.pack(0, _NO_COOKIE, _NO_COOKIE)
        )
        body = _REQUEST.pack(family, socket.IPPROTO_TCP, 0, 0, 1 << _ESTABLISHED) + identity
        answer = self._ask(body)
        if answer is None or len(answer) < _STATE.size + _IDENTITY_BYTES + _NUMBERS.size:
            return None
        _, state, _, _ = _STATE.unpack_from(answer)
        # Where there is no connection the kernel may answer with who listens there.
        asked = identity[: _PORTS_AND_ADDRESSES if family == socket.AF_INET6 else _PORTS.size]
        if state != _ESTABLISHED or answer[_STATE.size : _STATE.size + len(asked)] != asked:
            return None
        _, unread, unacknowledged, _, inode = _NUMBERS.unpack_from(answer, _STATE.size + _IDENTITY_BYTES)
        return Waiting(unacknowledged, unread, inode)

    def close(self) -> None:
        """Let go of the socket."""
        self._socket.close()

    def _ask(self, body: bytes) -> bytes | None:
        """Return the answer's body, None where nothing was found."""
        self._sequence += 1
        size = _MESSAGE.size + len(body)
        request = _MESSAGE.pack(size, _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, self._sequence, 0) + body
        self._socket.send(request)
        answer = self._socket.recv(_ANSWER_BYTES)
        if len(answer) < _MESSAGE.size:
            return None
        length, kind, _, sequence, _ = _MESSAGE.unpack_from(answer)
        if kind == _NLMSG_ERROR:
            (code,) = struct.unpack_from("=i", answer, _MESSAGE.size)
            if -code != errno.ENOENT:
                raise OSError(-code, "the kernel does not tell of connections")
            return None
        return answer[_MESSAGE.size : length] if sequence == self._sequence else None
