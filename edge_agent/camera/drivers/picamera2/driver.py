"""The picamera2 driver: the camera's life, its frames, and what is read back of them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from av import VideoFrame

from edge_agent.camera.capabilities import CameraCapabilities, Reading
from edge_agent.camera.drivers.base import EncodedPacket, Sample, Still
from edge_agent.camera.drivers.picamera2.backend import Backend, choose, load, use_tuning
from edge_agent.camera.drivers.picamera2.camera import Camera
from edge_agent.camera.drivers.picamera2.focusing import Scan
from edge_agent.camera.drivers.picamera2.frames import copy_frame
from edge_agent.camera.drivers.picamera2.options import Picamera2Options
from edge_agent.camera.drivers.picamera2.readback import Readback
from edge_agent.camera.drivers.picamera2.reading import reading_of, telling
from edge_agent.camera.settings import CameraSettings, merge
from edge_agent.clock import Clock
from edge_agent.errors import CameraError

__all__ = ["Picamera2Driver"]

logger = logging.getLogger(__name__)

# How long `apply` waits for the frames to show what was set, while another thread reads them.
_SHOWN_S: Final = 0.6
_STILL_S: Final = 2.0
_CLOSE_LOCK_S: Final = 1.0
# A lens that is told where to go at the start does not always hear it.
_LENS_TRIES: Final = 3
_LENS_OFF: Final = 0.1


class Picamera2Driver:
    """A camera by picamera2. See `drivers.base.Driver` for the contract.

    It lives in a process of its own, that was spawned: a failed open can leave libcamera's camera manager
    unusable, and a camera that hangs can only be left with its process. `load_backend` imports picamera2.
    """

    name = "picamera2"

    def __init__(
        self,
        *,
        clock: Clock,
        options: Picamera2Options | None = None,
        load_backend: Callable[[], Backend] = load,
    ) -> None:
        self._clock = clock
        self._options = options if options is not None else Picamera2Options()
        self._load = load_backend
        self._changed = threading.Condition(threading.RLock())
        self._backend: Backend | None = None
        self._camera: Camera | None = None
        self._configured = False
        self._readback = Readback()
        self._scan = Scan(monotonic=clock.monotonic)
        self._lens_tries = 0
        self._reader: int | None = None
        self._reading = Reading()
        self._sequence = 0
        self._last_us = -1

    def open(self) -> CameraCapabilities:
        """Open the camera and read what it can do. Raises CameraUnavailableError, ConfigError."""
        use_tuning(self._options.tuning_file)
        backend = self._load()
        try:
            cameras = backend.picamera2.global_camera_info()
        except Exception as error:
            raise CameraError(f"libcamera cannot list the cameras: {error}") from error
        chosen = choose(cameras, self._options)
        camera = Camera(
            backend=backend, options=self._options, chosen=chosen, monotonic=self._clock.monotonic
        )
        with self._changed:
            self._backend, self._camera = backend, camera
            self._configured = False
        return camera.capabilities

    def configure(self, settings: CameraSettings) -> None:
        """Stop, configure and start with these settings."""
        with self._changed:
            camera = self._opened()
            self._configured = False
            sent = camera.configure(self._completed(settings))
            self._readback = Readback()
            self._readback.sent(sent)
            self._lens_tries = 0
            self._configured = True
            self._changed.notify_all()

    def apply(self, settings: CameraSettings) -> None:
        """Set what is live and differs, and wait for a moment until frames show it, if somebody reads."""
        with self._changed:
            camera = self._running()
            sent = camera.apply(self._completed(settings))
            self._readback.sent(sent)
            self._lens_tries = 0
            if sent and self._reader not in {None, threading.get_ident()}:
                self._changed.wait_for(lambda: self._readback.settled, _SHOWN_S)

    def applied(self) -> CameraSettings:
        """Return what libcamera accepted, and where the frames tell of it, what they show."""
        with self._changed:
            camera = self._running()
            return self._readback.applied(camera.held, camera.geometry)

    def want_small(self, size_of: Callable[[int, int], tuple[int, int]]) -> None:
        """Have the camera's processor scale a second picture, at no cost."""
        with self._changed:
            self._opened().small_of = size_of

    def read(self, timeout_s: float) -> Sample | None:
        """Wait for the next frame; None where there is none, however picamera2's own thread fares."""
        with self._changed:
            camera, backend = self._running(), self._backend
            self._reader = threading.get_ident()
        request = camera.capture(timeout_s)
        if request is None or backend is None:
            return None
        encoder = camera.encoder
        frame, small, metadata = _taken(backend, request, picture=encoder is None, small=camera.has_small)
        packets: tuple[EncodedPacket, ...] = encoder.packets() if encoder is not None else ()
        return replace(self._sampled(camera, frame, metadata, packets), small=small)

    def trigger_focus(self) -> None:
        """Begin a scan; the mode that was there before is back when it has ended."""
        with self._changed:
            camera = self._running()
            if "focus.mode" not in camera.capabilities.controls:
                raise CameraError(f"{camera.capabilities.model} cannot focus: its lens cannot be moved")
            camera.send(self._scan.begin())

    def request_keyframe(self) -> None:
        """Ask the hardware encoder, where it is the one that encodes, for a keyframe."""
        with self._changed:
            encoder = self._camera.encoder if self._camera is not None else None
            if encoder is not None:
                encoder.request_keyframe()

    def set_bitrate(self, bps: int) -> None:
        """Have the hardware encoder, where it is the one that encodes, aim at this rate."""
        with self._changed:
            encoder = self._camera.encoder if self._camera is not None else None
            if encoder is not None:
                encoder.set_bitrate(bps)

    def still(self, last: Sample) -> Still:
        """Return a copy of the last frame; where the hardware encodes, of the next one."""
        with self._changed:
            camera, backend = self._running(), self._backend
        if last.frame is not None:
            copy = VideoFrame.from_ndarray(last.frame.to_ndarray(), format=last.frame.format.name)
            copy.colorspace = last.frame.colorspace
            copy.color_range = last.frame.color_range
            return Still(frame=copy, reading=last.reading)
        request = camera.capture(_STILL_S)
        if request is None or backend is None:
            raise CameraError(f"the camera gave no frame for the picture within {_STILL_S:g} s")
        frame, _, metadata = _taken(backend, request, picture=True, small=False)
        sample = self._sampled(camera, frame, metadata, ())
        if sample.frame is None:
            raise CameraError("the camera gave a frame without a picture")
        return Still(frame=sample.frame, reading=sample.reading)

    def close(self) -> None:
        """Let go of the camera, bounded, whatever state it is in. Never raises."""
        # Whoever holds the lock may hang in the camera itself.
        locked = self._changed.acquire(timeout=_CLOSE_LOCK_S)
        try:
            camera, self._camera = self._camera, None
            self._configured = False
        finally:
            if locked:
                self._changed.release()
        if camera is not None:
            camera.close()

    def _opened(self) -> Camera:
        if self._camera is None:
            raise CameraError("the camera is not open")
        return self._camera

    def _running(self) -> Camera:
        camera = self._opened()
        if not self._configured:
            raise CameraError("the camera was not configured yet")
        return camera

    def _completed(self, settings: CameraSettings) -> CameraSettings:
        """Add the colour gain that is missing beside the other one: the present one."""
        balance = settings.white_balance
        if (balance.red_gain is None) == (balance.blue_gain is None):
            return settings
        red, blue = self._reading.colour_gains or (1.0, 1.0)
        gains = {
            "red_gain": red if balance.red_gain is None else balance.red_gain,
            "blue_gain": blue if balance.blue_gain is None else balance.blue_gain,
        }
        return merge(settings, {"white_balance": gains})

    def _sampled(
        self,
        camera: Camera,
        frame: VideoFrame | None,
        metadata: Mapping[str, Any],
        packets: tuple[EncodedPacket, ...],
    ) -> Sample:
        stamp = metadata.get("SensorTimestamp")
        pts_us = int(stamp) // 1000 if stamp else int(self._clock.monotonic() * 1_000_000)
        pts_us = max(pts_us, self._last_us + 1)
        self._last_us = pts_us
        self._sequence += 1
        reading = reading_of(metadata, sequence=self._sequence, timestamp_ns=pts_us * 1000)
        with self._changed:
            self._reading = reading
            self._readback.frame(telling(reading), pts_us=pts_us)
            self._after_frame(camera, reading)
            if self._scan.on_its_way:
                reading = reading.model_copy(update={"af_state": "scanning"})
            if self._readback.settled:
                self._changed.notify_all()
        return Sample(reading=reading, pts_us=pts_us, frame=frame, packets=packets)

    def _after_frame(self, camera: Camera, reading: Reading) -> None:
        focus = camera.held.focus
        if self._scan.running:
            controls = self._scan.frame(reading.af_state, reading.lens_position, focus)
            if controls:
                camera.send(controls)
                self._readback.sent(controls)
                if focus.mode == "manual" and reading.lens_position is not None:
                    camera.held = merge(camera.held, {"focus": {"position": reading.lens_position}})
            return
        shown = self._readback.shown("LensPosition")
        if focus.mode != "manual" or focus.position is None or shown is None:
            return
        if abs(shown - focus.position) > _LENS_OFF and self._lens_tries < _LENS_TRIES:
            self._lens_tries += 1
            controls = {"AfMode": 0, "LensPosition": focus.position}
            camera.send(controls)
            self._readback.sent(controls)


def _taken(
    backend: Backend, request: Any, *, picture: bool, small: bool
) -> tuple[VideoFrame | None, VideoFrame | None, Mapping[str, Any]]:
    """Copy what is wanted of a request, and release it whatever happens: there are only few buffers."""
    try:
        try:
            metadata: Mapping[str, Any] = request.get_metadata()
            return (
                copy_frame(backend, request) if picture else None,
                copy_frame(backend, request, "lores") if small else None,
                metadata,
            )
        finally:
            request.release()
    except CameraError:
        raise
    except Exception as error:
        raise CameraError(f"a frame cannot be read: {type(error).__name__}: {error}") from error
