"""What there is to see: a house by a road, a tree, a lamp, and a test chart close to the camera.

The scene is 16 wide and 9 high. Colours are codes of the root of reflectance, 255 for white.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image as Picture

from edge_agent.camera.drivers.simulated.canvas import Canvas, Colour, Rect

__all__ = ["CHART", "CHART_DIOPTRES", "HOUSE_DIOPTRES", "ROAD_Y", "WHOLE", "Drawing", "draw_scene", "glow_at"]

_Floats = npt.NDArray[np.float64]

WHOLE: Final = Rect(0, 0, 16, 9)
# Where the chart stands, and how far that and all the rest is from the camera.
CHART: Final = Rect(12.5, 7.15, 3.2, 1.7)
CHART_DIOPTRES: Final = 6.0
HOUSE_DIOPTRES: Final = 2.0
ROAD_Y: Final = (6.2, 7.1)

_HORIZON: Final = 5.1
_HOUSE: Final = Rect(5.0, 2.9, 5.6, 3.0)
_LAMP: Final = (11.9, 2.35)
_WHITE: Final[Colour] = (240, 240, 236)
_PATCHES: Final[tuple[Colour, ...]] = (
    (184, 66, 60),
    (78, 158, 82),
    (58, 74, 158),
    (236, 206, 60),
    (186, 86, 150),
    (60, 140, 170),
    (236, 236, 236),
    (128, 128, 128),
    (48, 48, 48),
)
# Pictures up to this many pixels are drawn at twice the size and halved, for smooth edges.
_SMOOTH_PX: Final = 2_600_000


@dataclass(frozen=True)
class Drawing:
    """The scene without its light: what reflects, where the lamp's light falls, what shines by itself."""

    albedo: Picture.Image
    glow: Picture.Image
    shine: Picture.Image


@lru_cache(maxsize=1)
def _texture() -> Picture.Image:
    noise = np.random.default_rng(1).normal(128, 14, (360, 1280))
    return Picture.fromarray(np.clip(noise, 0, 255).astype(np.uint8))


def _sky(canvas: Canvas) -> None:
    for step in range(64):
        part = step / 63
        colour = (round(112 + 92 * part), round(160 + 56 * part), round(222 + 10 * part))
        canvas.rect(0, _HORIZON * step / 64, 16, _HORIZON / 64 + 0.05, colour)
    chance = random.Random(4)
    for x, y in ((1.6, 1.0), (7.3, 0.75), (13.6, 1.35)):
        for _ in range(9):
            shade = 226 + chance.randrange(20)
            canvas.ellipse(
                x + chance.uniform(-1.0, 1.0),
                y + chance.uniform(-0.12, 0.16),
                0.55,
                0.2,
                (shade, shade, shade),
            )
    hills = [
        (x / 4, _HORIZON - 0.55 - 0.35 * math.sin(x * 0.16) - 0.12 * math.sin(x * 0.9)) for x in range(65)
    ]
    canvas.polygon([*hills, (16, _HORIZON + 0.3), (0, _HORIZON + 0.3)], (104, 132, 122))


def _ground(canvas: Canvas) -> None:
    canvas.rect(0, _HORIZON, 16, 9 - _HORIZON, (92, 124, 66))
    top, bottom = ROAD_Y
    canvas.rect(0, top - 0.1, 16, bottom - top + 0.2, (150, 148, 142))
    canvas.rect(0, top, 16, bottom - top, (92, 92, 96))
    for dash in range(11):
        canvas.rect(0.3 + dash * 1.5, (top + bottom) / 2 - 0.03, 0.8, 0.06, _WHITE)
    canvas.modulate(_texture(), Rect(0, _HORIZON, 16, 9 - _HORIZON))


