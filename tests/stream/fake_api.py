"""A MediaMTX's API as far as it is asked: documents by their path, and ways to misbehave."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

__all__ = ["SESSION", "FakeApi", "basic", "new_generation", "old_generation"]

SESSION = "96e597af-0a48-420c-a218-52a06e5d96bd"


def new_generation(**changes: Any) -> dict[str, Any]:
    """Return a path as 1.20 tells it."""
    return {
        "name": "porch",
        "confName": "all_others",
        "ready": True,
        "readyTime": "2026-11-21T01:00:29.444882992Z",
        "available": True,
        "availableTime": "2026-11-21T01:00:29.444882992Z",
        "online": True,
        "onlineTime": "2026-11-21T01:00:29.444885614Z",
        "source": {"type": "rtspSession", "id": SESSION},
        "tracks": ["H264"],
        "tracks2": [{"codec": "H264", "codecProps": {"width": 320, "height": 240}}],
        "readers": [{"type": "hlsSession", "id": "a"}, {"type": "rtspSession", "id": "b"}],
        "inboundBytes": 62382,
        "outboundBytes": 7,
        "inboundFramesInError": 0,
        "bytesReceived": 62382,
        "bytesSent": 7,
        **changes,
    }


def old_generation(**changes: Any) -> dict[str, Any]:
    """Return a path as 1.9 told it."""
    return {
        "name": "porch",
        "confName": "all_others",
        "source": {"type": "rtspSession", "id": SESSION},
        "ready": True,
        "readyTime": "2024-11-21T01:00:29.444882992Z",
        "tracks": ["H264"],
        "bytesReceived": 62382,
        "bytesSent": 7,
        "readers": [{"type": "webRTCSession", "id": "a"}],
        **changes,
    }


class FakeApi:
    """Listens on a free port of the loopback; `documents` are by the path after `/v3/`, the rest is a 404."""

    def __init__(self, documents: Mapping[str, Any] | None = None) -> None:
        self.documents: dict[str, Any] = dict(documents or {})
        self.status = 200
        self.raw: bytes | None = None
        self.drip_s: float | None = None
        self.silent = threading.Event()
        self.requests: list[tuple[str, str | None]] = []
        self._over = threading.Event()
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                api.serve(self)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one request, or hang while `silent` is set."""
        self.requests.append((request.path, request.headers.get("Authorization")))
        if self.silent.is_set():
            self._over.wait(30)
            request.close_connection = True
            return
        what = request.path.removeprefix("/v3/")
        known = what in self.documents
        body = self.raw if self.raw is not None else json.dumps(self.documents.get(what, {})).encode()
        try:
            request.send_response(self.status if known or self.status != 200 else 404)
            request.send_header("Content-Length", str(len(body)))
            request.end_headers()
            if self.drip_s is None:
                request.wfile.write(body)
                return
            for byte in body:
                request.wfile.write(bytes([byte]))
                if self._over.wait(self.drip_s):
                    return
        except OSError:
            # Whoever asked has had enough.
            request.close_connection = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()


def basic(user: str, password: str) -> str:
    """Return the header of a user and a password."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
