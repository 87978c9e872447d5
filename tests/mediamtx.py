"""A real MediaMTX for tests, where there is one: a process on free ports that can be frozen and killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.rtsp_servers import free_port

__all__ = ["MediaMtx", "mediamtx_executable"]

_START_TIMEOUT_S = 15.0
_QUIET = "api: yes\nrtspTransports: [tcp]\nhls: no\nwebrtc: no\nrtmp: no\nsrt: no\nmoq: no\n"
_ANY_PATH = "paths:\n  all_others:\n"


def mediamtx_executable() -> str | None:
    """Return where MediaMTX is: what MEDIAMTX_EXECUTABLE names, or in PATH."""
    return os.environ.get("MEDIAMTX_EXECUTABLE") or shutil.which("mediamtx")


class MediaMtx:
    """One server, its addresses overridden by the environment.

    Its configuration is `file`, or a quiet one that speaks RTSP alone, with `paths`.
    """

    def __init__(
        self,
        directory: Path,
        *,
        file: Path | None = None,
        paths: str = _ANY_PATH,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.rtsp_port, self.api_port = free_port(), free_port()
        self.api_url = f"http://127.0.0.1:{self.api_port}"
        if file is None:
            file = directory / f"mediamtx-{self.rtsp_port}.yml"
            file.write_text(_QUIET + paths)
        self._file = file
        self._log = directory / f"mediamtx-{self.rtsp_port}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._environment = {
            "PATH": os.environ.get("PATH", ""),
            "MTX_APIADDRESS": f"127.0.0.1:{self.api_port}",
            "MTX_RTSPADDRESS": f"127.0.0.1:{self.rtsp_port}",
            "MTX_HLSADDRESS": f"127.0.0.1:{free_port()}",
            "MTX_WEBRTCADDRESS": f"127.0.0.1:{free_port()}",
            "MTX_WEBRTCLOCALUDPADDRESS": f"127.0.0.1:{free_port()}",
            **(environment or {}),
        }

    def url(self, path: str = "porch", *, user: str = "") -> str:
        """Return where a path is published and read; `user` is `name:password`."""
        return f"rtsp://{user + '@' if user else ''}127.0.0.1:{self.rtsp_port}/{path}"

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def start(self) -> None:
        """Start it and wait until its API answers, be it with a no."""
        executable = mediamtx_executable()
        if executable is None:
            raise RuntimeError("there is no MediaMTX here")
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [executable, str(self._file)],
                stdout=log,
                stderr=log,
                env=self._environment,
                cwd=self._file.parent,
            )
        deadline_s = time.monotonic() + _START_TIMEOUT_S
        while self._asked("paths/list") is None:
            if self._process.poll() is not None or time.monotonic() > deadline_s:
                self.kill()
                raise AssertionError(f"MediaMTX did not start:\n{self.log()}")
            time.sleep(0.05)

    def freeze(self) -> None:
        """Stop it without closing anything."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it as a crash would."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(10)

    def path(self, name: str = "porch") -> Any:
        """Return what the API says of a path, {} where it has none."""
        return self._asked(f"paths/get/{name}") or {}

    def _asked(self, what: str) -> Any:
        try:
            with urllib.request.urlopen(f"{self.api_url}/v3/{what}", timeout=2) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            error.close()
            return {}
        except OSError:
            return None

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.kill()
