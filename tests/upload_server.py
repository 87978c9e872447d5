"""A real HTTP server that takes pictures, remembers what it was asked, and fails by plan.

As a process: python -m tests.upload_server   (prints its port)
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import secrets
import socket
import ssl
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, Self

__all__ = ["Fault", "Seen", "UploadServer"]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One way to fail at an upload; several may be combined.

    `drop`: close the connection before it is stored, or after, without an answer. `status`: answer
    so; it is stored where that is 2xx. `body`: an answer that never ends: `endless` fast, `trickle` a byte at
    a time, from the status line on. `read_pause_s`: after each 64 KiB that are read. `pause_s`: before the
    answer.
    """

    drop: Literal["before", "after"] | None = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Literal["endless", "trickle"] | None = None
    read_pause_s: float = 0.0
    pause_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One request. `names` are those of its headers, as often as each came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""
    names: tuple[str, ...] = ()


class UploadServer:
    """PUT stores by path, POST by idempotency key, each once: the same again changes nothing.

    `fault` is asked before each upload, else `faults` are used up in order. `head` is how HEAD is answered.
    `poisoned` is a path that is never taken. `keys` counts how often something new came under one key.
    """

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        webdav: bool = False,
        auth: tuple[str, str, str] | None = None,
        head: Literal["length", "checksum", "none"] = "length",
        fault: Callable[[], Fault | None] | None = None,
        port: int = 0,
        keep_bodies: bool = True,
    ) -> None:
        self.seen: list[Seen] = []
        self.stored: dict[str, bytes] = {}
        self.stores: Counter[str] = Counter()
        self.again: Counter[str] = Counter()
        self.keys: Counter[str] = Counter()
        self.faults: deque[Fault] = deque()
        self.folders = {"/"}
        self.sent_bytes = 0
        self.connections = 0
        self.poisoned: str | None = None
        self.webdav = webdav
        self.no_folder_status = 409
        self.auth = auth
        self.head = head
        self.keep_bodies = keep_bodies
        self.nonce = secrets.token_hex(8)
        self.lock = threading.Lock()
        self.closed = threading.Event()
        self._fault = fault
        self._tls = tls
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.owner = self
        if tls is not None:
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port: int = self._server.server_address[1]

    @property
    def url(self) -> str:
        """The root."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def next_fault(self) -> Fault:
        """Return what goes wrong with the next upload."""
        with self.lock:
            if self._fault is not None:
                return self._fault() or Fault()
            return self.faults.popleft() if self.faults else Fault()

    def uploads(self) -> list[Seen]:
        """Return the requests that carried a picture."""
        return [seen for seen in self.seen if seen.method in {"PUT", "POST"}]

    def methods(self) -> list[str]:
        """Return the methods of all requests."""
        return [seen.method for seen in self.seen]

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closed.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    owner: UploadServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: connections end here as they please."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self.server.owner.lock:
            self.server.owner.connections += 1

    def log_message(self, *_: Any) -> None:
        pass

    def do_PUT(self) -> None:
        self._upload()

    def do_POST(self) -> None:
        self._upload()

    def do_HEAD(self) -> None:
        owner = self.server.owner
        self._note(b"")
        content = owner.stored.get(self.path)
        if owner.head == "none":
            self._answer(405)
        elif content is None:
            self._answer(404)
        elif owner.head == "checksum":
            self._answer(200, {"X-Checksum-SHA256": hashlib.sha256(content).hexdigest()}, length=None)
        else:
            self._answer(200, length=len(content))

    def do_MKCOL(self) -> None:
        owner = self.server.owner
        self._note(b"")
        path = self.path.rstrip("/")
        if path in owner.folders:
            self._answer(405)
        elif (path.rpartition("/")[0] or "/") not in owner.folders:
            self._answer(409)
        else:
            owner.folders.add(path)
            self._answer(201)

    def _upload(self) -> None:
        owner = self.server.owner
        fault = owner.next_fault()
        rest = int(self.headers["Content-Length"])
        blocks = []
        while rest:
            block = self.rfile.read(min(rest, 65_536))
            if not block:
                self.close_connection = True
                return
            blocks.append(block)
            rest -= len(block)
            owner.closed.wait(fault.read_pause_s)
        content = b"".join(blocks)
        self._note(content if owner.keep_bodies else b"")
        if not self._is_authorized():
            return
        if self.path == owner.poisoned:
            self._answer(500)
            return
        if fault.drop == "before":
            self._drop()
            return
        if fault.status is None or 200 <= fault.status < 300:
            if owner.webdav and (self.path.rpartition("/")[0] or "/") not in owner.folders:
                self._answer(owner.no_folder_status)
                return
            self._store(content)
        if fault.drop == "after":
            self._drop()
            return
        owner.closed.wait(fault.pause_s)
        if fault.body is not None:
            self._never_end(fault)
        else:
            self._answer(fault.status or 201, fault.headers)

    def _store(self, content: bytes) -> None:
        owner = self.server.owner
        name = self.path if self.command == "PUT" else self.headers["Idempotency-Key"]
        with owner.lock:
            if owner.stores[name]:
                owner.again[name] += 1
                return
            owner.stores[name] += 1
            owner.keys[self.headers["Idempotency-Key"] or name] += 1
            owner.stored[name] = content if owner.keep_bodies else b""

    def _answer(self, status: int, headers: Mapping[str, str] | None = None, length: int | None = 0) -> None:
        with contextlib.suppress(OSError):
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            if length is not None:
                self.send_header("Content-Length", str(length))
            self.end_headers()

    def _drop(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _never_end(self, fault: Fault) -> None:
        owner = self.server.owner
        self.close_connection = True
        head = f"HTTP/1.1 {fault.status or 200} Fine\r\nContent-Length: 10737418240\r\n\r\n".encode()
        with contextlib.suppress(OSError):
            if fault.body == "trickle":
                for byte in head + b"x" * 1000:
                    self.connection.sendall(bytes([byte]))
                    if owner.closed.wait(0.05):
                        return
            self.connection.sendall(head)
            while not owner.closed.is_set():
                owner.sent_bytes += self.connection.send(b"x" * 65_536)

    def _note(self, body: bytes) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        names = tuple(name.lower() for name in self.headers)
        seen = Seen(method=self.command, path=self.path, headers=headers, body=body, names=names)
        self.server.owner.seen.append(seen)

    def _is_authorized(self) -> bool:
        auth = self.server.owner.auth
        if auth is None:
            return True
        kind, username, password = auth
        given = self.headers.get("Authorization", "")
        if kind == "digest":
            if self._digest_fits(given, username, password):
                return True
            nonce = self.server.owner.nonce
            asked = f'Digest realm="pictures", nonce="{nonce}", qop="auth", algorithm=MD5'
            self._answer(401, {"WWW-Authenticate": asked})
            return False
        if given == f"{kind.title()} {password}":
            return True
        self._answer(401, {"WWW-Authenticate": kind.title()})
        return False

    def _digest_fits(self, given: str, username: str, password: str) -> bool:
        told = dict(re.findall(r'(\w+)="?([^",]*)"?', given))
        if told.get("nonce") != self.server.owner.nonce or told.get("uri") != self.path:
            return False

        def md5(*parts: str) -> str:
            return hashlib.md5(":".join(parts).encode()).hexdigest()

        one, two = md5(username, "pictures", password), md5(self.command, self.path)
        wanted = md5(one, told["nonce"], told["nc"], told["cnonce"], told["qop"], two)
        return told.get("username") == username and told.get("response") == wanted


def main() -> None:
    with UploadServer(keep_bodies=False) as server:
        sys.stdout.write(f"{server.port}\n")
        sys.stdout.flush()
        while True:
            time.sleep(3600)


if __name__ == "__main__":
    main()
