"""Frames of one's own: what another thread works on must not change under its hands."""

from __future__ import annotations

from av import VideoFrame

from edge_agent.camera.capabilities import Reading
from edge_agent.camera.drivers.base import Still

__all__ = ["copied", "still_of"]


def copied(frame: VideoFrame) -> VideoFrame:
    """Return a frame with the same picture and colours that shares nothing with `frame`."""
    copy = VideoFrame.from_ndarray(frame.to_ndarray(), format=frame.format.name)
    copy.colorspace, copy.color_range = frame.colorspace, frame.color_range
    return copy


def still_of(frame: VideoFrame, reading: Reading) -> Still:
    """Return a still that is finished but for its encoding; the frame is kept."""
    size = sum(plane.buffer_size for plane in frame.planes)
    return Still(reading=reading, develop=lambda: frame, waiting_bytes=size)
