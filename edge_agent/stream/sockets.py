"""The TCP connections of another process of this user's, as the kernel tells them: addresses and backlogs.

The publisher's sockets are libav's own and hidden even from the publisher. The kernel knows how much of what
it wrote was not acknowledged; and, where the server is on this machine, how much the server has not read.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["Connection", "address_of", "connections"]

Address = tuple[str, int]

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
