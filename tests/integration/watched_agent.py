"""`edge-agent run` with a watcher in it.

    python -m tests.integration.watched_agent REPORT run --config FILE

At the end REPORT is a JSON object. `slow` are the callbacks of the event loop that took more than the limit
of CPU time of their thread: not of the wall clock, so a busy machine is no false alarm. `blocking` are calls
on the loop's thread that wait for a disk, a network or a clock, however quick they were here.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["LIMIT_S", "Watcher", "main"]

LIMIT_S = 0.020

_WAITING_CALLS = {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "os.system"}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
# One line is appended to the journal for each command, before it is carried out: the kernel takes it at once.
_MAY_BE_WRITTEN = ("journal.jsonl", "/dev/null")


class Watcher:
    """Notes what an event loop does to its thread, from `install` on."""

    def __init__(self) -> None:
        self.callbacks = 0
        self.longest_s = 0.0
        self.slow: list[str] = []
        self.blocking: list[str] = []
        self._inside: int | None = None

    def install(self) -> None:
        """Watch every event loop of this process; this cannot be undone."""
        run = asyncio.Handle._run  # type: ignore[attr-defined,unused-ignore] # the one way in

        def watched(handle: asyncio.Handle) -> None:
            started_s = time.thread_time()
            self._inside = threading.get_ident()
            try:
                run(handle)
            finally:
                self._inside = None
                self._took(time.thread_time() - started_s, handle)

        setattr(asyncio.Handle, "_run", watched)  # noqa: B010 - typeshed has it wrongly typed
        sys.addaudithook(self._audit)
        # These raise no audit event, or not with every version of Python.
        for module, name in ((os, "fsync"), (os, "fdatasync"), (time, "sleep")):
            setattr(module, name, self._noting(f"{module.__name__}.{name}", getattr(module, name)))

    def report(self) -> dict[str, Any]:
        """Return what was seen."""
        return {
            "callbacks": self.callbacks,
            "longest_s": self.longest_s,
            "slow": self.slow,
            "blocking": self.blocking,
        }

    def _took(self, seconds: float, handle: asyncio.Handle) -> None:
        self.callbacks += 1
        self.longest_s = max(self.longest_s, seconds)
        if seconds > LIMIT_S:
            self.slow.append(f"{seconds * 1000:.1f} ms: {handle!r}")

    def _noting(self, name: str, call: Callable[[Any], None]) -> Callable[[Any], None]:
        def noted(argument: Any) -> None:
            self._note(name)
            call(argument)

        return noted

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._inside is None:
            return
        if event == "open":
            path, mode, flags = arguments
            writes = any(letter in mode for letter in "wax+") if mode else bool((flags or 0) & _WRITING)
            if writes and not str(path).endswith(_MAY_BE_WRITTEN):
                self._note(f"open {path}")
        elif event in _WAITING_CALLS:
            self._note(f"{event} {arguments}")

    def _note(self, what: str) -> None:
        if self._inside != threading.get_ident():
            return
        frames = traceback.extract_stack()[:-2]
        own = [
            f"{Path(frame.filename).stem}.{frame.name}" for frame in frames if "edge_agent" in frame.filename
        ]
        self.blocking.append(f"{what} by {' > '.join(own)}")


def main() -> None:
    """Run the command line under the watcher."""
    report = Path(sys.argv.pop(1))
    watcher = Watcher()
    watcher.install()
    from edge_agent.cli import main as edge_agent  # noqa: PLC0415 - watched from its first line on

    try:
        edge_agent()
    finally:
        report.write_text(json.dumps(watcher.report()))


if __name__ == "__main__":
    main()
