"""When a camera that was configured anew for a large picture is ready to take it."""

from __future__ import annotations

from typing import Final

from edge_agent.camera.capabilities import Reading
from edge_agent.camera.drivers.picamera2.readback import Readback
from edge_agent.camera.settings import CameraSettings, merge

__all__ = ["Ready", "with_lens_held"]

# The automatic has its exposure from the mode before; what is not there by then does not come soon.
_FRAMES: Final = 15


class Ready:
    """Looks at the frames after the start: whether they show what was sent, and a steady exposure."""

    def __init__(self, settings: CameraSettings) -> None:
        exposure = settings.exposure
        self._automatic = exposure.mode == "auto" or (exposure.time_us is None) != (exposure.gain is None)
        self._frames = 0

    def after(self, reading: Reading, readback: Readback) -> bool:
        """Take note of a frame; whether the next one is good."""
        self._frames += 1
        steady = not self._automatic or reading.ae_converged is not False
        return (readback.settled and steady) or self._frames >= _FRAMES


def with_lens_held(settings: CameraSettings, reading: Reading) -> CameraSettings:
    """Return the settings with the lens where it is: it would begin to search with the new configuration."""
    position = reading.lens_position
    if settings.focus.mode == "manual" or position is None:
        return settings
    return merge(settings, {"focus": {"mode": "manual", "position": position}})
