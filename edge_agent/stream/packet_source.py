"""The publisher's end of the packet socket."""

from __future__ import annotations

import socket
import struct
import time
from typing import Final

from edge_agent.errors import ProcessError
from edge_agent.stream.packets import PacketMessage, StreamFormat, read_message

__all__ = ["PacketSource", "parameter_sets"]

_SLICE_S: Final = 0.25
_CHUNK_BYTES: Final = 64 * 1024
_CONNECT_TIMEOUT_S: Final = 1.0
_SPS: Final = 7
_PPS: Final = 8
_START_CODE: Final = b"\x00\x00\x01"


class _IncompleteError(Exception):
    """More bytes are needed for the next message."""


class PacketSource:
    """Reads what a PacketServer sends at `path`. Used by one thread."""

    def __init__(self, *, path: str) -> None:
        self._path = path
        self._socket: socket.socket | None = None
        self._buffer = bytearray()
        self._position = 0

    @property
    def connected(self) -> bool:
        """Whether there is a connection, as far as is known."""
        return self._socket is not None

    def connect(self) -> bool:
        """Connect anew. False where nobody serves packets now."""
        self.close()
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(_CONNECT_TIMEOUT_S)
            connection.connect(self._path)
            connection.setblocking(True)
        except OSError:
            connection.close()
            return False
        # The kernel's own limit costs one call a read; settimeout() would cost two.
        seconds, fraction = divmod(_SLICE_S, 1)
        limit = struct.pack("ll", int(seconds), int(fraction * 1_000_000))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        self._socket = connection
        return True

    def read(self) -> StreamFormat | PacketMessage | None:
        """Wait a quarter of a second for a message, None where none came. Raises ProcessError at the end."""
        deadline_s = time.monotonic() + _SLICE_S
        while True:
            message = self._parsed() if self._buffer else None
            if message is not None:
                return message
            # A sender of crumbs must not keep the caller here.
            if self._socket is None or time.monotonic() > deadline_s + _SLICE_S:
                return None
            try:
                chunk = self._socket.recv(_CHUNK_BYTES)
            except BlockingIOError:
                return None
            except OSError as error:
                self.close()
                raise ProcessError(f"the camera's packets broke off: {error.strerror}") from error
            if not chunk:
                self.close()
                raise ProcessError("the camera's packets ended")
            self._buffer += chunk

    def close(self) -> None:
        """Disconnect and forget what was read by half."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._buffer.clear()

    def _parsed(self) -> StreamFormat | PacketMessage | None:
        self._position = 0
        try:
            message = read_message(self._exactly)
        except _IncompleteError:
            return None
        except (ProcessError, TypeError, ValueError) as error:
            self.close()
            raise ProcessError(f"the camera's packets cannot be understood: {error}") from error
        del self._buffer[: self._position]
        return message

    def _exactly(self, count: int) -> bytes:
        end = self._position + count
        if end > len(self._buffer):
            raise _IncompleteError
        with memoryview(self._buffer) as view:
            part = bytes(view[self._position : end])
        self._position = end
        return part


def parameter_sets(data: bytes) -> tuple[bytes, ...]:
    """Return the SPS and PPS units of an access unit in Annex B, in their order."""
    found: list[bytes] = []
    start = data.find(_START_CODE)
    while start >= 0:
        begin = start + len(_START_CODE)
        kind = data[begin] & 0x1F if begin < len(data) else 0
        if kind not in (_SPS, _PPS) and found:
            break
        start = data.find(_START_CODE, begin)
        if kind in (_SPS, _PPS):
            # The next start code may have a leading zero more, which is no part of the unit.
            found.append(data[begin : start if start >= 0 else len(data)].rstrip(b"\x00"))
    return tuple(found)
