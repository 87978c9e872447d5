"""Servers that can be broken and mended: the suite's own receiver, and a real MediaMTX."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Protocol, Self

from tests.receiver import Receiver
from tests.rtsp_servers import free_port, wait_until

__all__ = ["MediaMtx", "Own", "Server", "mediamtx_executable"]


class Server(Protocol):
    """A stream's server."""

    url: str

    def broken_by(self) -> frozenset[str]:
        """Return the faults that can be done to it."""

    def break_it(self, fault: str) -> None:
        """Do a fault to it."""

    def mend(self) -> float:
        """Undo the fault; return the monotonic time from which it worked again."""

    def first_after(self, at_s: float) -> float | None:
        """Return when the first frame after this moment came, None where none has."""


class Own:
    """The suite's own receiver."""

    _SCRIPTS: ClassVar[dict[str, dict[str, Any]]] = {
        "401": {"status": "401 Unauthorized"},
        "400": {"status": "400 Bad Request"},
        "404": {"status": "404 Not Found"},
        "never answers": {"silent": True},
        "reads no more": {"stall": True},
    }

    def __init__(self) -> None:
        self._receiver = Receiver()
        self.url = self._receiver.url
        self._fault = ""

    def broken_by(self) -> frozenset[str]:
        return frozenset({*self._SCRIPTS, "killed", "stopped", "cut off"})

    def break_it(self, fault: str) -> None:
        self._fault = fault
        if fault == "killed":
            self._receiver.kill()
        elif fault == "stopped":
            self._receiver.signal(signal.SIGSTOP)
        else:
            self._receiver.behave(**self._SCRIPTS.get(fault, {"status": "200 OK"}))

    def mend(self) -> float:
        fault, self._fault = self._fault, ""
        if fault == "killed":
            return self._receiver.start()
        if fault == "stopped":
            self._receiver.signal(signal.SIGCONT)
        else:
            self._receiver.behave()
        return time.monotonic()

    def first_after(self, at_s: float) -> float | None:
        return self._receiver.first_after(at_s)

    def __enter__(self) -> Self:
        self._receiver.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._receiver.kill()


def mediamtx_executable(named: str | None) -> str | None:
    """Return MediaMTX's executable, None where none is named or what is named is none."""
    return shutil.which(named) if named else None


class MediaMtx:
    """A real MediaMTX; whether frames come in is asked of its API, twenty times a second."""

    _CONFIG = """
logLevel: info
api: yes
apiAddress: 127.0.0.1:{api}
rtspAddress: 127.0.0.1:{rtsp}
rtspTransports: [tcp]
rtmp: no
hls: no
webrtc: no
srt: no
authInternalUsers:
- user: any
  ips: ['127.0.0.1', '::1']
  permissions: [{{action: api}}{publish}]
paths:
  {path}:
"""

    def __init__(self, executable: str, directory: Path) -> None:
        self._executable = executable
        self._directory = directory
        self._rtsp, self._api = free_port(), free_port()
        self.url = f"rtsp://127.0.0.1:{self._rtsp}/cam"
        self._process: subprocess.Popen[bytes] | None = None
        self._fault = ""
        self._times: list[float] = []
        self._ending = threading.Event()
        self._watching = threading.Thread(target=self._watch, daemon=True)

    def broken_by(self) -> frozenset[str]:
        return frozenset({"killed", "stopped", "401", "400", "cut off"})

    def break_it(self, fault: str) -> None:
        self._fault = fault
        if fault == "stopped":
            self._signal(signal.SIGSTOP)
        elif fault == "cut off":
            for session in self._ask("v3/rtspsessions/list")["items"]:
                self._ask(f"v3/rtspsessions/kick/{session['id']}", method="POST")
        else:
            self._kill()
            if fault == "401":
                self._start(publish="")
            elif fault == "400":
                self._start(path="other")

    def mend(self) -> float:
        fault, self._fault = self._fault, ""
        if fault == "stopped":
            self._signal(signal.SIGCONT)
        elif fault != "cut off":
            self._kill()
            self._start()
        return time.monotonic()

    def first_after(self, at_s: float) -> float | None:
        return next((time_s for time_s in tuple(self._times) if time_s > at_s), None)

    def __enter__(self) -> Self:
        self._start()
        self._watching.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._watching.join(10)
        self._kill()

    def _start(self, *, publish: str = ", {action: publish}", path: str = "cam") -> None:
        file = self._directory / "mediamtx.yml"
        file.write_text(self._CONFIG.format(api=self._api, rtsp=self._rtsp, publish=publish, path=path))
        with (self._directory / "mediamtx.log").open("ab") as log:
            # It keeps a certificate of its own where it was started.
            self._process = subprocess.Popen(
                [self._executable, str(file)], stdout=log, stderr=log, cwd=self._directory
            )
        wait_until(lambda: self._ask("v3/paths/list", quiet=True) is not None, what="MediaMTX")

    def _kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(10)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def _ask(self, what: str, *, method: str = "GET", quiet: bool = False) -> Any:
        request = urllib.request.Request(f"http://127.0.0.1:{self._api}/{what}", method=method)
        try:
            with urllib.request.urlopen(request, timeout=2) as answer:
                return json.loads(answer.read() or b"{}")
        except (OSError, urllib.error.URLError):
            if quiet:
                return None
            raise

    def _watch(self) -> None:
        before = 0
        while not self._ending.wait(0.05):
            with contextlib.suppress(OSError, ValueError, KeyError):
                path = self._ask("v3/paths/get/cam")
                count = path.get("inboundBytes", path.get("bytesReceived", 0))
                if count > before:
                    self._times.append(time.monotonic())
                before = count
