"""A machine as the feature sees it: dpkg and apt by programs of a test, and a helper that a test plays."""

from __future__ import annotations

import json
import queue
import socketserver
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import edge_agent

__all__ = ["FakeHelper", "Machine"]

CODE = Path(edge_agent.__file__)


class Machine:
    """`path` is a PATH with nothing in it but `dpkg-query` and `apt-cache`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.path = str(directory / "bin")
        (directory / "bin").mkdir(parents=True)
        self.program(
            "dpkg-query",
            f'case $1 in --show) /bin/cat "{directory}/package";; *) /bin/cat "{directory}/files";; esac',
        )
        self.program("apt-cache", f'/bin/cat "{directory}/policy"')
        self.package("1.0")
        self.files(CODE)
        self.candidate("1.0")

    def program(self, name: str, text: str) -> None:
        program = self._directory / "bin" / name
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)

    def without(self, name: str) -> None:
        (self._directory / "bin" / name).unlink()

    def package(self, version: str, state: str = "installed") -> None:
        (self._directory / "package").write_text(f"{state} {version}")

    def files(self, *files: Path) -> None:
        (self._directory / "files").write_text("".join(f"{file}\n" for file in ("/.", *files)))

    def candidate(self, version: str) -> None:
        (self._directory / "policy").write_text(
            f"edge-agent:\n  Installed: 1.0\n  Candidate: {version}\n  Version table:\n     9.9 500\n"
        )


class _Conversation(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, _Server)
        request = json.loads(self.rfile.readline(4096))
        if request == {"action": "refresh"}:
            self.server.helper.refreshes += 1
            for state in ("accepted", self.server.helper.refresh_ends):
                self.wfile.write(json.dumps({"state": state, "message": "it went so"}).encode() + b"\n")
            return
        self.server.helper.requests.put(request)
        for word in iter(self.server.helper.words.get, None):
            try:
                self.wfile.write(word if isinstance(word, bytes) else json.dumps(word).encode() + b"\n")
            except OSError:
                return


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def __init__(self, path: Path, helper: FakeHelper) -> None:
        super().__init__(str(path), _Conversation)
        self.helper = helper


class FakeHelper:
    """Listens on `socket`; what is asked of it the test takes, and answers, but for reading lists."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.socket = directory / "u.sock"
        self.result = directory / "result.json"
        self.refreshes = 0
        self.refresh_ends = "done"
        self.requests: queue.Queue[Mapping[str, Any]] = queue.Queue()
        self.words: queue.Queue[Mapping[str, Any] | bytes | None] = queue.Queue()

    def __enter__(self) -> Self:
        self._server = _Server(self.socket, self)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cut()
        self._server.shutdown()
        self._server.server_close()
        self.socket.unlink(missing_ok=True)

    def asked(self) -> Mapping[str, Any]:
        """Return the next request, waiting for it."""
        return self.requests.get(timeout=15)

    def say(self, *words: Mapping[str, Any] | bytes) -> None:
        for word in words:
            self.words.put(word)

    def cut(self) -> None:
        """Close the conversation."""
        self.words.put(None)

    def write(self, **word: Any) -> None:
        """Write the file."""
        self.result.write_text(json.dumps(word))
