"""The far end of a stream: it takes one publisher and tells each frame.

    python -m tests.integration.recorder URL

One line of JSON a frame: its time stamp and its arrival in seconds, and the grey levels of its picture made
small. A process of its own, since libav waits for a publisher without letting other threads run.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from types import TracebackType
from typing import IO, Any, Self

import av
import numpy as np
import numpy.typing as npt

from tests.rtsp_servers import free_port, wait_until

__all__ = ["THUMBNAIL", "Recorder", "main"]

THUMBNAIL = (16, 12)


class Recorder:
    """A listening recorder for the length of a `with` block; `frames` grows."""

    def __init__(self) -> None:
        self.url = f"rtsp://127.0.0.1:{free_port()}/recorded"
        self.frames: list[dict[str, Any]] = []

    def wait_for(self, count: int, *, timeout_s: float = 40.0) -> None:
        """Wait until so many frames came in."""
        wait_until(lambda: len(self.frames) >= count, timeout_s=timeout_s, what=f"{count} frames")

    def thumbnails(self) -> npt.NDArray[np.float64]:
        """Return the pictures so far, from 0 to 255."""
        return np.array([frame["grey"] for frame in tuple(self.frames)], np.float64)

    def __enter__(self) -> Self:
        program = [sys.executable, "-m", "tests.integration.recorder", self.url]
        self._process = subprocess.Popen(program, stdout=subprocess.PIPE)
        if self._process.stdout is None:
            raise RuntimeError("the recorder has no output")
        self._reading = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._reading.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait(10)
        self._reading.join(10)

    def _read(self, output: IO[bytes]) -> None:
        with output:
            for line in output:
                self.frames.append(json.loads(line))


def main() -> None:
    """Record until the publisher leaves."""
    options = {"rtsp_flags": "listen", "listen_timeout": "60", "analyzeduration": "500000"}
    with av.open(sys.argv[1], format="rtsp", options=options, timeout=(None, 60.0)) as container:
        stamped = False
        for frame in container.decode(video=0):
            # libav has no time stamp for what comes before the first sender report of RTCP: the first frame.
            if frame.time is None and not stamped:
                continue
            stamped = True
            small = frame.reformat(*THUMBNAIL, format="gray").to_ndarray()
            told = {"pts_s": frame.time, "at_s": time.monotonic(), "grey": small.tolist()}
            sys.stdout.write(json.dumps(told) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
