"""The simulated camera, put together."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from av import VideoFrame

from edge_agent.camera.capabilities import CameraCapabilities, Reading
from edge_agent.camera.drivers.base import Sample, Still
from edge_agent.camera.drivers.simulated.backdrop import Backdrops, Look, blur_px, sky_step
from edge_agent.camera.drivers.simulated.canvas import Rect
from edge_agent.camera.drivers.simulated.exposure import AutoExposure
from edge_agent.camera.drivers.simulated.isp import Developer, Tone, noise_sigma
from edge_agent.camera.drivers.simulated.lens import Lens
from edge_agent.camera.drivers.simulated.light import Light
from edge_agent.camera.drivers.simulated.metering import exposure_factor, lux_of, meter
from edge_agent.camera.drivers.simulated.options import SimulatedOptions
from edge_agent.camera.drivers.simulated.pacing import FrameSchedule
from edge_agent.camera.drivers.simulated.scene import CHART, CHART_DIOPTRES, HOUSE_DIOPTRES, WHOLE
from edge_agent.camera.drivers.simulated.sensor import SENSOR, capabilities, hold, shown_crop
from edge_agent.camera.drivers.simulated.sprites import Sprites, with_patches
from edge_agent.camera.drivers.simulated.surroundings import Surroundings
from edge_agent.camera.drivers.simulated.white_balance import ColourGains, WhiteBalancer, gains_for
from edge_agent.camera.settings import CameraSettings, Focus, Window, merge
from edge_agent.clock import Clock
from edge_agent.errors import CameraError

__all__ = ["SimulatedDriver"]

_BLACK_LEVELS: Final = (4096, 4096, 4096, 4096)
_SENSOR_TEMPERATURE_C: Final = 41.0
# What autofocus looks at where nothing else is said.
_MIDDLE: Final = Window(x=0.35, y=0.3, width=0.3, height=0.3)


class SimulatedDriver:
    """A camera that is not there, but answers like one. See `drivers.base.Driver` for the contract.

    `wait` sleeps for seconds. Without `paced` frames come as fast as they can be made, each one frame's time
    after the last. The same `seed` gives the same noise.
    """

    name = "simulated"

    def __init__(
        self,
        *,
        clock: Clock,
        options: SimulatedOptions | None = None,
        paced: bool = True,
        seed: int = 0,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._clock = clock
        self._options = options if options is not None else SimulatedOptions()
        self._seed = seed
        self._schedule = FrameSchedule(monotonic=clock.monotonic, wait=wait, paced=paced)
        self._lock = threading.Lock()
        self._held: CameraSettings | None = None
        self._focus_wanted = False
        self._position_wanted: float | None = None
        self._lens = Lens()
        self._imaging: _Imaging | None = None

    def open(self) -> CameraCapabilities:
        """Say what the camera can do. Raises ConfigError for options that cannot be."""
        surroundings = Surroundings(clock=self._clock, options=self._options)
        self._imaging = _Imaging(
            surroundings=surroundings, lens=self._lens, moving=self._options.moving, seed=self._seed
        )
        return capabilities()

    def configure(self, settings: CameraSettings) -> None:
        """Take all settings, also those that are not live."""
        self._opened()
        self._take(hold(settings))

    def apply(self, settings: CameraSettings) -> None:
        """Take the settings that are live; the next frame shows them. The others stay as configured."""
        self._opened()
        before = self._configured()
        video = before.video
        fixed = {"width": video.width, "height": video.height, "field_of_view": video.field_of_view}
        live = {
            "hdr": before.hdr,
            "view": before.view.model_copy(update={"roi": settings.view.roi}),
            "video": settings.video.model_copy(update=fixed),
        }
        self._take(hold(settings.model_copy(update=live)))

    def applied(self) -> CameraSettings:
        """Return what the camera holds: within its limits, without what its modes do not use."""
        held = self._configured()
        if held.focus.mode != "manual":
            return held
        with self._lock:
            # After a scan the lens stands where that left it, not where it was told to before.
            position = self._lens.position if self._position_wanted is None else self._position_wanted
        return merge(held, {"focus": {"position": round(position, 4)}})

    def want_small(self, size_of: Callable[[int, int], tuple[int, int]]) -> None:
        """Leave it out: it would have to scale its own picture."""

    def read(self, timeout_s: float) -> Sample | None:
        """Wait for the next frame's time and make it."""
        imaging = self._opened()
        pts_us = self._schedule.next_us(fps=self._configured().video.fps, timeout_s=timeout_s)
        if pts_us is None:
            return None
        # What was set while it waited shows in this frame already.
        held = self._configured()
        self._move_lens(held.focus)
        return imaging.sample(held, pts_us)

    def request_keyframe(self) -> None:
        """Nothing to do: its frames are encoded later."""

    def set_bitrate(self, bps: int) -> None:
        """Nothing to do: its frames are encoded later."""

    def trigger_focus(self) -> None:
        """Begin a scan with the next frame, in whatever mode; in manual the lens stays where it ends."""
        self._opened()
        with self._lock:
            self._focus_wanted = True

    def still(self, last: Sample) -> Still:
        """Return a copy of the last frame: the sensor has nothing better."""
        self._opened()
        if last.frame is None:
            raise CameraError("the sample holds no frame of which a still could be made")
        copy = VideoFrame.from_ndarray(last.frame.to_ndarray(), format=last.frame.format.name)
        copy.colorspace = last.frame.colorspace
        copy.color_range = last.frame.color_range
        return Still(frame=copy, reading=last.reading)

    def close(self) -> None:
        """Let go of everything that is kept."""
        self._imaging = None

    def _opened(self) -> _Imaging:
        if self._imaging is None:
            raise CameraError("the simulated camera is not open")
        return self._imaging

    def _configured(self) -> CameraSettings:
        with self._lock:
            held = self._held
        if held is None:
            raise CameraError("the simulated camera was not configured yet")
        return held

    def _take(self, held: CameraSettings) -> None:
        with self._lock:
            self._held = held
            self._position_wanted = held.focus.position

    def _move_lens(self, focus: Focus) -> None:
        with self._lock:
            position, self._position_wanted = self._position_wanted, None
            triggered, self._focus_wanted = self._focus_wanted, False
            if position is not None and position != self._lens.position:
                self._lens.move_to(position)
            if triggered:
                self._lens.trigger(focus)


