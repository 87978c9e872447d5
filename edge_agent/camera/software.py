"""The settings that hold wherever frames are encoded, whatever the camera.

A driver that has one itself says so in its capabilities, and one for which it means nothing gives a reason in
`unavailable`; the others are completed here.
"""

from __future__ import annotations

from typing import Final

from edge_agent.camera.capabilities import CameraCapabilities, Control
from edge_agent.camera.settings import CameraSettings, Video, flatten, merge, unflatten

__all__ = ["SoftwareSettings"]

_PLAIN: Final = Video()
_CONTROLS: Final = {
    "video.quality": Control(min=1, max=51),
    "video.keyframe_interval_s": Control(min=0.1, max=60, default=_PLAIN.keyframe_interval_s),
    "video.h264_profile": Control(default=_PLAIN.h264_profile, options=("baseline", "main", "high")),
    "video.h264_level": Control(
        default=_PLAIN.h264_level, options=("auto", "3.1", "3.2", "4.0", "4.1", "4.2", "5.0", "5.1", "5.2")
    ),
}


class SoftwareSettings:
    """What is offered beside a driver. `capabilities` are the driver's, completed."""

    def __init__(self, driver: CameraCapabilities) -> None:
        offered = {
            path: control
            for path, control in _CONTROLS.items()
            if path not in driver.controls and path not in driver.unavailable
        }
        self._paths = tuple(offered)
        self.capabilities = driver.model_copy(update={"controls": {**driver.controls, **offered}})

    def over(self, applied: CameraSettings, wanted: CameraSettings) -> CameraSettings:
        """Return what a driver has applied, completed with what of `wanted` is not the driver's to hold."""
        flat = flatten(wanted.model_dump())
        return merge(applied, unflatten({path: flat[path] for path in self._paths}))
