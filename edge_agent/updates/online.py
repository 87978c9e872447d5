"""The word to the update helper that this process is online at the broker: a file, gone with the process."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from pathlib import Path

from edge_agent import __version__
from edge_agent.errors import StorageError
from edge_agent.storage import write_atomically

__all__ = ["OnlineMark"]

logger = logging.getLogger(__name__)


class OnlineMark:
    """`online.json` in the service's runtime directory, which systemd makes and takes away; None: no such."""

    def __init__(self, runtime_directory: str | None) -> None:
        # Several are separated by colons; the unit has one.
        first = (runtime_directory or "").partition(":")[0]
        self._path = Path(first) / "online.json" if first else None
        self._task: asyncio.Task[None] | None = None

    def set(self) -> None:
        """Say it, again at each birth; returns at once."""
        if self._path is not None and (self._task is None or self._task.done()):
            self._task = asyncio.get_running_loop().create_task(self._write(self._path), name="online mark")

    async def close(self) -> None:
        """Let the writing end."""
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    async def _write(self, path: Path) -> None:
        content = json.dumps({"pid": os.getpid(), "version": __version__}).encode()
        try:
            await asyncio.to_thread(write_atomically, path, content, wait_for_disk=False)
        except StorageError as error:
            logger.warning("An update would be taken for one that does not come online: %s", error.message)
