"""The settings that hold wherever frames are encoded, whatever the camera.

A driver that has one itself says so in its capabilities, and one for which it means nothing gives a reason in
`unavailable`; the others are completed here.
"""

from __future__ import annotations

from typing import Final, Literal, get_args, get_origin

from edge_agent.camera.capabilities import CameraCapabilities, Control
from edge_agent.camera.settings import (
    CameraSettings,
    declarations,
    flatten,
    merge,
    software_settings,
    unflatten,
)

__all__ = ["SoftwareSettings"]

_RANGES: Final = {
    "video.quality": (1, 51),
    "video.keyframe_interval_s": (0.1, 60),
    "overlay.size": (0.01, 0.25),
    "overlay.margin": (0, 0.25),
    "overlay.background": (0, 1),
}


def _controls() -> dict[str, Control]:
    """Return every setting of software: its range from above, its options from its declaration."""
    plain = flatten(CameraSettings().model_dump())
    controls: dict[str, Control] = {}
    for path in software_settings():
        low, high = _RANGES.get(path, (None, None))
        kind = declarations()[path].annotation
        options = (False, True) if kind is bool else get_args(kind) if get_origin(kind) is Literal else None
        controls[path] = Control(min=low, max=high, default=plain[path], options=options)
    return controls


class SoftwareSettings:
    """What is offered beside a driver. `capabilities` are the driver's, completed.

    `no_overlay` says why nothing can be drawn here, where that is so.
    """

    def __init__(self, driver: CameraCapabilities, *, no_overlay: str | None = None) -> None:
        offered = {
            path: control
            for path, control in _controls().items()
            if path not in driver.controls and path not in driver.unavailable
        }
        unavailable = dict(driver.unavailable)
        for path in [path for path in offered if no_overlay is not None and path.startswith("overlay.")]:
            del offered[path]
            unavailable[path] = no_overlay or ""
        self._paths = tuple(offered)
        self.capabilities = driver.model_copy(
            update={"controls": {**driver.controls, **offered}, "unavailable": unavailable}
        )

    def over(self, applied: CameraSettings, wanted: CameraSettings) -> CameraSettings:
        """Return what a driver has applied, completed with what of `wanted` is not the driver's to hold."""
        flat = flatten(wanted.model_dump())
        return merge(applied, unflatten({path: flat[path] for path in self._paths}))
