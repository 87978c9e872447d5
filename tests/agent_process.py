"""A whole agent as a user has it: `edge-agent run` in a process of its own, and its topics."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from tests.listener import Listener, Seen

__all__ = ["FINAL", "AgentProcess"]

FINAL = {"done", "failed", "rejected", "expired"}
_IDS = itertools.count(1)


class AgentProcess:
    """An agent on a broker of the loopback, with a small simulated camera unless told otherwise.

    `through` is a command that is put before its own and becomes it, `module` what runs in place of
    `edge_agent`, `environ` what its environment has besides.
    """

    def __init__(
        self,
        directory: Path,
        *,
        port: int,
        listener: Listener,
        node: str = "porch",
        through: Sequence[str] = (),
        environ: Mapping[str, str] | None = None,
        state_dir: str | None = None,
        module: str = "edge_agent",
        **sections: Mapping[str, Any],
    ) -> None:
        document: dict[str, Any] = {
            "node": {"id": node, "groups": ["outdoor"]},
            "mqtt": {"host": "127.0.0.1", "port": port, "backoff": {"min_s": 0.1, "max_s": 0.5}},
            "camera": {"driver": "simulated", "options": {"lux": 500}},
            "stream": {
                "url": "rtsp://127.0.0.1:1/none",
                "enabled": False,
                "width": 320,
                "height": 240,
                "fps": 20,
            },
            "status": {"interval_s": 1},
            "heartbeat": {"interval_s": 1},
            "profiles": {"directories": []},
            "state_dir": state_dir or str(directory / "state"),
        }
        for name, section in sections.items():
            document[name] = {**document.get(name, {}), **section}
        self.base = f"edge/v1/{node}"
        self.path = directory / "config.yaml"
        self.path.write_text(yaml.safe_dump(document))
        self._module = module
        self._log = directory / "agent.log"
        self._listener = listener
        self._through = tuple(through)
        self._environ = dict(environ or {})
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if error is not None:
            sys.stderr.write(self.log())

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RuntimeError("the agent was not started")
        return self._process.pid

    def start(self) -> None:
        """Start it, and return at once."""
        environ = {name: value for name, value in os.environ.items() if not name.startswith("EDGE_AGENT_")}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._through, sys.executable, "-m", self._module, "run", "--config", str(self.path)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**environ, **self._environ},
            )

    def stop(self) -> int:
        """Stop it as systemd does, and return its exit code."""
        process = self._process
        if process is None:
            return 0
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.terminate()
        try:
            return process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the agent's own process."""
        os.kill(self.pid, number)
        if number == signal.SIGKILL and self._process is not None:
            self._process.wait(10)

    def log(self) -> str:
        """Return what it has logged."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def online(self, *, since: int = 0, timeout_s: float = 20.0) -> Seen:
        """Wait for the birth's last message."""
        return self._listener.wait(
            f"{self.base}/availability",
            lambda message: message.json["state"] == "online",
            since=since,
            timeout_s=timeout_s,
        )

    def status(
        self,
        accept: Callable[[Any], bool] = lambda _: True,
        *,
        since: int | None = None,
        timeout_s: float = 20.0,
    ) -> Any:
        """Wait for a status that `accept` takes; by default one that is yet to come."""
        start = self._listener.mark() if since is None else since
        message = self._listener.wait(
            f"{self.base}/status", lambda seen: accept(seen.json), since=start, timeout_s=timeout_s
        )
        return message.json

    def running(self, *, since: int = 0, timeout_s: float = 20.0) -> Any:
        """Wait until the camera gives frames."""
        return self.status(
            lambda status: status["camera"]["state"] == "running", since=since, timeout_s=timeout_s
        )

    def command(self, name: str, arguments: Any = None, *, timeout_s: float = 15.0, **envelope: Any) -> Any:
        """Send a command with an id of its own and return its final reply."""
        identity = envelope.pop("id", f"t{next(_IDS)}")
        mark = self._listener.mark()
        self._listener.publish(f"{self.base}/cmd/{name}", {**(arguments or {}), "id": identity, **envelope})
        return self._listener.wait(
            f"{self.base}/reply/{name}",
            lambda seen: seen.json["id"] == identity and seen.json["state"] in FINAL,
            since=mark,
            timeout_s=timeout_s,
        ).json

    def child(self, role: str, *, since: int | None = None) -> int:
        """Return the pid of one of its children, as the heartbeat says."""
        start = self._listener.mark() if since is None else since
        heartbeat = self._listener.wait(
            f"{self.base}/heartbeat", lambda seen: role in _pids(seen.json), since=start
        )
        return _pids(heartbeat.json)[role]


def _pids(heartbeat: Any) -> dict[str, int]:
    return {name: process["pid"] for name, process in (heartbeat.get("processes") or {}).items() if process}
