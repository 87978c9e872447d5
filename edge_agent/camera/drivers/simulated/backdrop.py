"""The scene at rest, lit and through the lens, as planes ready to be developed. Kept until it changes."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image as Picture
from PIL import ImageChops, ImageFilter

from edge_agent.camera.drivers.simulated.canvas import Rect
from edge_agent.camera.drivers.simulated.scene import CHART, Drawing, draw_scene

__all__ = [
    "GRID_PX",
    "REC709",
    "Backdrop",
    "Backdrops",
    "Look",
    "Plane",
    "blur_px",
    "blurred",
    "sky_share",
    "sky_step",
]

Plane = npt.NDArray[np.uint8]

# Every so many pixels one is measured.
GRID_PX: Final = 16
# Radius of the blur at one dioptre beside the subject, in fractions of the picture's width at no zoom.
_BLUR_PER_DIOPTRE: Final = 0.0012
_MOST_KEPT_BYTES: Final = 40_000_000
REC709: Final = (0.2126, 0.7152, 0.0722, 0.0)
_SHARPENING: Final = 0.5
_FOM_SCALE: Final = 40.0


@dataclass(frozen=True, slots=True)
class Look:
    """All that a backdrop depends on. `sky_step` and the blurs are in steps, so that it changes seldom."""

    view: Rect
    width: int
    height: int
    sky_step: int
    house_blur: float
    chart_blur: float
    sharpness: float
    hflip: bool
    vflip: bool


@dataclass(frozen=True)
class Backdrop:
    """Luma at full size, red, green and blue at half, all as codes of the root of brightness."""

    luma: Plane
    rgb: tuple[Plane, Plane, Plane]
    luma_bytes: bytes
    rgb_bytes: tuple[bytes, bytes, bytes]
    grid: Plane

    def figure_of_merit(self, window: Rect) -> int:
        """Return how much detail there is in a part of the picture, given in fractions of it."""
        height, width = self.luma.shape
        top, left = int(window.y * height), int(window.x * width)
        bottom = max(int((window.y + window.height) * height), top + 2)
        right = max(int((window.x + window.width) * width), left + 2)
        part = self.luma[top:bottom:2, left:right].astype(np.int16)
        if part.size < 2 or part.shape[1] < 2:
            return 0
        step = np.diff(part, axis=1).astype(np.float32)
        return int(_FOM_SCALE * float(np.mean(step * step)))


def sky_step(share: float) -> int:
    """Return the share of the sky's light in steps of a third of a stop; 0 is all of it."""
    return round(min(-math.log2(max(share, 0.01)), 6.0) * 3)


def sky_share(step: int) -> float:
    """Undo `sky_step`."""
    return float(2.0 ** (-step / 3))


def blur_px(dioptres: float, *, width: int, zoom: float) -> float:
    """Return the radius of the blur so far beside the subject, in pixels, in steps of half a stop."""
    radius = abs(dioptres) * _BLUR_PER_DIOPTRE * width * zoom
    if radius < 0.25:
        return 0.0
    return float(2.0 ** (round(2 * math.log2(radius)) / 2))


def blurred(picture: Picture.Image, radius: float) -> Picture.Image:
    """Return the picture out of focus. Much blur is done at a smaller size: it looks the same."""
    if radius <= 0:
        return picture
    factor = min(8, int(radius / 1.5))
    if factor < 2:
        return picture.filter(ImageFilter.GaussianBlur(radius))
    small = picture.reduce(factor).filter(ImageFilter.GaussianBlur(radius / factor))
    box = (0, 0, picture.width / factor, picture.height / factor)
    return small.resize(picture.size, Picture.Resampling.BILINEAR, box=box)


def _lit(drawing: Drawing, step: int) -> Picture.Image:
    if step == 0:
        return drawing.albedo
    share = sky_share(step)
    table = [round(255 * math.sqrt(share + (1 - share) * (value / 255))) for value in range(256)]
    factor = drawing.glow.point(table)
    reflected = ImageChops.multiply(drawing.albedo, Picture.merge("RGB", (factor, factor, factor)))
    shine = math.sqrt(1 - share)
    return ImageChops.lighter(reflected, drawing.shine.point([round(v * shine) for v in range(256)] * 3))


