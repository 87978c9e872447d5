"""Stills made into pictures as the camera child does it, for tests."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from av import VideoFrame
from PIL import Image

from edge_agent.camera.developing import Print, developed
from edge_agent.camera.drivers.base import Mosaic, Still
from edge_agent.camera.exif import Facts
from edge_agent.camera.messages import PictureTags, StillRequest, Take
from edge_agent.camera.settings import CameraSettings

__all__ = ["MOMENT", "facts_of", "frame_of", "image_of", "mean_of", "printed"]

MOMENT = datetime(2026, 11, 21, 13, 14, 15, 678_000, tzinfo=UTC)
TAGS = PictureTags(node="porch", description="Front porch")


def frame_of(still: Still) -> VideoFrame:
    """The still as a frame: it must be one."""
    frame = still.develop()
    assert not isinstance(frame, Mosaic)
    return frame


def facts_of(still: Still, model: str = "imx708") -> Facts:
    """What is told of a still."""
    return Facts(tags=TAGS, reading=still.reading, captured_at=MOMENT, model=model, settings=CameraSettings())


def printed(still: Still, size: tuple[int, int] | None = None, **request: Any) -> Print:
    """The finished picture."""
    take = Take(request=StillRequest(**request), size=size)
    return developed(still, take, facts_of(still))


def image_of(made: Print) -> Image.Image:
    """The picture as anybody reads it."""
    image = Image.open(io.BytesIO(made.content))
    image.load()
    return image


def mean_of(image: Image.Image | VideoFrame) -> npt.NDArray[np.float64]:
    """The mean of red, green and blue."""
    array = (
        image.to_ndarray(format="rgb24")
        if isinstance(image, VideoFrame)
        else np.asarray(image.convert("RGB"))
    )
    return np.asarray(array.reshape(-1, 3).mean(axis=0), np.float64)
