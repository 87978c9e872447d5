"""A moment of the scene drawn once more: larger than the stream's picture, or raw, as the sensor sees it.

It takes a second or more, so it is done where pictures are developed, beside the frames.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from av import VideoFrame

from edge_agent.camera.drivers.base import Mosaic
from edge_agent.camera.drivers.mosaics import preview_of
from edge_agent.camera.drivers.simulated.backdrop import Backdrop, Backdrops
from edge_agent.camera.drivers.simulated.imaging import Exposed
from edge_agent.camera.drivers.simulated.isp import Developer
from edge_agent.camera.drivers.simulated.sensor import mode_for
from edge_agent.camera.drivers.simulated.sprites import Patch, Sprites
from edge_agent.camera.drivers.simulated.white_balance import gains_for
from edge_agent.camera.settings import Window, merge

__all__ = ["large_picture", "raw_picture"]

_Floats = npt.NDArray[np.float32]

# Every mode has time for one picture.
_SLOW_FPS: Final = 1.0

_BLACK: Final = 64
_WHITE: Final = 1023
# Red, green, green, blue: of each quad the row, the column, and which colour it sees.
_PATTERN: Final = (0, 1, 1, 2)
_PLACES: Final = ((0, 0), (0, 1), (1, 0), (1, 1))
# Electrons that fill a pixel at gain 1, and the noise of reading it, as a fraction of that.
_FULL_WELL: Final = 8000.0
_READ_NOISE: Final = 0.0008
_BAND_ROWS: Final = 256
_MOST_DETAIL: Final = 4.0
_DAYLIGHT_K: Final = 6504.0
# From XYZ to linear Rec. 709, which is how the scene is painted.
_XYZ_TO_RGB: Final = (
    (3.2404542, -1.5371385, -0.4985314),
    (-0.9692660, 1.8760108, 0.0415560),
    (0.0556434, -0.2040259, 1.0572252),
)


def large_picture(exposed: Exposed, size: tuple[int, int]) -> VideoFrame:
    """Return the moment's picture at another size, by its own exposure and with noise of its own."""
    video = {"width": size[0] + size[0] % 2, "height": size[1] + size[1] % 2, "fps": _SLOW_FPS}
    larger = replace(exposed, held=merge(exposed.held, {"video": video}))
    backdrop, patches = _drawn(larger)
    return Developer(seed=exposed.seed).develop(
        backdrop, patches, tone=larger.tone, sigma=larger.noise, lines=list(larger.lines)
    )


def raw_picture(exposed: Exposed, size: tuple[int, int] | None) -> Mosaic:
    """Return what the sensor sees in the mode that the stream uses, or in the smallest that holds `size`."""
    held = exposed.held
    if size is not None:
        held = merge(held, {"video": {"width": size[0], "height": size[1], "fps": _SLOW_FPS}})
    mode = mode_for(held)
    width, height = mode.width, mode.height
    # The sensor knows nothing of the processor's zoom and sharpening.
    raw = {
        "video": {"width": width, "height": height},
        "view": {"roi": Window()},
        "image": {"sharpness": 1.0},
    }
    seen = replace(exposed, held=merge(held, raw))
    backdrop, patches = _drawn(seen)
    codes = np.empty((height, width), "<u2")
    random = np.random.default_rng(exposed.seed)
    luma, colours = _with_patches(backdrop, patches)
    light = gains_for(exposed.light.temperature_k)
    response = [exposed.factor / gain for gain in (light.red, 1.0, light.blue)]
    for top in range(0, height, _BAND_ROWS):
        rows, half = slice(top, top + _BAND_ROWS), slice(top // 2, (top + _BAND_ROWS) // 2)
        band = _quads(luma[rows], [colour[half] for colour in colours], response)
        codes[rows] = _read_out(band, gain=exposed.shot.gain, random=random)
    gains = (exposed.gains.red, 1.0, exposed.gains.blue)
    daylight = gains_for(_DAYLIGHT_K)
    per_colour = (1 / daylight.red, 1.0, 1 / daylight.blue)
    return Mosaic(
        data=codes.tobytes(),
        width=width,
        height=height,
        pattern=_PATTERN,
        black_level=_BLACK,
        white_level=_WHITE,
        neutral=(1 / gains[0], 1.0, 1 / gains[2]),
        xyz_to_camera=tuple(
            value * scale for row, scale in zip(_XYZ_TO_RGB, per_colour, strict=True) for value in row
        ),
        preview=preview_of(codes, pattern=_PATTERN, levels=(_BLACK, _WHITE), gains=gains),
    )


def _drawn(exposed: Exposed) -> tuple[Backdrop, list[Patch]]:
    look = exposed.look
    backdrop = Backdrops().get(look)
    return backdrop, Sprites().patches(look, backdrop, exposed.scene_s) if exposed.moving else []


def _with_patches(backdrop: Backdrop, patches: list[Patch]) -> tuple[Any, list[Any]]:
    if not patches:
        return backdrop.luma, list(backdrop.rgb)
    luma, colours = backdrop.luma.copy(), [plane.copy() for plane in backdrop.rgb]
    for patch in patches:
        height, width = patch.luma.shape
        luma[patch.y : patch.y + height, patch.x : patch.x + width] = patch.luma
        for plane, part in zip(colours, patch.rgb, strict=True):
            top, left = patch.y // 2, patch.x // 2
            plane[top : top + part.shape[0], left : left + part.shape[1]] = part
    return luma, colours


def _quads(luma: Any, colours: list[Any], response: list[float]) -> _Floats:
    """Return how much light each pixel of a band gets: its quad's colour, with the detail of luma."""
    linear = ((np.arange(256) / 255.0) ** 2).astype(np.float32)
    bright: _Floats = linear[luma]
    mean = sum(bright[row::2, column::2] for row, column in _PLACES) / np.float32(4)
    light = np.empty_like(bright)
    for (row, column), colour in zip(_PLACES, _PATTERN, strict=True):
        detail = np.clip(bright[row::2, column::2] / np.maximum(mean, 1e-5), 0, _MOST_DETAIL)
        light[row::2, column::2] = linear[colours[colour]] * detail * np.float32(response[colour])
    return light


def _read_out(light: _Floats, *, gain: float, random: np.random.Generator) -> Any:
    """Return the sensor's codes, with the noise of the light itself and of the reading."""
    light = np.minimum(light, 1.0)
    sigma = np.sqrt(light * np.float32(gain / _FULL_WELL) + np.float32((_READ_NOISE * gain) ** 2))
    noisy = light + random.standard_normal(light.shape, np.float32) * sigma
    return np.clip(np.rint(_BLACK + noisy * (_WHITE - _BLACK)), 0, _WHITE).astype("<u2")
