"""Light through the lens onto the sensor and through the processor: one sample after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from edge_agent.camera.capabilities import Reading
from edge_agent.camera.drivers.base import Sample
from edge_agent.camera.drivers.simulated.backdrop import Backdrops, Look, blur_px, sky_step
from edge_agent.camera.drivers.simulated.canvas import Rect
from edge_agent.camera.drivers.simulated.exposure import AutoExposure, Shot
from edge_agent.camera.drivers.simulated.isp import Developer, Tone, noise_sigma
from edge_agent.camera.drivers.simulated.lens import Lens
from edge_agent.camera.drivers.simulated.light import Light
from edge_agent.camera.drivers.simulated.metering import exposure_factor, lux_of, meter
from edge_agent.camera.drivers.simulated.scene import CHART, CHART_DIOPTRES, HOUSE_DIOPTRES, WHOLE
from edge_agent.camera.drivers.simulated.sensor import SENSOR, shown_crop
from edge_agent.camera.drivers.simulated.sprites import Sprites, with_patches
from edge_agent.camera.drivers.simulated.surroundings import Surroundings
from edge_agent.camera.drivers.simulated.white_balance import ColourGains, WhiteBalancer, gains_for
from edge_agent.camera.settings import CameraSettings, Window

__all__ = ["Exposed", "Imaging"]

_BLACK_LEVELS: Final = (4096, 4096, 4096, 4096)
_SENSOR_TEMPERATURE_C: Final = 41.0
# What autofocus looks at where nothing else is said.
_MIDDLE: Final = Window(x=0.35, y=0.3, width=0.3, height=0.3)


@dataclass(frozen=True, slots=True)
class Exposed:
    """All that one frame is made of: by it the same moment can be drawn anew, larger or raw."""

    held: CameraSettings
    light: Light
    lens_position: float
    scene_s: float
    moving: bool
    shot: Shot
    gains: ColourGains
    lines: tuple[str, ...]
    seed: int

    @property
    def factor(self) -> float:
        """What a reflectance of 1 comes to, as a fraction of full well."""
        return exposure_factor(self.light.lux, self.shot.time_us, self.shot.gain)

    @property
    def noise(self) -> float:
        """How much noise is left in the picture, in codes."""
        return noise_sigma(self.shot.gain, self.held.image.noise_reduction)

    @property
    def tone(self) -> Tone:
        """How the scene's brightness becomes the picture's codes."""
        right = gains_for(self.light.temperature_k)
        image = self.held.image
        return Tone(
            factor=self.factor,
            red=self.gains.red / right.red,
            blue=self.gains.blue / right.blue,
            brightness=image.brightness,
            contrast=image.contrast,
            saturation=image.saturation,
        )

    @property
    def look(self) -> Look:
        """What of the scene is seen, how large and how sharp."""
        held = self.held
        left, top, wide, high = shown_crop(held)
        per_pixel_x, per_pixel_y = WHOLE.width / SENSOR.width, WHOLE.height / SENSOR.height
        width, height = held.video.width, held.video.height
        upside_down = held.view.rotation == 180
        house, chart = (
            blur_px(self.lens_position - dioptres, width=width, zoom=SENSOR.width / wide)
            for dioptres in (HOUSE_DIOPTRES, CHART_DIOPTRES)
        )
        return Look(
            view=Rect(left * per_pixel_x, top * per_pixel_y, wide * per_pixel_x, high * per_pixel_y),
            width=width,
            height=height,
            sky_step=sky_step(self.light.sky_share),
            house_blur=house,
            chart_blur=chart,
            sharpness=held.image.sharpness,
            hflip=held.view.hflip != upside_down,
            vflip=held.view.vflip != upside_down,
        )


class Imaging:
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
        self._seed = seed
        self.last: Exposed | None = None
        self._sequence = 0
        self._start_us: int | None = None
        self._last_us: int | None = None

    def sample(self, held: CameraSettings, pts_us: int) -> Sample:
        """Make the frame of this time, and let the algorithms learn from it."""
        self._start_us = pts_us if self._start_us is None else self._start_us
        interval_us = round(1_000_000 / held.video.fps) if self._last_us is None else pts_us - self._last_us
        self._last_us = pts_us
        moment = self._surroundings.at((pts_us - self._start_us) / 1_000_000)
        shot = self._exposure.shot(held.exposure, fps=held.video.fps)
        gains = self._balance.gains(held.white_balance)
        self.last = exposed = Exposed(
            held=held,
            light=moment.light,
            lens_position=self._lens.position,
            scene_s=(pts_us - self._start_us) / 1_000_000,
            moving=self._moving,
            shot=shot,
            gains=gains,
            lines=tuple(self._surroundings.lines(moment, self._sequence)),
            seed=self._seed + self._sequence,
        )
        window = held.focus.window or _MIDDLE
        look = exposed.look
        backdrop = self._backdrops.get(look)
        patches = self._sprites.patches(look, backdrop, exposed.scene_s) if self._moving else []
        metered = meter(with_patches(backdrop.grid, patches), exposed.factor, held.exposure.metering_mode)
        sharpness = backdrop.figure_of_merit(Rect(window.x, window.y, window.width, window.height))
        frame = self._developer.develop(
            backdrop, patches, tone=exposed.tone, sigma=exposed.noise, lines=list(exposed.lines)
        )
        self._exposure.measured(held.exposure, metered)
        self._balance.measured(held.white_balance, moment.light.temperature_k)
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
            crop=shown_crop(held),
        )
        self._lens.step(held.focus, subject=_subject(look, window), sharpness=sharpness)
        self._sequence += 1
        return Sample(reading=reading, pts_us=pts_us, frame=frame)


def _subject(look: Look, window: Window) -> float:
    """Return how far away, in dioptres, is what the window shows most of: the chart, or what is behind."""
    chart = CHART.within(look.view)
    left = 1 - window.x - window.width if look.hflip else window.x
    top = 1 - window.y - window.height if look.vflip else window.y
    wide = min(chart.x + chart.width, left + window.width) - max(chart.x, left)
    high = min(chart.y + chart.height, top + window.height) - max(chart.y, top)
    covered = max(wide, 0.0) * max(high, 0.0) / (window.width * window.height)
    return CHART_DIOPTRES if covered > 0.5 else HOUSE_DIOPTRES
