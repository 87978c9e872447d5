"""From a camera buffer to a frame of one's own: one copy, without the buffer's padding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from av import VideoFrame
from av.video.reformatter import ColorRange, Colorspace

from edge_agent.camera.drivers.picamera2.backend import Backend
from edge_agent.errors import CameraError

__all__ = ["FORMATS", "copy_frame"]

# libcamera's name -> FFmpeg's, and of each plane how many bytes a row has and how many rows there are, as
# divisors of the picture's width and height.
FORMATS: Final[Mapping[str, tuple[str, tuple[tuple[int, int], ...]]]] = {
    "YUV420": ("yuv420p", ((1, 1), (2, 2), (2, 2))),
    "NV12": ("nv12", ((1, 1), (1, 2))),
}


def copy_frame(backend: Backend, request: Any, stream_name: str = "main") -> VideoFrame:
    """Copy a completed request's picture, the main one or `lores`. The request must be released afterwards.

    Raises CameraError where the buffer is not what its configuration says.
    """
    stream = request.config[stream_name]
    layout = FORMATS.get(stream["format"])
    if layout is None:
        raise CameraError(f"the camera gives {stream['format']}, allowed are {', '.join(FORMATS)}")
    (width, height), stride = stream["size"], int(stream["stride"])
    name, planes = layout
    frame = VideoFrame(width, height, name)
    # Nothing that looks into the buffer may outlive this block: it is unmapped when the size changes.
    with backend.mapped_array(request, stream_name, reshape=False, write=False) as mapped:
        _copy_planes(mapped.array, frame, planes, stride)
    frame.colorspace = Colorspace.ITU709
    frame.color_range = ColorRange.MPEG
    return frame


def _copy_planes(buffer: Any, frame: VideoFrame, planes: tuple[tuple[int, int], ...], stride: int) -> None:
    start = 0
    for plane, (across, down) in zip(frame.planes, planes, strict=True):
        row, rows, used = stride // across, frame.height // down, frame.width // across
        end = start + row * rows
        if end > buffer.shape[0]:
            raise CameraError(f"a camera buffer of {buffer.shape[0]} bytes is too short, {end} are needed")
        source = buffer[start:end].reshape(rows, row)[:, :used]
        target = np.frombuffer(plane, np.uint8)  # type: ignore[call-overload] # PyAV's planes are buffers
        target[: rows * plane.line_size].reshape(rows, plane.line_size)[:, :used] = source
        start = end
