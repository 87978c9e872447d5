"""One open camera: the calls of picamera2 that the driver needs, each with its trap disarmed."""

from __future__ import annotations

import atexit
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError
from functools import partial
from pathlib import Path
from typing import Any, Final

from edge_agent.camera.drivers.base import Mosaic
from edge_agent.camera.drivers.picamera2.backend import Backend, Chosen
from edge_agent.camera.drivers.picamera2.bounded import bounded
from edge_agent.camera.drivers.picamera2.frames import FORMATS
from edge_agent.camera.drivers.picamera2.modes import Mode, read_modes
from edge_agent.camera.drivers.picamera2.raw import RawBuffer, mosaic_of
from edge_agent.errors import CameraError, CameraUnavailableError

__all__ = ["Session", "Stream"]

logger = logging.getLogger(__name__)

_STOP_S: Final = 3.0
_CANCELLED_S: Final = 0.5
# Sizes that a camera without sensor modes is asked for, one after the other.
_ASKED: Final = ((640, 480), (1280, 720), (1920, 1080))

Stream = Mapping[str, Any]


class Session:
    """An open Picamera2. Everything raises CameraError where the camera refuses."""

    def __init__(self, *, backend: Backend, chosen: Chosen, tuning_file: Path | None) -> None:
        self._backend = backend
        tuning = str(tuning_file) if tuning_file is not None else None
        try:
            self._camera = backend.picamera2(chosen.position, tuning=tuning)
        except Exception as error:
            reasons = " <- ".join(_chain(error))
            raise CameraUnavailableError(
                f"the camera '{chosen.id}' does not open: {reasons}; another program may have it",
                field="camera.driver",
            ) from error
        self.model = chosen.model

    @property
    def camera(self) -> Any:
        """The Picamera2 itself, for the hardware encoder."""
        return self._camera

    @property
    def controls(self) -> dict[str, tuple[Any, Any, Any]]:
        """The controls with their limits in the present configuration."""
        return dict(self._camera.camera_controls)

    @property
    def started(self) -> bool:
        """Whether picamera2 believes that it runs. A hung camera does, too."""
        return bool(self._camera.started)

    def modes(self) -> tuple[Mode, ...]:
        """Return the sensor modes. Reading them configures the camera, so only before the start, and once."""
        try:
            return read_modes(self._camera.sensor_modes)
        except Exception as error:
            raise CameraError(f"the sensor modes cannot be read: {_say(error)}") from error

    def sizes(self, modes: tuple[Mode, ...]) -> tuple[tuple[int, int], ...]:
        """Return the largest picture of a sensor, or which of the usual sizes another camera really takes."""
        if modes:
            return (max(((mode.width, mode.height) for mode in modes), key=lambda size: size[0] * size[1]),)
        asked = dict.fromkeys((*_ASKED, tuple(self._camera.sensor_resolution)))
        taken = [size for size in asked if self.configure(size=size, buffer_count=2)["size"] == size]
        if not taken:
            raise CameraUnavailableError(f"{self.model} takes none of the usual sizes", field="camera.driver")
        return tuple(taken)

    def configure(
        self,
        *,
        size: tuple[int, int],
        buffer_count: int,
        mode: Mode | None = None,
        hflip: bool = False,
        vflip: bool = False,
        lores: tuple[int, int] | None = None,
        raw: bool = False,
        controls: Mapping[str, Any] | None = None,
    ) -> Stream:
        """Configure the stopped camera and return the stream that came of it, which may differ.

        `lores` is the size of a second, smaller picture; with `raw` the mode's raw data come beside it.
        Raises CameraError where libcamera put another transform in place of the wanted one.
        """
        transform = self._backend.transform(hflip=hflip, vflip=vflip)
        sensor = {"output_size": (mode.width, mode.height), "bit_depth": mode.bit_depth} if mode else {}
        camera = self._camera
        try:
            camera.configure(
                camera.create_video_configuration(
                    main={"size": size, "format": "YUV420"},
                    lores={"size": lores, "format": "YUV420"} if lores is not None else None,
                    # Raw buffers are as large as all the others together.
                    raw={"size": (mode.width, mode.height)} if raw and mode else None,
                    transform=transform,
                    # Below 720p picamera2 would choose Rec. 601, and the stream says 709.
                    colour_space=self._backend.colour_space.Rec709(),
                    buffer_count=buffer_count,
                    controls=dict(controls or {}),
                    display=None,
                    sensor=sensor,
                )
            )
            configured = camera.camera_configuration()
        except Exception as error:
            raise CameraError(
                f"the camera cannot be configured for {size[0]}x{size[1]}: {_say(error)}"
            ) from error
        if configured["transform"] != transform:
            raise CameraError(
                f"the camera turns its picture otherwise than asked: {configured['transform']!r} for "
                f"{transform!r}",
                field="view",
            )
        stream: Stream = configured["main"]
        if stream["format"] not in FORMATS:
            raise CameraError(f"the camera gives {stream['format']}, allowed are {', '.join(FORMATS)}")
        small = configured.get("lores")
        if lores is not None and (not small or small["format"] not in FORMATS):
            raise CameraError("the camera gives no second picture that could be encoded")
        return stream

    def start(self) -> None:
        """Start the configured camera."""
        try:
            self._camera.start()
        except Exception as error:
            raise CameraError(f"the camera does not start: {_say(error)}") from error

    def set(self, controls: Mapping[str, Any]) -> None:
        """Send controls; they ride the next request that goes back to the camera."""
        if not controls:
            return
        try:
            # A request that is released swaps the list of controls for an empty one: what is set in between
            # would be lost. This is the lock that it does so under.
            with self._camera.request_lock:
                self._camera.set_controls(dict(controls))
        except Exception as error:
            raise CameraError(f"the camera refuses {', '.join(controls)}: {_say(error)}") from error

    def capture(self, timeout_s: float) -> Any | None:
        """Return the next completed request, which must be released, or None where the time ran out."""
        try:
            job = self._camera.capture_request(wait=False)
            try:
                return job.get_result(timeout=timeout_s)
            except TimeoutError:
                # The job would stay in the queue, and everything after it would wait: stop(), too.
                self._camera.cancel_all_and_flush()
                try:
                    # It may have got its request at the last moment; unreleased, the buffer would be lost.
                    return job.get_result(timeout=_CANCELLED_S)
                except TimeoutError:
                    return None
        except CancelledError:
            return None
        except Exception as error:
            raise CameraError(f"the camera gives no frame: {_say(error)}") from error

    def raw_of(self, request: Any) -> tuple[Callable[[], Mosaic], int]:
        """Copy a request's raw data. Return what unpacks them, on any thread, and their size in bytes."""
        if request.config.get("raw") is None:
            raise CameraError("the camera gives no raw data in this configuration")
        try:
            raw = RawBuffer(
                data=request.make_buffer("raw"),
                config=dict(request.config["raw"]),
                metadata=request.get_metadata(),
                decompress=self._camera.helpers.decompress,
            )
        except Exception as error:
            raise CameraError(f"the raw data cannot be read: {_say(error)}") from error
        return partial(mosaic_of, raw), int(raw.data.nbytes)

    def stop(self) -> None:
        """Stop the camera. Raises CameraError where it hangs."""
        if not self._camera.started:
            return
        bounded("cancel the camera's jobs", self._camera.cancel_all_and_flush, _STOP_S)
        if not bounded("stop the camera", self._camera.stop, _STOP_S):
            raise CameraError("the camera hangs: it cannot be stopped")

    def close(self) -> None:
        """Let go of the camera, bounded and whatever its state. Never raises."""
        camera = self._camera
        ended = bounded("cancel the camera's jobs", camera.cancel_all_and_flush, _STOP_S)
        ended = bounded("stop the camera", camera.stop, _STOP_S) and ended
        if not (bounded("close the camera", camera.close, _STOP_S) and ended):
            # It registered itself to be closed at the interpreter's end, which would then hang as well.
            atexit.unregister(camera.close)


def _say(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _chain(error: BaseException) -> list[str]:
    """Return what picamera2 says, and what it says why: its own message tells little."""
    said: list[str] = []
    at: BaseException | None = error
    while at is not None and len(said) < 4:
        said.append(_say(at))
        at = at.__cause__
    return said
