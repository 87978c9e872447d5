"""Starting a child process, and saying how one ended."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from edge_agent.errors import ProcessError
from edge_agent.processes.relay import relay_lines

__all__ = ["Process", "Spawn", "ending", "oom_kills", "spawn_module"]

_LAST_WORDS_S: Final = 0.2
_KERNEL_COUNTS: Final = Path("/proc/vmstat")


class Process(Protocol):
    """A running process, as much of it as its supervisor needs."""

    @property
    def pid(self) -> int:
        """The process's number."""
        ...

    async def wait(self) -> int:
        """Wait for its end and reap it; returns the exit code, or the negative number of a signal."""
        ...

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens where it has ended. SIGKILL takes its own children with it."""
        ...


class Spawn(Protocol):
    """How a child is started."""

    async def __call__(self, module: str, arguments: Sequence[str], pass_fds: Sequence[int]) -> Process:
        """Start `python -m module arguments`. Raises ProcessError."""
        ...


class _SystemProcess:
    def __init__(self, process: asyncio.subprocess.Process, relay: asyncio.Task[None]) -> None:
        self._process = process
        self._relay = relay

    @property
    def pid(self) -> int:
        return self._process.pid

    async def wait(self) -> int:
        code = await self._process.wait()
        # Its last words are often the reason; a process that it left behind may hold the pipe for ever.
        await asyncio.wait({self._relay}, timeout=_LAST_WORDS_S)
        self._relay.cancel()
        return code

    def signal(self, number: signal.Signals) -> None:
        if self._process.returncode is not None:
            return
        try:
            if number == signal.SIGKILL:
                os.killpg(self._process.pid, number)  # it leads its own session, so this is its group
            else:
                os.kill(self._process.pid, number)
        except ProcessLookupError:
            return  # it has just ended


async def spawn_module(module: str, arguments: Sequence[str], pass_fds: Sequence[int]) -> Process:
    """Start a module of this program in a session of its own, so that Ctrl-C reaches only the agent.

    Its messages for people are logged as this program's own; what it prints by mistake goes nowhere.
    """
    # A pipe of our own: asyncio's makes `wait` wait for whoever else holds it.
    try:
        reading, writing = os.pipe()
    except OSError as error:
        raise ProcessError(f"'{module}' could not be started: {error}") from error
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            module,
            *arguments,
            pass_fds=tuple(pass_fds),
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=writing,
            start_new_session=True,
        )
    except BaseException as error:
        os.close(reading)
        if isinstance(error, OSError):
            raise ProcessError(f"'{module}' could not be started: {error}") from error
        raise
    finally:
        os.close(writing)
    relay = asyncio.get_running_loop().create_task(relay_lines(reading, module=module), name=f"{module} log")
    return _SystemProcess(process, relay)


def ending(code: int) -> str:
    """Say how a process ended, by its exit code or the negative number of a signal."""
    if code >= 0:
        return f"exited with code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        return f"was killed by signal {-code}"
    return f"was killed by signal {-code} ({name})"


def oom_kills() -> int:
    """Return how many processes the kernel has killed for want of memory, 0 where it does not tell."""
    try:
        lines = _KERNEL_COUNTS.read_text().splitlines()
        return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)
    except (OSError, ValueError):
        return 0
