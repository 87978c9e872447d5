"""An opened camera of this driver: its session, what it offers, and what it was configured to."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from edge_agent.camera.capabilities import CameraCapabilities
from edge_agent.camera.drivers.base import Mosaic
from edge_agent.camera.drivers.picamera2 import sensor_hdr
from edge_agent.camera.drivers.picamera2.backend import Backend, Chosen, choose
from edge_agent.camera.drivers.picamera2.controls import libcamera_controls
from edge_agent.camera.drivers.picamera2.geometry import Geometry
from edge_agent.camera.drivers.picamera2.hardware_encoder import (
    MAX_SIDE_PX,
    HardwareEncoder,
    hardware_encoder_is_here,
)
from edge_agent.camera.drivers.picamera2.holding import hold, present_limits, refuse_unavailable
from edge_agent.camera.drivers.picamera2.modes import Mode, choose_mode, is_cropped
from edge_agent.camera.drivers.picamera2.offers import Device, capabilities_of
from edge_agent.camera.drivers.picamera2.options import Picamera2Options
from edge_agent.camera.drivers.picamera2.session import Session, Stream
from edge_agent.camera.drivers.picamera2.tuning import read_tuning
from edge_agent.camera.settings import CameraSettings, merge, unflatten
from edge_agent.errors import CameraError

__all__ = ["Camera"]

logger = logging.getLogger(__name__)

# Set before the start, a Pi 5 forgets it.
_AFTER_START: Final = "ScalerCrop"
# One is exposed while the other one is copied.
_STILL_BUFFERS: Final = 2


class Camera:
    """Opens in the constructor, which raises CameraError. Not safe for threads by itself."""

    def __init__(
        self,
        *,
        backend: Backend,
        options: Picamera2Options,
        chosen: Chosen,
        monotonic: Callable[[], float],
    ) -> None:
        self._backend = backend
        self._options = options
        self._chosen = chosen
        self._monotonic = monotonic
        self._sensor_hdr_on = False
        self._sent: dict[str, Any] = {}
        self._present: dict[str, tuple[float, float]] = {}
        self.geometry: Geometry | None = None
        self.held = CameraSettings()
        self.encoder: HardwareEncoder | None = None
        # Of what size a second picture is wanted beside a main one, and whether there is one.
        self.small_of: Callable[[int, int], tuple[int, int]] | None = None
        self.has_small = False
        self._modes: tuple[Mode, ...] = ()
        self._session = self._opened()
        try:
            self._modes = self._session.modes()
            if self._is_imx708 and sensor_hdr.is_on(self._modes):
                logger.info("The sensor of %s was left in HDR: it is switched off", chosen.id)
                self._switch_sensor_hdr(on=False)
            self.capabilities = self._offers()
        except BaseException:
            self._session.close()
            raise

    @property
    def _is_imx708(self) -> bool:
        return self._chosen.model.startswith("imx708") and bool(self._modes)

    def capture(self, timeout_s: float) -> Any | None:
        """Return the next completed request, which must be released, or None where the time ran out."""
        return self._session.capture(timeout_s)

    def configure(self, settings: CameraSettings) -> dict[str, Any]:
        """Stop, configure and start; returns the controls that were sent."""
        refuse_unavailable(settings, self.capabilities)
        self._halt()
        wanted_hdr = settings.hdr == "sensor" and self._is_imx708
        if wanted_hdr != self._sensor_hdr_on:
            self._switch_sensor_hdr(on=wanted_hdr)
        return self._started(settings, buffer_count=self._options.buffer_count, raw=self._raw)

    def configure_for_stills(
        self, settings: CameraSettings, *, size: tuple[int, int] | None, raw: bool
    ) -> dict[str, Any]:
        """Stop, configure for large pictures and start, without an encoder.

        Without a size it is the present mode's. Returns the controls that were sent. `configure` leads back.
        """
        self._halt()
        video: dict[str, Any] = {}
        if size is not None:
            video = dict(zip(("width", "height"), self._within_modes(size), strict=True))
            # Every mode is fast enough for a picture, and none is chosen for its rate.
            rates = [mode.fps for mode in self._modes if mode.holds(video["width"], video["height"])]
            video["fps"] = min([settings.video.fps, *rates])
        held = merge(settings, {"video": video})
        return self._started(held, buffer_count=_STILL_BUFFERS, raw=raw, encode=False)

    def _within_modes(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return the size in even pixels; where no mode holds it now, as in HDR, what the largest has."""
        width, height = size[0] + size[0] % 2, size[1] + size[1] % 2
        if not self._modes or any(mode.holds(width, height) for mode in self._modes):
            return width, height
        largest = max(self._modes, key=lambda mode: mode.width * mode.height)
        share = min(largest.width / width, largest.height / height)
        return int(width * share) & ~1, int(height * share) & ~1

    @property
    def has_raw(self) -> bool:
        """Whether raw data come beside the stream."""
        return self._raw

    def raw_of(self, request: Any) -> tuple[Callable[[], Mosaic], int]:
        """Copy a request's raw data. Return what unpacks them, and their size in bytes."""
        return self._session.raw_of(request)

    @property
    def _raw(self) -> bool:
        return self._options.raw and self.capabilities.stills.raw

    def _started(
        self, settings: CameraSettings, *, buffer_count: int, raw: bool, encode: bool = True
    ) -> dict[str, Any]:
        # The limits of the mode are known once it is configured: first the mode, then the controls.
        held = hold(settings, capabilities=self.capabilities, present={})
        video, view = held.video, held.view
        mode = choose_mode(
            self._modes,
            width=video.width,
            height=video.height,
            fps=video.fps,
            field_of_view=video.field_of_view,
        )
        upside_down = view.rotation == 180
        size = (video.width - video.width % 2, video.height - video.height % 2)
        configure = partial(
            self._session.configure,
            size=size,
            buffer_count=buffer_count,
            mode=mode,
            hflip=view.hflip != upside_down,
            vflip=view.vflip != upside_down,
            raw=raw,
        )
        # A still configuration feeds no stream, so that it needs no small picture either.
        self.has_small = False
        stream = self._with_small(configure, size) if encode else configure()
        width, height = stream["size"]
        actual: dict[str, Any] = {"video.width": width, "video.height": height}
        if mode is not None and is_cropped(self._modes, mode, width=width, height=height):
            actual["video.field_of_view"] = "crop"  # the rate that was asked for is only reached like this
        limits = self._session.controls
        self.geometry = _geometry(limits, width / height)
        self._present = present_limits(limits)
        self.held = hold(
            merge(held, unflatten(actual)), capabilities=self.capabilities, present=self._present
        )
        self._sent = self._controls(self.held)
        self._session.set({k: v for k, v in self._sent.items() if k != _AFTER_START})
        if encode:
            self.encoder = self._started_encoder()
        self._session.start()
        if not _is_whole(self.held):
            self._session.set({k: v for k, v in self._sent.items() if k == _AFTER_START})
        return self._sent

    def _with_small(self, configure: Callable[..., Stream], size: tuple[int, int]) -> Stream:
        """Configure with the second picture that is wanted, or where that fails without it."""
        small = self.small_of(*size) if self.small_of is not None and self._modes else size
        if small[0] < size[0] and small[1] < size[1]:
            try:
                stream = configure(lores=small)
            except CameraError as error:
                logger.warning("The substream's picture is scaled in software: %s", error.message)
            else:
                self.has_small = True
                return stream
        return configure()

    def apply(self, settings: CameraSettings) -> dict[str, Any]:
        """Set what is live and differs; returns the controls that were sent."""
        before = self.held
        fixed = {
            "hdr": before.hdr,
            "view": before.view.model_dump(exclude={"roi"}),
            "video": before.video.model_dump(include={"width", "height", "field_of_view"}),
        }
        held = hold(merge(settings, fixed), capabilities=self.capabilities, present=self._present)
        wanted = self._controls(held)
        changed = {name: value for name, value in wanted.items() if self._sent.get(name) != value}
        self._session.set(changed)
        encoder = self.encoder
        serves = encoder is None or encoder.serves(held.video)
        if encoder is not None and serves:
            encoder.set_bitrate(held.video.bitrate_bps)
        self._sent = wanted
        self.held = held
        if encoder is not None and not serves:
            # The camera runs on. Until the new one is there nobody may think that there is none: frames
            # would be encoded in software meanwhile.
            encoder.stop()
            self.encoder = self._started_encoder()
        return changed

    def send(self, controls: Mapping[str, Any]) -> None:
        """Send controls that are no settings, or that did not take effect."""
        self._session.set(controls)
        if "LensPosition" in controls:
            self._sent = {**self._sent, "LensPosition": controls["LensPosition"]}

    def close(self) -> None:
        """Let go of the camera. Never raises, and never takes longer than its bounds."""
        self._stop_encoder()
        self._session.close()

    def _opened(self) -> Session:
        return Session(backend=self._backend, chosen=self._chosen, tuning_file=self._options.tuning_file)

    def _switch_sensor_hdr(self, *, on: bool) -> None:
        """Close, switch, open again; raises CameraError, with the camera open, where the sensor did not."""
        self._session.close()
        refused: CameraError | None = None
        try:
            sensor_hdr.switch(self._backend, number=self._chosen.number, on=on)
        except CameraError as error:
            refused = error
        # The switch starts the camera manager anew, and the numbers may be others then.
        self._chosen = choose(
            self._backend.picamera2.global_camera_info(),
            self._options.model_copy(update={"index": None, "id": self._chosen.id}),
        )
        self._session = self._opened()
        self._modes = self._session.modes()
        self._sensor_hdr_on = sensor_hdr.is_on(self._modes)
        if refused is not None or self._sensor_hdr_on != on:
            raise CameraError(
                f"the HDR of {self._chosen.model}'s sensor could not be switched {'on' if on else 'off'}"
                + (f": {refused.message}" if refused is not None else "")
            ) from refused

    def _offers(self) -> CameraCapabilities:
        chosen, options = self._chosen, self._options
        noir = options.noir
        if noir is None:
            names = [chosen.model, options.tuning_file.stem if options.tuning_file else ""]
            noir = any(name.endswith("_noir") for name in names)
        controls = self._session.controls
        device = Device(
            model=chosen.model,
            id=chosen.id,
            controls=controls,
            modes=self._modes,
            sizes=self._session.sizes(self._modes),
            tuning=read_tuning(self._backend, model=chosen.model, path=options.tuning_file, noir=noir),
            pisp=self._backend.pisp,
            hardware=self._has_hardware,
            raw=options.raw,
        )
        return capabilities_of(device)

    @property
    def _has_hardware(self) -> bool:
        return self._options.hardware_encoder == "auto" and hardware_encoder_is_here(self._backend)

    def _controls(self, held: CameraSettings) -> dict[str, Any]:
        advertised = self._session.controls
        wanted = libcamera_controls(held, offered=self.capabilities.controls, geometry=self.geometry)
        durations = advertised.get("FrameDurationLimits")
        if durations is not None and "FrameDurationLimits" in wanted:
            duration = min(max(wanted["FrameDurationLimits"][0], durations[0]), durations[1])
            wanted["FrameDurationLimits"] = (duration, duration)
        # picamera2 raises for a control that is not advertised, and has set half of the others by then.
        return {name: value for name, value in wanted.items() if name in advertised}

    def _started_encoder(self) -> HardwareEncoder | None:
        video = self.held.video
        if not self._has_hardware or max(video.width, video.height) > MAX_SIDE_PX:
            return None
        try:
            encoder = HardwareEncoder(
                backend=self._backend,
                camera=self._session.camera,
                video=video,
                monotonic=self._monotonic,
            )
            encoder.start()
        except CameraError as error:
            logger.warning("%s; the picture is encoded in software", error.message)
            return None
        return encoder

    def _stop_encoder(self) -> None:
        encoder, self.encoder = self.encoder, None
        if encoder is not None:
            encoder.stop()

    def _halt(self) -> None:
        self._session.stop()
        self._stop_encoder()


def _geometry(limits: Mapping[str, tuple[Any, Any, Any]], shape: float) -> Geometry | None:
    crop = limits.get("ScalerCrop")
    if crop is None or not crop[1] or not crop[1][2]:
        return None
    smallest = crop[0] or (0, 0, 64, 64)
    largest = crop[1]
    return Geometry(
        largest=(int(largest[0]), int(largest[1]), int(largest[2]), int(largest[3])),
        smallest=(max(2, int(smallest[2])), max(2, int(smallest[3]))),
        shape=shape,
    )


def _is_whole(settings: CameraSettings) -> bool:
    roi = settings.view.roi
    return (roi.x, roi.y, roi.width, roi.height) == (0, 0, 1, 1)
