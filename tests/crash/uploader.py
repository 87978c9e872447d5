"""The process that is killed: adds pictures and uploads them until then, or until all are uploaded.

It is forked from one that has loaded everything, so that hundreds of starts take no time. That one reads a
line of JSON for each start from its standard input and answers with the process's id, then with its end.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Self

from edge_agent.clock import SystemClock
from edge_agent.contract.events import Events
from edge_agent.contract.topics import Topics
from edge_agent.errors import StorageError
from edge_agent.health.problems import Problems
from edge_agent.snapshots.upload import client, uploads
from edge_agent.snapshots.upload.config import UploadConfig
from tests.snapshots.pictures import content_of, picture_of

__all__ = ["Uploaders"]

logger = logging.getLogger(__name__)

# Loaded here, once: the worker threads of each fork find it.
_ = client


class Uploaders:
    """Starts such processes, one at a time."""

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "tests.crash.uploader"]
        self._forge = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._forge.communicate(timeout=10)

    def start(self, **facts: Any) -> int:
        """Start one and return its process's id."""
        if self._forge.stdin is None:
            raise RuntimeError("not started")
        self._forge.stdin.write(json.dumps(facts) + "\n")
        self._forge.stdin.flush()
        return int(self._line())

    def ended(self) -> int:
        """Wait for its end and return how it ended: what it exited with, or minus the signal."""
        return int(self._line())

    def _line(self) -> str:
        if self._forge.stdout is None or not (line := self._forge.stdout.readline()):
            raise RuntimeError("the uploaders' own process is gone")
        return line


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> None:
    for line in sys.stdin:
        facts = json.loads(line)
        pid = os.fork()
        if pid == 0:
            try:
                asyncio.run(_live(**facts))
            except BaseException:
                logger.exception("The uploader failed")
                os._exit(1)
            os._exit(0)
        _say(str(pid))
        _say(str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])))


async def _live(
    *,
    directory: str,
    log: str,
    first: int,
    sizes: list[int],
    drain: bool,
    config: dict[str, Any],
) -> None:
    clock, random = SystemClock(), Random(first)
    events = Events(topics=Topics(root="crash", node="porch"), clock=clock, publish=lambda _: None)
    spool = uploads.Uploads(
        config=UploadConfig(**config),
        directory=Path(directory),
        node="porch",
        clock=clock,
        random=random,
        events=events,
        problems=Problems(clock=clock, events=events, changed=lambda: None),
        status_changed=lambda: None,
    )
    promises = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    numbers = iter(range(first, first + 100_000))

    async def add() -> None:
        for number in numbers:
            content = content_of(number, random.choice(sizes))
            try:
                await spool.add(picture_of(number, content), content)
            except StorageError as error:
                os.write(promises, f"{error.code}\n".encode())
                await asyncio.sleep(0.005)
            else:
                # From here on the caller was told that it is safe.
                os.write(promises, f"{number} {len(content)}\n".encode())
            await asyncio.sleep(random.choice([0, 0, 0.001, 0.01]))

    async with spool:
        if not drain:
            await asyncio.gather(*(add() for _ in range(3)))
        while (status := spool.status()).waiting or status.uploading or status.bytes:
            if status.parked or status.damaged:
                raise RuntimeError(f"not all could be uploaded: {status}")
            await asyncio.sleep(0.01)
        if status.damaged:
            raise RuntimeError(f"some were damaged: {status}")


if __name__ == "__main__":
    main()
