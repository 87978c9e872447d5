"""Starting a child process, and saying how one ended."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from typing import Protocol

from edge_agent.errors import ProcessError

__all__ = ["Process", "Spawn", "ending", "spawn_module"]


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
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    async def wait(self) -> int:
        return await self._process.wait()

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

    Its messages for people go to this program's standard error; what it prints by mistake goes nowhere.
    """
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
            start_new_session=True,
        )
    except OSError as error:
        raise ProcessError(f"'{module}' could not be started: {error}") from error
    return _SystemProcess(process)


def ending(code: int) -> str:
    """Say how a process ended, by its exit code or the negative number of a signal."""
    if code >= 0:
        return f"exited with code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        return f"was killed by signal {-code}"
    return f"was killed by signal {-code} ({name})"
