"""A video made of pictures: a process of its own, so that the agent neither waits nor carries libav.

    python -m edge_agent.snapshots.video < job

The job is one JSON object on standard input; each line of standard output is one, too: `{"progress": 0.5}`,
in the end `{"frames": 100, "skipped": 1, ...}` or `{"error": "..."}`. The file is there whole or not at all.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from av import VideoFrame

__all__ = ["VideoFacts", "VideoJob", "make_video"]

_CRF: Final = "23"
_TOLD_EVERY: Final = 0.01
_NICE: Final = 10
_REC709: Final = 1


class VideoJob(BaseModel):
    """What to make: `files` in their order, at `fps`, in the first one's size unless told otherwise."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    files: tuple[Path, ...] = Field(min_length=1)
    target: Path
    fps: float = Field(25.0, ge=1, le=120)
    width: int | None = Field(None, ge=16, le=4096)
    height: int | None = Field(None, ge=16, le=4096)


class VideoFacts(BaseModel):
    """What was made. `skipped` pictures could not be read."""

    model_config = ConfigDict(frozen=True)

    frames: int
    skipped: int
    width: int
    height: int
    duration_s: float
    size_bytes: int


def make_video(job: VideoJob, progress: Callable[[float], None]) -> VideoFacts:
    """Make an MP4 of H.264 that plays everywhere. Raises OSError, ValueError and libav's errors."""
    import av  # noqa: PLC0415 - only in the process that makes the video
    from av.video.reformatter import ColorRange, Colorspace  # noqa: PLC0415 - see above

    unfinished = job.target.with_name(f".{job.target.name}.part")
    frames, told = 0, 0.0
    size: tuple[int, int] | None = None
    try:
        with av.open(str(unfinished), "w", format="mp4", options={"movflags": "+faststart"}) as container:
            stream: Any = container.add_stream("libx264", rate=Fraction(job.fps).limit_denominator(1000))
            stream.pix_fmt = "yuv420p"
            stream.options = {"crf": _CRF, "preset": "veryfast"}
            stream.codec_context.color_range = ColorRange.MPEG
            stream.codec_context.colorspace = Colorspace.ITU709
            stream.codec_context.color_primaries = _REC709
            stream.codec_context.color_trc = _REC709
            for number, picture in _pictures(job.files):
                if size is None:
                    size = _size(job, picture)
                    stream.width, stream.height = size
                frame = picture.reformat(
                    width=size[0],
                    height=size[1],
                    format="yuv420p",
                    dst_colorspace=Colorspace.ITU709,
                    dst_color_range=ColorRange.MPEG,
                )
                frame.pts = frames
                frame.time_base = Fraction(1) / stream.codec_context.framerate
                container.mux(stream.encode(frame))
                frames += 1
                share = (number + 1) / len(job.files)
                if share - told >= _TOLD_EVERY:
                    told = share
                    progress(share)
            if size is None:
                raise ValueError("none of the pictures can be read")
            container.mux(stream.encode(None))
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        unfinished.replace(job.target)
    finally:
        with contextlib.suppress(FileNotFoundError):
            unfinished.unlink()
    return VideoFacts(
        frames=frames,
        skipped=len(job.files) - frames,
        width=size[0],
        height=size[1],
        duration_s=round(frames / job.fps, 3),
        size_bytes=job.target.stat().st_size,
    )


def _pictures(files: tuple[Path, ...]) -> Iterator[tuple[int, VideoFrame]]:
    """Yield each file's picture with its number; what cannot be read is left out."""
    import av  # noqa: PLC0415 - see make_video()
    from av.error import FFmpegError  # noqa: PLC0415 - see make_video()

    for number, path in enumerate(files):
        try:
            with av.open(str(path), "r") as container:
                picture = next(iter(container.decode(video=0)), None)
        except (FFmpegError, OSError, ValueError):
            continue
        if picture is not None:
            yield number, picture


def _size(job: VideoJob, first: VideoFrame) -> tuple[int, int]:
    """Return an even size; where one side is given the other follows."""
    width, height = job.width, job.height
    if width is None and height is None:
        # H.264 goes no further on most players.
        scale = min(1.0, 4096 / max(first.width, first.height))
        width, height = round(first.width * scale), round(first.height * scale)
    elif width is None:
        width = round(first.width * (height or first.height) / first.height)
    elif height is None:
        height = round(first.height * width / first.width)
    return max(2, (width or 2) // 2 * 2), max(2, (height or 2) // 2 * 2)


def main() -> int:
    """Do the one job of standard input."""

    def say(**fields: Any) -> None:
        sys.stdout.write(json.dumps(fields) + "\n")
        sys.stdout.flush()

    os.nice(_NICE)  # the stream goes first
    try:
        job = VideoJob.model_validate_json(sys.stdin.read())
        facts = make_video(job, lambda share: say(progress=round(share, 3)))
    except Exception as error:  # noqa: BLE001 - whatever it was, the agent is told
        say(error=f"{type(error).__name__}: {error}")
        return 1
    say(**facts.model_dump())
    return 0


if __name__ == "__main__":
    sys.exit(main())
