"""Thumbnails, made where they are asked for, by a process that lives for one of them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from typing import Final

from edge_agent.errors import ProcessError, RefusedError

__all__ = ["Thumbnailer"]

_WORKER: Final = "edge_agent.snapshots.thumbnail_worker"
_TIMEOUT_S: Final = 30.0
_MAX_WAITING: Final = 16


class Thumbnailer:
    """Makes thumbnails, one at a time."""

    def __init__(self, *, worker: str = _WORKER, timeout_s: float = _TIMEOUT_S) -> None:
        self._worker = worker
        self._timeout_s = timeout_s
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def make(self, descriptor: int) -> bytes:
        """Return a JPEG of at most 320 pixels a side of the picture in an open file.

        Raises RefusedError `no_thumbnail` for what cannot be decoded, `busy`; ProcessError.
        """
        if self._waiting >= _MAX_WAITING:
            raise RefusedError(f"{_MAX_WAITING} thumbnails are waited for already, try again", code="busy")
        self._waiting += 1
        try:
            async with self._turn:
                return await self._made(descriptor)
        finally:
            self._waiting -= 1

    async def _made(self, descriptor: int) -> bytes:
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                self._worker,
                stdin=descriptor,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise ProcessError(f"the process for a thumbnail could not be started: {error}") from error
        try:
            async with asyncio.timeout(self._timeout_s):
                content, words = await process.communicate()
        except TimeoutError as error:
            raise ProcessError(
                f"a thumbnail was not made within {self._timeout_s:g} s", code="timeout"
            ) from error
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        if process.returncode or not content:
            why = words.decode(errors="replace").strip().rpartition("\n")[2][:200] or "it says nothing"
            raise RefusedError(
                f"there is no thumbnail of this picture, it cannot be decoded ({why}); get it in full",
                code="no_thumbnail",
            )
        return content
