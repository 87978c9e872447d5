"""Has a video made, in a process of its own, and says how far it is."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from typing import Any, Final

from edge_agent.errors import EdgeAgentError, StorageError
from edge_agent.snapshots.video import VideoFacts, VideoJob

__all__ = ["VideoMaker"]

# One picture in this time is slow even for a Pi Zero; one that takes longer hangs.
_SILENT_S: Final = 60.0
_STOP_S: Final = 2.0


class VideoMaker:
    """Makes one video at a time."""

    def __init__(self, *, module: str = "edge_agent.snapshots.video", silent_s: float = _SILENT_S) -> None:
        self._module = module
        self._silent_s = silent_s
        self._one_at_a_time = asyncio.Lock()

    async def make(self, job: VideoJob, progress: Callable[[float], None]) -> VideoFacts:
        """Make it. Raises StorageError where that failed, EdgeAgentError `busy` while another one is made."""
        if self._one_at_a_time.locked():
            raise EdgeAgentError("another video is being made; try again when it is done", code="busy")
        async with self._one_at_a_time:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                self._module,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            try:
                return await self._follow(process, job, progress)
            finally:
                await _ended(process)

    async def _follow(
        self, process: asyncio.subprocess.Process, job: VideoJob, progress: Callable[[float], None]
    ) -> VideoFacts:
        if process.stdin is None or process.stdout is None:
            raise StorageError("the video's process has no pipes", code="video_failed")
        try:
            process.stdin.write(job.model_dump_json().encode())
            process.stdin.close()
            while True:
                async with asyncio.timeout(self._silent_s):
                    line = await process.stdout.readline()
                said = _object(line)
                if said is None:
                    raise StorageError(
                        "the process that makes the video ended before it was done", code="video_failed"
                    )
                if "progress" in said:
                    progress(said["progress"])
                elif "error" in said:
                    raise StorageError(f"the video was not made: {said['error']}", code="video_failed")
                else:
                    return VideoFacts.model_validate(said)
        except TimeoutError as error:
            raise StorageError(
                f"the video made no progress for {self._silent_s:.0f} s", code="video_failed"
            ) from error
        except (OSError, ValueError) as error:
            raise StorageError(f"the video was not made: {error}", code="video_failed") from error


def _object(line: bytes) -> dict[str, Any] | None:
    said = json.loads(line) if line.endswith(b"\n") else None
    return said if isinstance(said, dict) else None


async def _ended(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    try:
        async with asyncio.timeout(_STOP_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
