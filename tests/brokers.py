"""Real brokers for tests, each a process of its own on a free port of the loopback."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["Amqtt", "Broker", "Mosquitto", "free_port", "mosquitto_executable"]

_START_TIMEOUT_S = 10.0

_AMQTT_PROGRAM = """
import asyncio, logging, sys
from amqtt.broker import Broker
logging.disable(logging.CRITICAL)
async def main():
    config = {
        "listeners": {"default": {"type": sys.argv[2], "bind": "127.0.0.1:" + sys.argv[1]}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    }
    broker = Broker(config)
    await broker.start()
    await asyncio.Event().wait()
asyncio.run(main())
"""


def free_port() -> int:
    """Return a port of the loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def mosquitto_executable() -> str | None:
    """Return where mosquitto is; it may be outside a user's PATH."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


class Broker:
    """A broker's process: start, stop, kill, freeze and thaw it, on one port for all its lives."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def start(self) -> None:
        """Start it and wait until it takes connections. It has nothing from an earlier life."""
        with (self.directory / f"broker-{self.port}.log").open("ab") as log:
            self._process = subprocess.Popen(self.command(), stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + _START_TIMEOUT_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self.kill()
                    raise RuntimeError(f"the broker did not start:\n{self.log()}") from None
                time.sleep(0.02)
            else:
                return

    def log(self) -> str:
        """Return what it has written so far."""
        return (self.directory / f"broker-{self.port}.log").read_text(errors="replace")

    def stop(self) -> None:
        """Ask it to end, and wait."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Stop it without closing anything: its sockets are half open then."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on after `freeze`."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            os.kill(self._process.pid, number)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(number)
            process.send_signal(signal.SIGCONT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
        process.kill()
        process.wait(5)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()


class Mosquitto(Broker):
    """mosquitto, anonymous unless `config` says otherwise; `listener` goes into its listener's section.

    `also` are addresses beside the loopback's where it listens, too. One that is `persistent` knows in its
    next life what it knew in the last one. `secured` are the lines of another listener, on `secured_port`.
    """

    def __init__(
        self,
        directory: Path,
        config: str = "",
        *,
        listener: str = "",
        also: Sequence[str] = (),
        persistent: bool = False,
        secured: str = "",
    ) -> None:
        super().__init__(directory)
        self._config = config
        self._listener = listener
        self._also = tuple(also)
        self._persistent = persistent
        self._secured = secured
        self.secured_port = free_port() if secured else 0

    def command(self) -> list[str]:
        executable = mosquitto_executable()
        if executable is None:
            raise RuntimeError("mosquitto is not installed: apt install mosquitto")
        anonymous = "" if "allow_anonymous" in self._config else "allow_anonymous true\n"
        file = self.directory / f"mosquitto-{self.port}.conf"
        file.write_text(
            # Started as root it would become a user who cannot read the tests' files.
            f"user root\n{anonymous}{self._config}\n"
            f"set_tcp_nodelay true\n{self._storage()}\nlog_dest stderr\n"
            f"listener {self.port} 127.0.0.1\n{self._listener}\n"
            + "".join(f"listener {self.port} {address}\n{self._listener}\n" for address in self._also)
            + (f"listener {self.secured_port} 127.0.0.1\n{self._secured}\n" if self._secured else "")
        )
        return [executable, "-c", str(file)]

    def _storage(self) -> str:
        if not self._persistent:
            return "persistence false"
        # Written at every change, since it is going to be killed.
        return (
            f"persistence true\npersistence_location {self.directory}/\n"
            "autosave_on_changes true\nautosave_interval 1"
        )


class Amqtt(Broker):
    """amqtt, which knows MQTT 3.1.1 only; `transport` is tcp or ws."""

    def __init__(self, directory: Path, *, transport: str = "tcp") -> None:
        super().__init__(directory)
        self._transport = transport

    def command(self) -> list[str]:
        return [sys.executable, "-W", "ignore", "-c", _AMQTT_PROGRAM, str(self.port), self._transport]
