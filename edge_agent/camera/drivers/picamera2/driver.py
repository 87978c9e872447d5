"""The picamera2 driver: the camera's life, its frames, and what is read back of them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final, TypeVar

from av import VideoFrame

from edge_agent.camera.capabilities import CameraCapabilities, Reading
from edge_agent.camera.drivers.base import EncodedPacket, Mosaic, Sample, Still, Wish
from edge_agent.camera.drivers.copies import copied, still_of
from edge_agent.camera.drivers.picamera2.backend import Backend, choose, load, use_tuning
from edge_agent.camera.drivers.picamera2.camera import Camera
from edge_agent.camera.drivers.picamera2.focusing import Scan
from edge_agent.camera.drivers.picamera2.frames import copy_frame
from edge_agent.camera.drivers.picamera2.large import Ready, with_lens_held
from edge_agent.camera.drivers.picamera2.options import Picamera2Options
from edge_agent.camera.drivers.picamera2.readback import Readback
from edge_agent.camera.drivers.picamera2.reading import reading_of, telling
from edge_agent.camera.settings import CameraSettings, merge
from edge_agent.clock import Clock
from edge_agent.errors import CameraError

__all__ = ["Picamera2Driver"]

logger = logging.getLogger(__name__)
_T = TypeVar("_T")

# How long `apply` waits for the frames to show what was set, while another thread reads them.
_SHOWN_S: Final = 0.6
# How long one frame of a picture is waited for, and how many frames' times besides.
_STILL_S: Final = 2.0
_STILL_FRAMES: Final = 3
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
        self._taken_already: Sample | None = None
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
            completed = self._completed(settings)
            self._switch(lambda: camera.configure(completed))

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
            camera = self._running()
            self._reader = threading.get_ident()
            taken, self._taken_already = self._taken_already, None
        if taken is not None:
            return taken
        request = camera.capture(timeout_s)
        if request is None:
            return None
        encoder = camera.encoder
        # Where the hardware encodes nothing else needs the large picture.
        take = partial(_pictures, self._loaded(), main=encoder is None, small=camera.has_small)
        (frame, small), metadata = _taken(request, take)
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

    def stills(self, last: Sample, wish: Wish) -> Generator[Still, None, None]:
        """Yield a copy of the last frame; where the hardware encodes, or raw is wanted, the next one.

        For what the present configuration does not give, the camera is configured anew, and back at the end.
        """
        with self._changed:
            camera = self._running()
            held = camera.held
        offered = camera.capabilities.stills
        if wish.raw and not offered.raw:
            raise CameraError(f"raw data cannot be had: {offered.unavailable.get('dng')}")
        if wish.size is not None or (wish.raw and not camera.has_raw):
            yield from self._large(camera, held, wish)
        elif last.frame is not None and not wish.raw:
            yield still_of(copied(last.frame), last.reading)
        elif wish.raw and camera.encoder is None:
            yield self._raw_beside(camera)
        else:
            yield self._next_still(camera, raw=wish.raw)

    def _large(self, camera: Camera, held: CameraSettings, wish: Wish) -> Generator[Still, None, None]:
        steady = with_lens_held(held, self._reading)
        encoder = camera.encoder
        self._switch(lambda: camera.configure_for_stills(steady, size=wish.size, raw=wish.raw))
        try:
            ready = Ready(steady)
            while not ready.after(self._captured(camera, _nothing)[0].reading, self._readback):
                pass
            for _ in range(wish.count):
                yield self._next_still(camera, raw=wish.raw)
        finally:
            self._switch(lambda: camera.configure(held))
            if encoder is not None:
                self._encode_again_at(encoder.bitrate_bps)

    def _encode_again_at(self, bps: int) -> None:
        # A new encoder begins with the settings' rate, whatever was told to the one before.
        try:
            self.set_bitrate(bps)
        except CameraError as error:
            logger.warning("The bit rate is not the one before the picture: %s", error.message)

    def _switch(self, configure: Callable[[], Mapping[str, Any]]) -> None:
        with self._changed:
            self._configured = False
            self._taken_already = None
            sent = configure()
            self._readback = Readback()
            self._readback.sent(sent)
            self._lens_tries = 0
            self._configured = True
            self._changed.notify_all()

    def _next_still(self, camera: Camera, *, raw: bool) -> Still:
        if raw:
            sample, (develop, size) = self._captured(camera, camera.raw_of)
            return Still(reading=sample.reading, develop=develop, waiting_bytes=size)
        sample, frame = self._captured(camera, partial(copy_frame, self._loaded()))
        return still_of(frame, sample.reading)

    def _raw_beside(self, camera: Camera) -> Still:
        """Take the next frame's raw data, and keep its picture for the stream."""
        take = partial(_pictures, self._loaded(), main=True, small=camera.has_small)

        def both(
            request: Any,
        ) -> tuple[tuple[Callable[[], Mosaic], int], tuple[VideoFrame | None, VideoFrame | None]]:
            return camera.raw_of(request), take(request)

        sample, ((develop, size), (frame, small)) = self._captured(camera, both)
        self._taken_already = replace(sample, frame=frame, small=small)
        return Still(reading=sample.reading, develop=develop, waiting_bytes=size)

    def _loaded(self) -> Backend:
        if self._backend is None:
            raise CameraError("the camera is not open")
        return self._backend

    def _captured(self, camera: Camera, take: Callable[[Any], _T]) -> tuple[Sample, _T]:
        """Wait for the next frame; return what it tells, and what `take` makes of its request."""
        patience_s = _STILL_S + _STILL_FRAMES / camera.held.video.fps
        request = camera.capture(patience_s)
        if request is None:
            raise CameraError(f"the camera gave no frame for the picture within {patience_s:.1f} s")
        taken, metadata = _taken(request, take)
        return self._sampled(camera, None, metadata, ()), taken

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


def _nothing(_request: Any) -> None:
    return None


def _pictures(
    backend: Backend, request: Any, *, main: bool, small: bool
) -> tuple[VideoFrame | None, VideoFrame | None]:
    return (
        copy_frame(backend, request) if main else None,
        copy_frame(backend, request, "lores") if small else None,
    )


def _taken(request: Any, take: Callable[[Any], _T]) -> tuple[_T, Mapping[str, Any]]:
    """Copy what is wanted of a request, and release it whatever happens: there are only few buffers."""
    try:
        try:
            metadata: Mapping[str, Any] = request.get_metadata()
            return take(request), metadata
        finally:
            request.release()
    except CameraError:
        raise
    except Exception as error:
        raise CameraError(f"a frame cannot be read: {type(error).__name__}: {error}") from error
