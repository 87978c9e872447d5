"""The TCP connections of another process of this user's, as the kernel tells them: addresses and backlogs.

A publisher's sockets may be libav's own and hidden even from the publisher. The kernel knows how much of what
it wrote was not acknowledged; and, where the server is on this machine, how much the server has not read.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge_agent.stream.sock_diag import Address, SockDiag, Waiting

__all__ = ["Connection", "Connections", "address_of", "connections"]

_PROC: Final = Path("/proc")
_SOCKET: Final = re.compile(r"socket:\[(\d+)\]")
_ESTABLISHED: Final = "01"
_MAX_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """An established connection; `pending_bytes` were written and have not been taken by the other end.

    Where that is not on this machine (`here`), it is what its machine has not acknowledged: a program that
    hangs is noticed only after the buffer that its machine keeps for it is full.
    """

    local: Address
    remote: Address
    pending_bytes: int
    here: bool


class Connections:
    """Looks again and again at one process's connections, for one thread.

    Which there are is read from the kernel's tables; as long as the process has the same sockets, the kernel
    is asked for what waits at those alone. Where it does not answer that, the tables are read each time.
    """

    def __init__(self, *, new_diag: Callable[[], SockDiag] = SockDiag, proc: Path = _PROC) -> None:
        self._new_diag = new_diag
        self._proc = proc
        self._asked: tuple[int, int, frozenset[str]] | None = None
        self._known: tuple[Connection, ...] = ()

    def __call__(self, pid: int, port: int) -> tuple[Connection, ...]:
        """Return what `connections` does."""
        asked = (pid, port, frozenset(_sockets_of(self._proc / str(pid) / "fd")))
        # One that was just about to be connected is in no table: without any, look at all again.
        if asked != self._asked or not self._known:
            self._asked, self._known = asked, connections(pid, port, proc=self._proc)
            return self._known
        now = self._now()
        if now is None:
            self._asked = None
            return connections(pid, port, proc=self._proc)
        self._known = now
        return now

    def _now(self) -> tuple[Connection, ...] | None:
        """Return the known connections as they are now, None where that cannot be had."""
        found = []
        try:
            with contextlib.closing(self._new_diag()) as diag:
                for known in self._known:
                    mine = diag.find(known.local, known.remote)
                    theirs = diag.find(known.remote, known.local)
                    if mine is None:
                        return None
                    found.append(_joined(known, mine, theirs))
        except OSError:
            return None
        return tuple(found)


def _joined(known: Connection, mine: Waiting, theirs: Waiting | None) -> Connection:
    return Connection(
        local=known.local,
        remote=known.remote,
        pending_bytes=mine.unacknowledged + (theirs.unread if theirs else 0),
        here=theirs is not None,
    )


@dataclass(frozen=True, slots=True)
class _Row:
    local: Address
    remote: Address
    unacknowledged: int
    unread: int
    inode: str


def address_of(text: str) -> Address | None:
    """Return the address in `192.0.2.1:80` or `[2001:db8::1]:80`, None where there is none."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal():
        return None
    try:
        return _plain(ipaddress.ip_address(host.strip("[]").partition("%")[0])), int(port)
    except ValueError:
        return None


def connections(pid: int, port: int, *, proc: Path = _PROC) -> tuple[Connection, ...]:
    """Return the established connections of process `pid` to any machine's `port`; none where it is gone."""
    inodes = _sockets_of(proc / str(pid) / "fd")
    if not inodes:
        return ()
    rows = [row for name in ("tcp", "tcp6") for row in _rows(proc / str(pid) / "net" / name)]
    unread = {(row.local, row.remote): row.unread for row in rows}
    return tuple(
        Connection(
            local=row.local,
            remote=row.remote,
            pending_bytes=row.unacknowledged + unread.get((row.remote, row.local), 0),
            here=(row.remote, row.local) in unread,
        )
        for row in rows
        if row.inode in inodes and row.remote[1] == port
    )


def _sockets_of(directory: Path) -> set[str]:
    found: set[str] = set()
    try:
        names = os.listdir(directory)  # noqa: PTH208 - names are all that is needed of thousands perhaps
    except OSError:
        return found
    for name in names:
        # It may be closed by now.
        with contextlib.suppress(OSError):
            match = _SOCKET.fullmatch(os.readlink(directory / name))  # noqa: PTH115 - the text, not a path
            if match:
                found.add(match[1])
    return found


def _rows(table: Path) -> Iterator[_Row]:
    try:
        with table.open("rb") as file:
            text = file.read(_MAX_BYTES).decode("ascii", "replace")
    except OSError:
        return
    for line in text.splitlines()[1:]:
        words = line.split()
        if len(words) < 10 or words[3] != _ESTABLISHED:
            continue
        try:
            sent, _, received = words[4].partition(":")
            yield _Row(
                local=_address(words[1]),
                remote=_address(words[2]),
                unacknowledged=int(sent, 16),
                unread=int(received, 16),
                inode=words[9],
            )
        except (ValueError, OSError, struct.error):
            # The last line of a table that was cut.
            continue


def _address(text: str) -> Address:
    host, _, port = text.partition(":")
    # The kernel writes each word of an address as a number in this machine's byte order.
    packed = b"".join(struct.pack("=I", int(host[i : i + 8], 16)) for i in range(0, len(host), 8))
    family = socket.AF_INET if len(packed) == 4 else socket.AF_INET6
    return _plain(ipaddress.ip_address(socket.inet_ntop(family, packed))), int(port, 16)


def _plain(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
