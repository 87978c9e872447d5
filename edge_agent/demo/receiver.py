"""A small receiver in MediaMTX's place: it takes one RTSP publisher, counts frames and keeps a picture.

    python -m edge_agent.demo.receiver --url rtsp://127.0.0.1:8554/demo --picture latest.jpg

It listens for ever, for one publisher at a time, and prints one line of JSON a second. Only keyframes are
decoded.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
import tempfile
import threading
import time
from collections import deque
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer

__all__ = ["Reception", "Totals", "main"]

logger = logging.getLogger(__name__)

_WINDOW_S: Final = 3.0
_REPORT_S: Final = 1.0
_SILENCE_S: Final = 10.0
_PAUSE_S: Final = 0.2
_LISTEN_S: Final = 3600  # libav 8 refuses its own default, which means for ever
_JPEG_QUALITY: Final = 85


@dataclass(frozen=True, slots=True)
class Reception:
    """What came in since the start; `fps` is over the last three seconds, `picture` the last one's path."""

    frames: int
    keyframes: int
    fps: float
    bytes: int
    sessions: int
    width: int | None
    height: int | None
    picture: str | None


class Totals:
    """Counts, written by the receiving thread and read by the reporting one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._times_s: deque[float] = deque()
        self._frames = 0
        self._keyframes = 0
        self._bytes = 0
        self._sessions = 0
        self._size: tuple[int, int] | None = None
        self._picture: str | None = None

    def begin(self) -> None:
        """Count a session."""
        with self._lock:
            self._sessions += 1

    def packet(self, size_bytes: int, *, keyframe: bool, now_s: float) -> None:
        """Count one frame."""
        with self._lock:
            self._frames += 1
            self._keyframes += keyframe
            self._bytes += size_bytes
            self._times_s.append(now_s)
            self._prune(now_s)

    def seen(self, *, width: int, height: int, picture: Path | None) -> None:
        """Note the size of a decoded keyframe and, if it was kept, where."""
        with self._lock:
            self._size = (width, height)
            if picture is not None:
                self._picture = str(picture)

    def reception(self, *, now_s: float) -> Reception:
        """Return the present counts."""
        with self._lock:
            self._prune(now_s)
            width, height = self._size or (None, None)
            return Reception(
                frames=self._frames,
                keyframes=self._keyframes,
                fps=round(len(self._times_s) / _WINDOW_S, 2),
                bytes=self._bytes,
                sessions=self._sessions,
                width=width,
                height=height,
                picture=self._picture,
            )

    def _prune(self, now_s: float) -> None:
        while self._times_s and self._times_s[0] <= now_s - _WINDOW_S:
            self._times_s.popleft()


def main(arguments: list[str] | None = None) -> None:
    """Receive until the process is ended."""
    parser = argparse.ArgumentParser(prog="edge_agent.demo.receiver", description=__doc__)
    parser.add_argument("--url", required=True, help="where to listen, rtsp://127.0.0.1:PORT/NAME")
    parser.add_argument("--picture", type=Path, help="where to keep the last keyframe as a JPEG")
    parser.add_argument("--every-s", type=float, default=2.0, help="at most one picture in so many seconds")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="receiver: %(levelname)s: %(message)s")
    # libav waits in C, where no handler of Python's would run: let the signals end the process at once.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    totals = Totals()
    threading.Thread(target=_report, args=(totals,), name="report", daemon=True).start()
    while True:
        _session(options.url, options.picture, options.every_s, totals)
        time.sleep(_PAUSE_S)


def _report(totals: Totals) -> None:
    while True:
        try:
            sys.stdout.write(json.dumps(asdict(totals.reception(now_s=time.monotonic()))) + "\n")
            sys.stdout.flush()
        except OSError:
            os._exit(0)  # nobody reads any more
        time.sleep(_REPORT_S)


def _session(url: str, picture: Path | None, every_s: float, totals: Totals) -> None:
    """Wait for a publisher and take all that it sends."""
    import av  # noqa: PLC0415 - whoever asks for --help needs no libav

    options = {
        "rtsp_flags": "listen",
        "listen_timeout": str(_LISTEN_S),
        "analyzeduration": "500000",
    }
    try:
        with closing(av.open(url, format="rtsp", options=options, timeout=(None, _SILENCE_S))) as container:
            totals.begin()
            _take(container, picture, every_s, totals)
    except TimeoutError:
        logger.info("nothing came in, listening again")
    except av.FFmpegError as error:
        logger.info("the publisher's session ended: %s", error.strerror)


def _take(container: InputContainer, picture: Path | None, every_s: float, totals: Totals) -> None:
    stream = container.streams.video[0]
    stream.codec_context.thread_count = 1
    next_picture_s = 0.0
    for packet in container.demux(stream):
        if packet.size == 0:
            continue
        now_s = time.monotonic()
        totals.packet(packet.size, keyframe=packet.is_keyframe, now_s=now_s)
        if packet.is_keyframe and now_s >= next_picture_s:
            frame = _decoded(stream.codec_context, packet)
            if frame is not None:
                next_picture_s = now_s + every_s
                kept = _keep(frame, picture) if picture is not None else None
                totals.seen(width=frame.width, height=frame.height, picture=kept)


def _decoded(context: Any, packet: Any) -> VideoFrame | None:
    """Decode one keyframe by itself."""
    import av  # noqa: PLC0415 - see _session()

    try:
        # A decoder holds frames back; the end of input makes it give them, flushing makes it begin anew.
        frames = [*context.decode(packet), *context.decode(None)]
        context.flush_buffers()
    except av.FFmpegError as error:
        logger.warning("a keyframe could not be decoded: %s", error.strerror)
        return None
    return frames[-1] if frames else None


def _keep(frame: Any, picture: Path) -> Path | None:
    """Write the frame as a JPEG, whole or not at all."""
    try:
        with tempfile.NamedTemporaryFile(dir=picture.parent, suffix=".jpg", delete=False) as file:
            try:
                frame.to_image().save(file, format="JPEG", quality=_JPEG_QUALITY)
                file.close()
                Path(file.name).replace(picture)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        logger.warning("the picture could not be written to %s: %s", picture, error)
        return None
    return picture


if __name__ == "__main__":
    main()
