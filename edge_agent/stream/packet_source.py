"""The publisher's end of the packet socket."""

from __future__ import annotations

import socket
import struct
import time
from typing import Final

from edge_agent.errors import ProcessError
from edge_agent.stream.loan import Said, send_said
from edge_agent.stream.packets import Arrived, parse_message

__all__ = ["PacketSource", "parameter_sets"]

_SLICE_S: Final = 0.25
# Most frames come whole with one call.
_BUFFER_BYTES: Final = 128 * 1024
_CONNECT_TIMEOUT_S: Final = 1.0
_SPS: Final = 7
_PPS: Final = 8
_START_CODE: Final = b"\x00\x00\x01"


class PacketSource:
    """Reads what a PacketServer sends at `path`. Used by one thread."""

    def __init__(self, *, path: str) -> None:
        self._path = path
        self._socket: socket.socket | None = None
        self._buffer = bytearray(_BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._begin = 0
        self._end = 0

    @property
    def connected(self) -> bool:
        """Whether there is a connection, as far as is known."""
        return self._socket is not None

    def connect(self) -> bool:
        """Connect anew. False where nobody serves packets now.

        After the first keyframe nothing comes until a word is said: `GoOn`, or `Take`.
        """
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
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        self._socket = connection
        return True

    @property
    def pending(self) -> bool:
        """Whether more has come than was read, of which `fileno` tells nothing."""
        return self._begin < self._end

    def fileno(self) -> int:
        """Return the descriptor, which is readable when there is something to read, -1 for none."""
        return -1 if self._socket is None else self._socket.fileno()

    def say(self, said: Said) -> None:
        """Tell the camera how to go on. Raises ProcessError where it cannot be told."""
        if self._socket is None:
            raise ProcessError("the camera's packets have ended")
        try:
            send_said(self._socket, said)
        except OSError as error:
            self.close()
            raise ProcessError(f"the camera's packets broke off: {error.strerror}") from error

    def read(self) -> Arrived | None:
        """Wait a quarter of a second for a message, None where none came. Raises ProcessError at the end.

        A packet's bytes are good until the next call.
        """
        give_up_s: float | None = None
        while True:
            if self._begin < self._end:
                try:
                    parsed = parse_message(self._buffer, self._view, self._begin, self._end)
                except (ProcessError, TypeError, ValueError) as error:
                    self.close()
                    raise ProcessError(f"the camera's packets cannot be understood: {error}") from error
                if parsed is not None:
                    message, self._begin = parsed
                    if self._begin == self._end:
                        self._begin = self._end = 0
                    return message
                self._make_room()
                # A sender of crumbs must not keep the caller here; what comes whole needs no clock.
                now_s = time.monotonic()
                if give_up_s is None:
                    give_up_s = now_s + 2 * _SLICE_S
                if now_s > give_up_s:
                    return None
            if self._socket is None:
                return None
            try:
                count = self._socket.recv_into(self._view[self._end :])
            except BlockingIOError:
                return None
            except OSError as error:
                self.close()
                raise ProcessError(f"the camera's packets broke off: {error.strerror}") from error
            if not count:
                self.close()
                raise ProcessError("the camera's packets ended")
            self._end += count

    def close(self) -> None:
        """Disconnect and forget what was read by half."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._begin = self._end = 0

    def _make_room(self) -> None:
        """Move what there is to the front; where it is half of the buffer, take a larger one."""
        waiting = self._end - self._begin
        rest = bytes(self._view[self._begin : self._end])
        if waiting > len(self._buffer) // 2:
            self._buffer = bytearray(2 * len(self._buffer))
            self._view = memoryview(self._buffer)
        self._view[:waiting] = rest
        self._begin, self._end = 0, waiting


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
