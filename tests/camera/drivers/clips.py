"""Small video files for the tests of the file driver, made on the spot."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

WIDTH, HEIGHT, FPS, FRAMES, GROUP = 160, 120, 20, 20, 5


def luma_of_frame(number: int) -> int:
    """How bright the left half of a clip's picture is; the right half is black."""
    return 40 + 8 * (number % FRAMES)


def picture(number: int) -> npt.NDArray[np.uint8]:
    planes = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
    planes[:HEIGHT, : WIDTH // 2] = luma_of_frame(number)
    planes[:HEIGHT, WIDTH // 2 :] = 16
    # Top rows bright on both sides, so that up can be told from down.
    planes[: HEIGHT // 8] = 235
    # A colour, so that saturation can be seen.
    planes[HEIGHT : HEIGHT + HEIGHT // 4] = 90
    return planes


def make_clip(
    path: Path,
    *,
    codec: str = "libx264",
    b_frames: int = 0,
    frames: int = FRAMES,
    group: int = GROUP,
    fps: int = FPS,
) -> Path:
    container: Any = av.open(str(path), "w")
    stream: Any = container.add_stream(codec, rate=fps)
    stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    stream.codec_context.gop_size = group
    stream.codec_context.max_b_frames = b_frames
    stream.codec_context.bit_rate = 400_000
    if codec == "libx264":
        stream.options = {"preset": "medium" if b_frames else "ultrafast", "x264-params": "scenecut=0"}
    for number in range(frames):
        frame = av.VideoFrame.from_ndarray(picture(number), format="yuv420p")
        frame.pts, frame.time_base = number, Fraction(1, fps)
        container.mux(stream.encode(frame))
    container.mux(stream.encode())
    container.close()
    return path
