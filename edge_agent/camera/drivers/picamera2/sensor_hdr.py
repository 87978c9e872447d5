"""HDR in the sensor of the Camera Module 3: a switch on its sub-device, while the camera is closed."""

from __future__ import annotations

from edge_agent.camera.drivers.picamera2.backend import Backend
from edge_agent.camera.drivers.picamera2.modes import Mode
from edge_agent.errors import CameraError

__all__ = ["is_on", "switch"]


def is_on(modes: tuple[Mode, ...]) -> bool:
    """Whether the modes are those of HDR: there is only one size then. It outlives the process."""
    return len({(mode.width, mode.height) for mode in modes}) == 1


def switch(backend: Backend, *, number: int, on: bool) -> None:
    """Switch it. The camera must be closed, and its modes read anew afterwards. Raises CameraError."""
    try:
        with backend.imx708()(number) as device:
            device.set_sensor_hdr_mode(on)
    except Exception as error:
        raise CameraError(f"the sensor's HDR cannot be switched: {type(error).__name__}: {error}") from error