class _Imaging:
    """Light through the lens onto the sensor and through the processor: one sample after the other."""

    def __init__(self, *, surroundings: Surroundings, lens: Lens, moving: bool, seed: int) -> None:
        self._surroundings = surroundings
        self._lens = lens
        self._moving = moving
        self._exposure = AutoExposure()
        self._balance = WhiteBalancer()
        self._backdrops = Backdrops()
        self._sprites = Sprites()
        self._developer = Developer(seed=seed)
        self._sequence = 0
        self._start_us: int | None = None
        self._last_us: int | None = None

    def sample(self, held: CameraSettings, pts_us: int) -> Sample:
        """Make the frame of this time, and let the algorithms learn from it."""
        self._start_us = pts_us if self._start_us is None else self._start_us
        interval_us = round(1_000_000 / held.video.fps) if self._last_us is None else pts_us - self._last_us
        self._last_us = pts_us
        scene_s = (pts_us - self._start_us) / 1_000_000
        moment = self._surroundings.at(scene_s)
        light = moment.light
        crop = shown_crop(held)
        window = held.focus.window or _MIDDLE
        look = self._look(held, light, crop)
        backdrop = self._backdrops.get(look)
        patches = self._sprites.patches(look, backdrop, scene_s) if self._moving else []
        shot = self._exposure.shot(held.exposure, fps=held.video.fps)
        gains = self._balance.gains(held.white_balance)
        factor = exposure_factor(light.lux, shot.time_us, shot.gain)
        metered = meter(with_patches(backdrop.grid, patches), factor, held.exposure.metering_mode)
        sharpness = backdrop.figure_of_merit(Rect(window.x, window.y, window.width, window.height))
        frame = self._developer.develop(
            backdrop,
            patches,
            tone=_tone(held, factor, gains, light),
            sigma=noise_sigma(shot.gain, held.image.noise_reduction),
            lines=self._surroundings.lines(moment, self._sequence),
        )
        self._exposure.measured(held.exposure, metered)
        self._balance.measured(held.white_balance, light.temperature_k)
        reading = Reading(
            sequence=self._sequence,
            timestamp_ns=pts_us * 1000,
            lux=round(lux_of(metered.plain_mean, shot.time_us, shot.gain), 3),
            exposure_us=shot.time_us,
            analogue_gain=shot.gain,
            digital_gain=1.0,
            colour_temperature_k=self._balance.temperature_k,
            colour_gains=(round(gains.red, 4), round(gains.blue, 4)),
            lens_position=round(self._lens.position, 4),
            focus_fom=sharpness,
            af_state=self._lens.state,
            ae_converged=self._exposure.converged,
            frame_duration_us=interval_us,
            black_levels=_BLACK_LEVELS,
            sensor_temperature_c=_SENSOR_TEMPERATURE_C,
            crop=crop,
        )
        self._lens.step(held.focus, subject=_subject(look, window), sharpness=sharpness)
        self._sequence += 1
        return Sample(reading=reading, pts_us=pts_us, frame=frame)

    def _look(self, held: CameraSettings, light: Light, crop: tuple[int, int, int, int]) -> Look:
        per_pixel_x, per_pixel_y = WHOLE.width / SENSOR.width, WHOLE.height / SENSOR.height
        width, height = held.video.width, held.video.height
        zoom = SENSOR.width / crop[2]
        upside_down = held.view.rotation == 180
        house, chart = (
            blur_px(self._lens.position - dioptres, width=width, zoom=zoom)
            for dioptres in (HOUSE_DIOPTRES, CHART_DIOPTRES)
        )
        return Look(
            view=Rect(
                crop[0] * per_pixel_x, crop[1] * per_pixel_y, crop[2] * per_pixel_x, crop[3] * per_pixel_y
            ),
            width=width,
            height=height,
            sky_step=sky_step(light.sky_share),
            house_blur=house,
            chart_blur=chart,
            sharpness=held.image.sharpness,
            hflip=held.view.hflip != upside_down,
            vflip=held.view.vflip != upside_down,
        )


def _tone(held: CameraSettings, factor: float, gains: ColourGains, light: Light) -> Tone:
    right = gains_for(light.temperature_k)
    image = held.image
    return Tone(
        factor=factor,
        red=gains.red / right.red,
        blue=gains.blue / right.blue,
        brightness=image.brightness,
        contrast=image.contrast,
        saturation=image.saturation,
    )


def _subject(look: Look, window: Window) -> float:
    """Return how far away, in dioptres, is what the window shows most of: the chart, or what is behind."""
    chart = CHART.within(look.view)
    left = 1 - window.x - window.width if look.hflip else window.x
    top = 1 - window.y - window.height if look.vflip else window.y
    wide = min(chart.x + chart.width, left + window.width) - max(chart.x, left)
    high = min(chart.y + chart.height, top + window.height) - max(chart.y, top)
    covered = max(wide, 0.0) * max(high, 0.0) / (window.width * window.height)
    return CHART_DIOPTRES if covered > 0.5 else HOUSE_DIOPTRES
