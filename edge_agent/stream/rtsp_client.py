"""RTSP's dialogue as the one who publishes (RFC 2326): requests, answers, and what comes in between."""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from edge_agent import __version__
from edge_agent.stream.connection import lost
from edge_agent.stream.messages import StreamCode
from edge_agent.stream.mux import StreamTargetError
from edge_agent.stream.rtsp_auth import Credentials, authorization
from edge_agent.stream.url import StreamUrl

__all__ = ["Answer", "RtspClient"]

_MAX_HEAD_BYTES: Final = 64 * 1024
_MAX_BODY_BYTES: Final = 64 * 1024
_CHUNK_BYTES: Final = 16 * 1024
_FRAME_BYTES: Final = 4
_MAX_PARTS: Final = 1000  # the kernel's own limit is 1024
_TCP_CLOSE: Final = 7  # of the kernel's states; one that the other side ended is in CLOSE_WAIT
_STATUS: Final = re.compile(r"RTSP/\d\.\d (\d{3}) ?(.*)")
_UNKNOWN: Final[StreamCode] = "stream_rejected"
_CODES: Final[dict[int, StreamCode]] = {
    401: "stream_refused_credentials",
    403: "stream_refused_credentials",
    404: "stream_not_found",
}
_SAYS: Final[dict[StreamCode, str]] = {
    "stream_refused_credentials": "the server refused the user or the password",
    "stream_not_found": "the server does not know this path",
    "stream_rejected": "the server rejected the stream",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """A server's answer; the headers' names are in lower case."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]

    def all(self, name: str) -> list[str]:
        """Return the values of every header of this name."""
        return [value for key, value in self.headers if key == name]

    def get(self, name: str) -> str:
        """Return the value of the first header of this name, an empty text where there is none."""
        return next(iter(self.all(name)), "")


class RtspClient:
    """One connection, used by one thread. Every call raises StreamTargetError where it cannot be done.

    `new_nonce` makes what a server must not be able to guess. `timeout_s` bounds each answer.
    """

    def __init__(
        self,
        *,
        connection: socket.socket,
        target: StreamUrl,
        credentials: Credentials | None,
        timeout_s: float,
        new_nonce: Callable[[], str],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection = connection
        self._target = target
        self._credentials = credentials
        self._timeout_s = timeout_s
        self._new_nonce = new_nonce
        self._monotonic = monotonic
        self._sequence = 0
        self._buffer = bytearray()
        self._authorize: Callable[[str, str], str] | None = None
        self._session = ""
        # An encrypted connection takes one piece at a time.
        self.gathers = type(connection) is socket.socket
        self._say: Callable[[bytes], None] = self.send
        self.answers = 0

    def request(
        self, method: str, url: str, headers: Iterable[tuple[str, str]] = (), body: str = ""
    ) -> Answer:
        """Ask, and return the answer: a good one. Where credentials are asked for, ask again with them."""
        wanted = tuple(headers)
        self._send_request(method, url, wanted, body)
        answer = self._answer()
        if answer.status == 401 and self._credentials is not None:
            self._authorize = authorization(
                answer.all("www-authenticate"), credentials=self._credentials, nonce=self._new_nonce
            )
            if self._authorize is not None:
                self._send_request(method, url, wanted, body)
                answer = self._answer()
        if not 200 <= answer.status < 300:
            code = _CODES.get(answer.status, _UNKNOWN)
            said = f"{answer.status} {answer.reason}".strip()
            raise StreamTargetError(f"{self._target}: {_SAYS[code]} ({said})", code=code)
        session = answer.get("session").partition(";")[0].strip()
        self._session = session or self._session
        return answer

    def be_patient(self, timeout_s: float) -> None:
        """Bound each answer, and each send, anew."""
        self._timeout_s = timeout_s
        if not self.gathers:
            self._connection.settimeout(timeout_s)
            return
        # The kernel's own limit: Python's asks before each send whether there is room.
        limit = struct.pack("ll", int(timeout_s), int(timeout_s % 1 * 1_000_000))
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        self._connection.settimeout(None)

    def divert(self, say: Callable[[bytes], None] | None) -> None:
        """Have requests said by somebody else, who writes to the connection, too; None: by this again."""
        self._say = say or self.send

    def ask(self, method: str, url: str) -> None:
        """Send a request whose answer nobody waits for; `hear` counts it in `answers`."""
        self._send_request(method, url, (), "")

    def send(self, data: bytes) -> None:
        """Send what was framed already."""
        try:
            self._connection.sendall(data)
        except OSError as error:
            raise lost(self._target, error) from error

    def send_parts(self, parts: list[bytes | memoryview], size_bytes: int) -> None:
        """Send what was framed already, in the pieces that it is in; `size_bytes` is that of them all."""
        if not self.gathers or len(parts) > _MAX_PARTS:
            self.send(b"".join(parts))
            return
        try:
            sent = self._connection.sendmsg(parts)
        except OSError as error:
            raise lost(self._target, error) from error
        if sent < size_bytes:
            self.send(b"".join(parts)[sent:])

    def hear(self) -> None:
        """Take what the server has sent meanwhile, without waiting. Raises where it has hung up."""
        try:
            chunk = self._at_hand()
        except OSError as error:
            # TLS has its own words for nothing to read.
            if isinstance(error, BlockingIOError) or type(error).__name__ == "SSLWantReadError":
                return
            raise lost(self._target, error) from error
        self._take(chunk)
        while (answer := self._parsed()) is not None:
            self.answers += answer.status > 0

    def _at_hand(self) -> bytes:
        if self.gathers:
            return self._connection.recv(_CHUNK_BYTES, socket.MSG_DONTWAIT)
        self._connection.settimeout(0.0)
        try:
            return self._connection.recv(_CHUNK_BYTES)
        finally:
            self._connection.settimeout(self._timeout_s)

    def _send_request(self, method: str, url: str, headers: tuple[tuple[str, str], ...], body: str) -> None:
        self._sequence += 1
        lines = [
            f"{method} {url} RTSP/1.0",
            f"CSeq: {self._sequence}",
            f"User-Agent: edge-agent/{__version__}",
        ]
        if self._session:
            lines.append(f"Session: {self._session}")
        if self._authorize is not None:
            lines.append(f"Authorization: {self._authorize(method, url)}")
        lines += [f"{name}: {value}" for name, value in headers]
        if body:
            lines.append(f"Content-Length: {len(body.encode())}")
        self._say("\r\n".join([*lines, "", body]).encode())

    def _answer(self) -> Answer:
        deadline_s = self._monotonic() + self._timeout_s
        while True:
            answer = self._parsed()
            if answer is not None and answer.status > 0:
                return answer
            if answer is not None:
                continue
            left_s = deadline_s - self._monotonic()
            try:
                if left_s <= 0:
                    raise TimeoutError  # noqa: TRY301 - one way out
                self._connection.settimeout(left_s)
                chunk = self._connection.recv(_CHUNK_BYTES)
            except TimeoutError as error:
                raise StreamTargetError(
                    f"{self._target}: the server did not answer within {self._timeout_s:g} s",
                    code="stream_timeout",
                ) from error
            except OSError as error:
                raise lost(self._target, error) from error
            finally:
                self._connection.settimeout(self._timeout_s)
            self._take(chunk)

    def _take(self, chunk: bytes) -> None:
        if not chunk:
            raise StreamTargetError(
                f"{self._target}: the connection was lost (the server hung up)",
                code="stream_unreachable",
                second_hand=_has_failed(self._connection),
            )
        self._buffer += chunk

    def _parsed(self) -> Answer | None:
        """Return the next whole message, a server's request as one of status 0; None where there is none."""
        buffer = self._buffer
        while buffer[:1] == b"$":
            length = _FRAME_BYTES + int.from_bytes(buffer[2:4], "big")
            if len(buffer) < max(length, _FRAME_BYTES):
                return None
            del buffer[:length]  # the receiver's reports: nobody reads them
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(buffer) > _MAX_HEAD_BYTES or not _is_text(buffer):
                raise self._nonsense()
            return None
        first, *rest = buffer[:end].decode("utf-8", "replace").lstrip("\r\n").split("\r\n")
        fields = (line.partition(":") for line in rest)
        headers = tuple((name.strip().lower(), value.strip()) for name, _, value in fields)
        status = _STATUS.match(first)
        if status is None and not first.endswith(("RTSP/1.0", "RTSP/2.0")):
            raise self._nonsense()
        answer = Answer(int(status[1]), status[2], headers) if status else Answer(0, first, headers)
        body = answer.get("content-length") or "0"
        if not body.isdecimal() or int(body) > _MAX_BODY_BYTES:
            raise self._nonsense()
        whole = end + 4 + int(body)
        if len(buffer) < whole:
            return None
        del buffer[:whole]
        return answer

    def _nonsense(self) -> StreamTargetError:
        return StreamTargetError(f"{self._target}: the server did not answer in RTSP", code="stream_rejected")


def _is_text(buffer: bytearray) -> bool:
    return all(byte >= 32 or byte in b"\r\n\t" for byte in buffer[:64])


def _has_failed(connection: socket.socket) -> bool:
    """Whether a connection is over by an error, and not because the other side ended it."""
    with contextlib.suppress(OSError):
        return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _TCP_CLOSE
    return False
