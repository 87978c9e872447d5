"""The far end of a stream by RTSP: it listens for ever and tells the arrival of each frame.

    python -m tests.receiver URL

One line of JSON a frame: `at_s` is the machine's monotonic time, the same in every process. A process of its
own, since libav waits for a publisher without letting other threads run; and one to be killed and stopped.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tests.rtsp_servers import free_port, wait_until

__all__ = ["Arrival", "Receiver", "main"]

_OPTIONS = {"rtsp_flags": "listen", "listen_timeout": "3600", "analyzeduration": "100000"}


@dataclass(frozen=True, slots=True)
class Arrival:
    """One frame."""

    at_s: float
    keyframe: bool
    size_bytes: int
    session: int


class Receiver:
    """A receiver's process, which keeps its port and its arrivals over all its lives."""

    def __init__(self) -> None:
        self.url = f"rtsp://127.0.0.1:{free_port()}/cam"
        self.arrivals: list[Arrival] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._reading: threading.Thread | None = None

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RuntimeError("the receiver was not started")
        return self._process.pid

    def start(self) -> None:
        """Begin to listen, soon."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.receiver", self.url], stdout=subprocess.PIPE
        )
        self._reading = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reading.start()

    def signal(self, number: signal.Signals) -> None:
        """Stop it, or let it go on."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """End it as a crash would."""
        process, self._process = self._process, None
        if process is not None and self._reading is not None:
            process.kill()
            process.wait(10)
            self._reading.join(10)
            if process.stdout is not None:
                process.stdout.close()

    def after(self, at_s: float) -> list[Arrival]:
        """Return what has arrived since then."""
        return [arrival for arrival in tuple(self.arrivals) if arrival.at_s > at_s]

    def wait_for(self, count: int, *, since_s: float | None = None, timeout_s: float = 20.0) -> float:
        """Wait for so many frames from now on, or since then; return when the first of them came."""
        begin_s = time.monotonic() if since_s is None else since_s
        wait_until(
            lambda: len(self.after(begin_s)) >= count,
            timeout_s=timeout_s,
            what=f"{count} frames at {self.url}",
        )
        return self.after(begin_s)[0].at_s

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
                self.arrivals.append(Arrival(**json.loads(line)))


def main() -> None:
    """Receive until the process is ended."""
    import av  # noqa: PLC0415 - the tests import this module, too

    session = 0
    while True:
        session += 1
        try:
            with av.open(sys.argv[1], format="rtsp", options=_OPTIONS, timeout=(None, 10.0)) as container:
                for arrival in _arrivals(container, session):
                    sys.stdout.write(json.dumps(arrival) + "\n")
                    sys.stdout.flush()
        except av.FFmpegError:
            time.sleep(0.05)


def _arrivals(container: object, session: int) -> Iterator[dict[str, object]]:
    for packet in container.demux(video=0):  # type: ignore[attr-defined]
        if packet.size:
            yield {
                "at_s": time.monotonic(),
                "keyframe": packet.is_keyframe,
                "size_bytes": packet.size,
                "session": session,
            }


if __name__ == "__main__":
    main()