def _sharpened(luma: Picture.Image, sharpness: float) -> Picture.Image:
    amount = _SHARPENING * (sharpness - 1)
    if amount == 0:
        return luma
    plain = np.asarray(luma, np.float32)
    soft = np.asarray(luma.filter(ImageFilter.GaussianBlur(1.2)), np.float32)
    return Picture.fromarray(np.clip(plain + amount * (plain - soft), 0, 255).astype(np.uint8))


class Backdrops:
    """Draws backdrops and keeps the last ones, within a bound of memory."""

    def __init__(self) -> None:
        self._drawn: tuple[tuple[Rect, int, int], Drawing] | None = None
        self._flat: tuple[Look, Picture.Image, Picture.Image] | None = None
        self._kept: OrderedDict[Look, Backdrop] = OrderedDict()

    def get(self, look: Look) -> Backdrop:
        """Return the backdrop of a look, drawn anew where it is not known."""
        known = self._kept.get(look)
        if known is not None:
            self._kept.move_to_end(look)
            return known
        made = self._make(look)
        size = made.luma.nbytes + sum(plane.nbytes for plane in made.rgb)
        while self._kept and (len(self._kept) + 1) * size > _MOST_KEPT_BYTES:
            self._kept.popitem(last=False)
        self._kept[look] = made
        return made

    def _drawing(self, look: Look) -> Drawing:
        key = (look.view, look.width, look.height)
        if self._drawn is None or self._drawn[0] != key:
            self._drawn = None  # let go of the old one first: they are large
            self._drawn = (key, draw_scene(look.view, (look.width, look.height)))
            self._kept.clear()
        return self._drawn[1]

    def _lit_planes(self, look: Look) -> tuple[Picture.Image, Picture.Image]:
        """Return the lit scene in focus: luma, and the colours at half size."""
        key = replace(look, house_blur=0, chart_blur=0, sharpness=1, hflip=False, vflip=False)
        if self._flat is None or self._flat[0] != key:
            lit = _lit(self._drawing(look), look.sky_step)
            self._flat = (key, lit.convert("L", REC709), lit.reduce(2))
        return self._flat[1], self._flat[2]

    def _make(self, look: Look) -> Backdrop:
        sharp_luma, sharp_half = self._lit_planes(look)
        luma = _sharpened(_through_lens(sharp_luma, look, scale=1), look.sharpness)
        half = _through_lens(sharp_half, look, scale=2)
        luma_bytes, red, green, blue = (_flipped(band, look).tobytes() for band in (luma, *half.split()))
        plane = _view(luma_bytes, luma)
        return Backdrop(
            luma=plane,
            rgb=(_view(red, half), _view(green, half), _view(blue, half)),
            luma_bytes=luma_bytes,
            rgb_bytes=(red, green, blue),
            grid=plane[::GRID_PX, ::GRID_PX].copy(),
        )


def _flipped(band: Picture.Image, look: Look) -> Picture.Image:
    if look.hflip:
        band = band.transpose(Picture.Transpose.FLIP_LEFT_RIGHT)
    return band.transpose(Picture.Transpose.FLIP_TOP_BOTTOM) if look.vflip else band


def _view(plane: bytes, picture: Picture.Image) -> Plane:
    return np.frombuffer(plane, np.uint8).reshape(picture.height, picture.width)


def _through_lens(picture: Picture.Image, look: Look, *, scale: int) -> Picture.Image:
    """Blur the scene, and the chart in front of it by its own distance."""
    behind = blurred(picture, look.house_blur / scale)
    if look.house_blur == look.chart_blur:
        return behind
    chart = CHART.within(look.view)
    radius = look.chart_blur / scale
    margin = round(2 * radius) + 1
    left, top = round(chart.x * picture.width), round(chart.y * picture.height)
    right = round((chart.x + chart.width) * picture.width)
    bottom = round((chart.y + chart.height) * picture.height)
    box = (
        max(left - margin, 0),
        max(top - margin, 0),
        min(right + margin, picture.width),
        min(bottom + margin, picture.height),
    )
    if box[0] >= box[2] or box[1] >= box[3]:
        return behind
    mask = Picture.new("L", (box[2] - box[0], box[3] - box[1]), 0)
    mask.paste(255, (left - box[0], top - box[1], right - box[0], bottom - box[1]))
    behind = behind.copy()
    behind.paste(blurred(picture.crop(box), radius), box[:2], blurred(mask, radius))
    return behind
