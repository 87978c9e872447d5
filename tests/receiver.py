"""The far end of a stream as a process of its own: it can be killed and stopped, and told to misbehave.

    python -m tests.receiver PORT

It writes one line of JSON for each frame: `at_s` is the machine's monotonic time, the same in every process.
What it reads from its input, one line of JSON each, are the scripts that it behaves by from then on.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from tests.rtsp_servers import Script, ScriptedRtspServer, free_port, wait_until

__all__ = ["Arrival", "Receiver", "main"]


@dataclass(frozen=True, slots=True)
class Arrival:
    """One frame."""

    at_s: float
    keyframe: bool


class Receiver:
    """A receiver's process, which keeps its port and its arrivals over all its lives."""

    def __init__(self) -> None:
        self._port = free_port()
        self.url = f"rtsp://127.0.0.1:{self._port}/cam"
        self.arrivals: list[Arrival] = []
        self._listening_s = 0.0
        self._process: subprocess.Popen[bytes] | None = None
        self._reading: threading.Thread | None = None

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RuntimeError("the receiver was not started")
        return self._process.pid

    def start(self) -> float:
        """Start it; return when it listened."""
        begun_s = time.monotonic()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.receiver", str(self._port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._reading = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reading.start()
        wait_until(lambda: self._listening_s > begun_s, what="the receiver")
        return self._listening_s

    def behave(self, **script: Any) -> None:
        """Behave by this script from now on; without anything, well."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.write(json.dumps(script).encode() + b"\n")
            self._process.stdin.flush()

    def signal(self, number: signal.Signals) -> None:
        """Stop it, or let it go on."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """End it as a crash would."""
        process, self._process = self._process, None
        if process is None or self._reading is None:
            return
        process.kill()
        process.wait(10)
        self._reading.join(10)
        for end in (process.stdin, process.stdout):
            if end is not None:
                end.close()

    def first_after(self, at_s: float) -> float | None:
        """Return when the first frame after this moment came, None where none has."""
        return next((arrival.at_s for arrival in tuple(self.arrivals) if arrival.at_s > at_s), None)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.kill()

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        for line in process.stdout or ():
            # A line of which only the beginning was written is the last word of a killed one.
            if line.endswith(b"\n"):
                told = json.loads(line)
                if "listening_s" in told:
                    self._listening_s = told["listening_s"]
                else:
                    self.arrivals.append(Arrival(**told))


def main() -> None:
    """Receive until the process is ended, or its input ends."""
    telling = threading.Lock()

    def tell(**what: object) -> None:
        with telling:
            sys.stdout.write(json.dumps(what) + "\n")
            sys.stdout.flush()

    server = ScriptedRtspServer(
        Script(),
        port=int(sys.argv[1]),
        on_frame=lambda keyframe: tell(at_s=time.monotonic(), keyframe=keyframe),
    )
    tell(listening_s=time.monotonic())
    for line in sys.stdin:
        script = json.loads(line)
        server.script = Script(**script)
        if script:
            # A session that goes well would go on.
            server.cut()
    server.close()


if __name__ == "__main__":
    main()
