"""picamera2's hardware encoder and what goes with it: imported only on a board that has one."""

from __future__ import annotations

import fcntl
from collections.abc import Callable
from importlib import import_module
from typing import Any

__all__ = ["parts"]


def parts() -> tuple[Any, Callable[[Callable[..., None]], Any], Callable[[Any, int], None]]:
    """Return the encoder's class, how to make an output of a function, and how to set a bit rate live."""
    h264 = import_module("picamera2.encoders.h264_encoder").H264Encoder
    output_class = import_module("picamera2.outputs").Output
    videodev2 = import_module("videodev2")

    def make_output(take: Callable[..., None]) -> Any:
        def outputframe(
            _output: Any,
            frame: Any,
            keyframe: bool = True,
            timestamp: int | None = None,
            packet: Any = None,
            audio: bool = False,
        ) -> None:
            del packet, audio
            take(frame, keyframe, timestamp)

        return type("PacketOutput", (output_class,), {"outputframe": outputframe})()

    def set_bitrate(encoder: Any, bps: int) -> None:
        control = videodev2.v4l2_control()
        control.id = videodev2.V4L2_CID_MPEG_VIDEO_BITRATE
        control.value = bps
        fcntl.ioctl(encoder.vd, videodev2.VIDIOC_S_CTRL, control)

    return h264, make_output, set_bitrate
