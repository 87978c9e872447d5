"""The one place that imports picamera2 and libcamera, and only when a camera is opened."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from edge_agent.camera.drivers.picamera2.options import Picamera2Options
from edge_agent.camera.drivers.picamera2.presence import INSTALL
from edge_agent.errors import CameraUnavailableError, ConfigError

__all__ = ["Backend", "Chosen", "choose", "load", "use_tuning"]

_TUNING_VARIABLE: Final = "LIBCAMERA_RPI_TUNING_FILE"


@dataclass(frozen=True, slots=True)
class Backend:
    """What the driver takes from the two packages. `hardware` and `imx708` import more when called."""

    picamera2: Any
    mapped_array: Any
    transform: Any
    colour_space: Any
    imx708: Callable[[], Any]
    hardware: Callable[[], Any]

    @property
    def pisp(self) -> bool:
        """Whether this is a Pi 5 or its like: its own image processor, and no hardware encoder."""
        return str(self.picamera2.platform.name) == "PISP"


@dataclass(frozen=True, slots=True)
class Chosen:
    """A camera: its place in picamera2's list, libcamera's number and id of it, and its model."""

    position: int
    number: int
    id: str
    model: str


def load() -> Backend:
    """Import picamera2 and libcamera. Raises CameraUnavailableError that says how to install them."""
    try:
        picamera2 = import_module("picamera2")
        libcamera = import_module("libcamera")
    except Exception as error:
        raise CameraUnavailableError(
            f"picamera2 cannot be imported ({type(error).__name__}: {error}): {INSTALL}",
            field="camera.driver",
        ) from error
    return Backend(
        picamera2=picamera2.Picamera2,
        mapped_array=picamera2.MappedArray,
        transform=libcamera.Transform,
        colour_space=libcamera.ColorSpace,
        imx708=lambda: import_module("picamera2.devices.imx708").IMX708,
        hardware=lambda: import_module("edge_agent.camera.drivers.picamera2.v4l2_parts").parts(),
    )


def use_tuning(path: Path | None) -> None:
    """Make libcamera read this tuning file. Only works before anything started its camera manager.

    Listing the cameras starts it, so this comes first; picamera2's own argument would come too late.
    Raises ConfigError where the file cannot be read.
    """
    if path is None:
        return
    if not path.is_file():
        raise ConfigError(
            f"the tuning file '{path}' is not there", field="camera.options.tuning_file", value=str(path)
        )
    os.environ[_TUNING_VARIABLE] = str(path)


def choose(cameras: Sequence[Mapping[str, Any]], options: Picamera2Options) -> Chosen:
    """Return the camera that the options mean. Raises CameraUnavailableError that names those that are."""
    found = [
        Chosen(position, int(camera["Num"]), str(camera["Id"]), str(camera["Model"]))
        for position, camera in enumerate(cameras)
    ]
    if not found:
        raise CameraUnavailableError(
            "libcamera finds no camera: check the cable, and that no other program has it",
            field="camera.driver",
        )
    names = [f"{camera.position}: {camera.id} ({camera.model})" for camera in found]
    if options.id is not None:
        wanted = options.id
        exact = [camera for camera in found if camera.id == wanted]
        matching = exact or [camera for camera in found if camera.id.endswith(wanted)]
        if len(matching) != 1:
            how = "several cameras have" if matching else "no camera has"
            raise CameraUnavailableError(
                f"{how} the id '{wanted}'; there are {', '.join(names)}",
                field="camera.id",
                value=wanted,
                allowed=[camera.id for camera in found],
            )
        return matching[0]
    index = options.index or 0
    if index >= len(found):
        raise CameraUnavailableError(
            f"there is no camera {index}; there are {', '.join(names)}",
            field="camera.index",
            value=index,
            allowed=list(range(len(found))),
        )
    return found[index]