def _tree(canvas: Canvas) -> None:
    canvas.polygon([(2.25, 6.0), (2.42, 3.6), (2.68, 3.6), (2.85, 6.0)], (92, 70, 54))
    chance = random.Random(11)
    for _ in range(420):
        angle, distance = chance.uniform(0, 2 * math.pi), 1.5 * math.sqrt(chance.random())
        green = chance.randrange(78, 140)
        x, y = 2.55 + distance * math.cos(angle), 2.9 + 0.85 * distance * math.sin(angle)
        canvas.ellipse(x, y, 0.13, 0.1, (green * 6 // 10, green, green * 4 // 10))


def _windows() -> list[Rect]:
    return [Rect(x, y, 0.75, 0.72) for x in (5.55, 7.4, 9.25) for y in (3.2, 4.6) if (x, y) != (7.4, 4.6)]


def _house(canvas: Canvas) -> None:
    house = _HOUSE
    canvas.rect(house.x, house.y, house.width, house.height, (188, 176, 164))
    chance = random.Random(2)
    brick_width, brick_height = 0.28, 0.1
    for row in range(round(house.height / brick_height)):
        y = house.y + row * brick_height
        start = house.x - (brick_width / 2 if row % 2 else 0)
        for column in range(round(house.width / brick_width) + 1):
            left = max(start + column * brick_width, house.x)
            right = min(start + (column + 1) * brick_width - 0.025, house.x + house.width)
            red = chance.randrange(148, 182)
            if right > left:
                canvas.rect(left, y, right - left, brick_height - 0.02, (red, red * 6 // 10, red // 2))
    left, right, eaves = house.x - 0.35, house.x + house.width + 0.35, house.y + 0.05
    canvas.polygon([(left, eaves), (left + 1.2, 1.35), (right - 1.2, 1.35), (right, eaves)], (108, 66, 58))
    for row in range(1, 11):
        y = 1.35 + (eaves - 1.35) * row / 11
        inset = 1.2 * (1 - row / 11)
        canvas.line([(left + inset, y), (right - inset, y)], 0.025, (78, 48, 44))
    canvas.rect(9.0, 0.95, 0.5, 0.9, (150, 92, 78))
    for window in _windows():
        canvas.rect(window.x - 0.06, window.y - 0.06, window.width + 0.12, window.height + 0.12, _WHITE)
        _panes(canvas, window, (64, 84, 104))
    canvas.rect(7.38, 4.5, 0.86, 1.4, _WHITE)
    canvas.rect(7.44, 4.56, 0.74, 1.34, (58, 84, 112))
    canvas.ellipse(8.06, 5.25, 0.035, 0.035, (220, 196, 120))


def _panes(canvas: Canvas, window: Rect, colour: Colour) -> None:
    half_width, half_height = window.width / 2 - 0.02, window.height / 2 - 0.02
    for x in (window.x, window.x + window.width / 2 + 0.02):
        for y in (window.y, window.y + window.height / 2 + 0.02):
            canvas.rect(x, y, half_width, half_height, colour)


def _fence_and_lamp(canvas: Canvas) -> None:
    for rail in (5.35, 5.7):
        canvas.rect(11.0, rail, 5.0, 0.07, (206, 204, 196))
    for picket in range(26):
        x = 11.05 + picket * 0.19
        canvas.polygon(
            [(x, 5.95), (x, 5.25), (x + 0.05, 5.17), (x + 0.1, 5.25), (x + 0.1, 5.95)], (226, 224, 216)
        )
    x, y = _LAMP
    canvas.rect(x + 0.36, y - 0.1, 0.09, 3.75, (62, 66, 70))
    canvas.rect(x - 0.2, y - 0.12, 0.62, 0.08, (62, 66, 70))
    canvas.rect(x - 0.22, y - 0.05, 0.4, 0.08, (216, 214, 200))


def _chart(canvas: Canvas) -> None:
    x, y = CHART.x, CHART.y
    canvas.rect(x, y, CHART.width, CHART.height, (232, 230, 226))
    centre, radius = (x + 0.85, y + 0.85), 0.75
    for spoke in range(36):
        angle = spoke * math.pi / 18
        ends = [
            (centre[0] + radius * math.cos(a), centre[1] + radius * math.sin(a))
            for a in (angle, angle + math.pi / 36)
        ]
        canvas.polygon([centre, *ends], (16, 16, 16))
    for index, colour in enumerate(_PATCHES):
        canvas.rect(x + 1.75 + index % 3 * 0.45, y + 0.1 + index // 3 * 0.32, 0.42, 0.29, colour)
    for line in range(24):
        canvas.rect(x + 1.75 + line * 0.055, y + 1.12, 0.0275 - line * 0.0007, 0.22, (16, 16, 16))
    for square in range(20):
        canvas.rect(x + 1.75 + square * 0.066, y + 1.4 + square % 2 * 0.1, 0.066, 0.1, (16, 16, 16))


def _lamp_light(x: _Floats, y: _Floats) -> _Floats:
    """Return the lamp's light at places: around its head, and in a pool on the ground below."""
    head = np.exp(-((x - _LAMP[0]) ** 2 + (y - _LAMP[1]) ** 2) / 0.5)
    pool = np.exp(-(((x - _LAMP[0]) / 3.4) ** 2) - ((y - 6.0) / 1.5) ** 2)
    return np.asarray(np.maximum(0.35 * head, 0.85 * pool) + 0.01)


def glow_at(x: float, y: float) -> float:
    """Return how much of the lamp's light falls on a place, 1 at most."""
    return min(float(_lamp_light(np.array([x]), np.array([y]))[0]), 1.0)


def _glow(view: Rect, size: tuple[int, int]) -> Picture.Image:
    """Return the lamp's light all over the picture."""
    width, height = max(size[0] // 8, 8), max(size[1] // 8, 8)
    x = view.x + (np.arange(width) + 0.5) * view.width / width
    y = (view.y + (np.arange(height) + 0.5) * view.height / height)[:, None]
    lit = _lamp_light(x, y)
    small = Picture.fromarray(np.clip(lit * 255, 0, 255).astype(np.uint8))
    return small.resize(size, Picture.Resampling.BILINEAR)


def draw_scene(view: Rect, size: tuple[int, int]) -> Drawing:
    """Draw the part of the scene that is in `view`."""
    factor = 2 if size[0] * size[1] <= _SMOOTH_PX else 1
    drawn = (size[0] * factor, size[1] * factor)
    albedo = Canvas(view, drawn)
    for part in (_sky, _ground, _tree, _house, _fence_and_lamp, _chart):
        part(albedo)
    shine = Canvas(view, drawn)
    for window in _windows()[::2]:
        _panes(shine, window, (236, 190, 110))
    shine.rect(_LAMP[0] - 0.22, _LAMP[1] - 0.05, 0.4, 0.08, (255, 244, 214))
    return Drawing(
        albedo=albedo.image.reduce(factor) if factor > 1 else albedo.image,
        glow=_glow(view, size),
        shine=shine.image.reduce(factor) if factor > 1 else shine.image,
    )
