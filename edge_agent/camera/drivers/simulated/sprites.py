"""What moves in the scene: a car that comes by, and a ball that bounces."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image as Picture
from PIL import ImageChops

from edge_agent.camera.drivers.simulated.backdrop import (
    GRID_PX,
    REC709,
    Backdrop,
    Look,
    Plane,
    blurred,
    sky_share,
)
from edge_agent.camera.drivers.simulated.canvas import Canvas, Rect
from edge_agent.camera.drivers.simulated.scene import ROAD_Y, glow_at

__all__ = ["Patch", "Sprites", "with_patches"]

_CAR: Final = (2.4, 0.9)
_CAR_EVERY_S: Final = 12.0
_CAR_SPEED: Final = 2.4
_BALL_PX: Final = 0.24
_BALL_EVERY_S: Final = 1.2
_BALL_X: Final = (0.6, 4.2)
_BALL_Y: Final = (7.4, 8.6)
_BALL_SPEED: Final = 0.7
_Draw = Callable[[Rect, tuple[int, int]], tuple[Canvas, Canvas, Canvas]]

# A sprite is never drawn larger than this: seen closer, a part of it is enlarged.
_MOST_PX: Final = 1600


@dataclass(frozen=True)
class Patch:
    """A rectangle of the picture that differs from the backdrop: luma, and the colours at half size."""

    x: int
    y: int
    luma: Plane
    rgb: tuple[Plane, Plane, Plane]


@dataclass(frozen=True)
class _Sprite:
    """One thing: how it reflects, its outline, what of it shines; `rect` is where, around its place."""

    rect: Rect
    albedo: Picture.Image
    outline: Picture.Image
    shine: Picture.Image


def _car(view: Rect, size: tuple[int, int]) -> tuple[Canvas, Canvas, Canvas]:
    body, outline, shine = (Canvas(view, size) for _ in range(3))
    for canvas, paint, glass, tyre in (
        (body, (190, 40, 44), (150, 180, 200), (36, 36, 38)),
        (outline, (255, 255, 255), (255, 255, 255), (255, 255, 255)),
    ):
        canvas.polygon([(0.0, 0.72), (0.05, 0.42), (0.5, 0.36), (2.2, 0.38), (2.4, 0.5), (2.4, 0.72)], paint)
        canvas.polygon([(0.45, 0.4), (0.75, 0.05), (1.55, 0.05), (1.95, 0.4)], paint)
        canvas.polygon([(0.58, 0.38), (0.8, 0.11), (1.1, 0.11), (1.1, 0.38)], glass)
        canvas.polygon([(1.17, 0.38), (1.17, 0.11), (1.5, 0.11), (1.78, 0.38)], glass)
        for x in (0.52, 1.88):
            canvas.ellipse(x, 0.71, 0.19, 0.19, tyre)
    for x in (0.52, 1.88):
        body.ellipse(x, 0.71, 0.09, 0.09, (170, 172, 176))
    body.rect(2.32, 0.48, 0.08, 0.1, (250, 248, 220))
    shine.rect(2.32, 0.48, 0.08, 0.1, (255, 250, 220))
    shine.rect(0.02, 0.46, 0.06, 0.1, (220, 30, 24))
    return body, outline, shine


def _ball(view: Rect, size: tuple[int, int]) -> tuple[Canvas, Canvas, Canvas]:
    body, outline, shine = (Canvas(view, size) for _ in range(3))
    radius = _BALL_PX
    body.ellipse(radius, radius, radius, radius, (236, 140, 40))
    body.ellipse(radius * 0.8, radius * 0.75, radius * 0.45, radius * 0.4, (250, 226, 190))
    outline.ellipse(radius, radius, radius, radius, (255, 255, 255))
    return body, outline, shine


class Sprites:
    """Draws what moves onto the backdrop."""

    def __init__(self) -> None:
        self._look: Look | None = None
        self._car: _Sprite | None = None
        self._ball: _Sprite | None = None

    def patches(self, look: Look, backdrop: Backdrop, at_s: float) -> list[Patch]:
        """Return what differs from the backdrop so many seconds after the scene began."""
        if self._look != look or self._car is None or self._ball is None:
            self._look = look
            self._car = _drawn(_car, _CAR, look)
            self._ball = _drawn(_ball, (2 * _BALL_PX, 2 * _BALL_PX), look)
        car_x = -_CAR[0] - 0.2 + (at_s % _CAR_EVERY_S) * _CAR_SPEED
        phase = at_s / _BALL_EVERY_S % 1
        bounce = 4 * phase * (1 - phase)
        reach = _BALL_X[1] - _BALL_X[0]
        ball_x = _BALL_X[0] + abs((at_s * _BALL_SPEED) % (2 * reach) - reach)
        ball_y = _BALL_Y[1] - 2 * _BALL_PX - bounce * (_BALL_Y[1] - _BALL_Y[0])
        placed = (
            (self._car, car_x, ROAD_Y[1] - _CAR[1] + 0.12),
            (self._ball, ball_x, ball_y),
        )
        patches = (_placed(sprite, x, y, look, backdrop) for sprite, x, y in placed)
        return [patch for patch in patches if patch is not None]


def _drawn(draw: _Draw, size: tuple[float, float], look: Look) -> _Sprite:
    scale_x, scale_y = look.width / look.view.width, look.height / look.view.height
    shrink = min(1.0, _MOST_PX / (size[0] * scale_x), _MOST_PX / (size[1] * scale_y))
    scale_x, scale_y = scale_x * shrink, scale_y * shrink
    radius = look.house_blur * shrink
    margin = 3 * radius + 3
    rect = Rect(
        -margin / scale_x, -margin / scale_y, size[0] + 2 * margin / scale_x, size[1] + 2 * margin / scale_y
    )
    pixels = (max(4, round(rect.width * scale_x)), max(4, round(rect.height * scale_y)))
    # At twice the size and halved, for smooth edges.
    body, outline, shine = (
        blurred(canvas.image.reduce(2), radius) for canvas in draw(rect, (2 * pixels[0], 2 * pixels[1]))
    )
    return _Sprite(rect=rect, albedo=body, outline=outline.getchannel(0), shine=shine)


def _span(start: float, length: float, limit: int) -> tuple[int, int]:
    """Return the even pixels of a span that lie in the picture; empty where the second is not larger."""
    first, last = math.ceil(start / 2) * 2, math.floor((start + length) / 2) * 2
    return max(first, 0), min(last, limit)


def _placed(sprite: _Sprite, x: float, y: float, look: Look, backdrop: Backdrop) -> Patch | None:
    scale_x, scale_y = look.width / look.view.width, look.height / look.view.height
    left, top = (x + sprite.rect.x - look.view.x) * scale_x, (y + sprite.rect.y - look.view.y) * scale_y
    width, height = sprite.rect.width * scale_x, sprite.rect.height * scale_y
    (x0, x1), (y0, y1) = _span(left, width, look.width), _span(top, height, look.height)
    if x1 <= x0 or y1 <= y0:
        return None
    per_x, per_y = sprite.albedo.width / width, sprite.albedo.height / height
    box = ((x0 - left) * per_x, (y0 - top) * per_y, (x1 - left) * per_x, (y1 - top) * per_y)

    def shown(picture: Picture.Image) -> Picture.Image:
        part = picture.resize((x1 - x0, y1 - y0), Picture.Resampling.BILINEAR, box=box)
        if look.hflip:
            part = part.transpose(Picture.Transpose.FLIP_LEFT_RIGHT)
        return part.transpose(Picture.Transpose.FLIP_TOP_BOTTOM) if look.vflip else part

    at_x = look.width - x1 if look.hflip else x0
    at_y = look.height - y1 if look.vflip else y0
    albedo, outline = shown(sprite.albedo), shown(sprite.outline)
    share = sky_share(look.sky_step)
    if share < 1:
        glow = glow_at(x + sprite.rect.width / 2, y + sprite.rect.height / 2)
        factor = math.sqrt(share + (1 - share) * glow)
        shine = math.sqrt(1 - share)
        albedo = ImageChops.lighter(
            albedo.point([round(value * factor) for value in range(256)] * 3),
            shown(sprite.shine).point([round(value * shine) for value in range(256)] * 3),
        )
    return _composed(backdrop, (at_x, at_y), albedo, outline)


def _composed(
    backdrop: Backdrop, at: tuple[int, int], albedo: Picture.Image, outline: Picture.Image
) -> Patch:
    x, y = at
    width, height = albedo.size
    luma = _pasted(backdrop.luma[y : y + height, x : x + width], albedo.convert("L", REC709), outline)
    half, half_outline = albedo.reduce(2), outline.reduce(2)
    rows, columns = slice(y // 2, (y + height) // 2), slice(x // 2, (x + width) // 2)
    red, green, blue = (
        _pasted(plane[rows, columns], band, half_outline)
        for plane, band in zip(backdrop.rgb, half.split(), strict=True)
    )
    return Patch(x=x, y=y, luma=luma, rgb=(red, green, blue))


def _pasted(below: Plane, above: Picture.Image, outline: Picture.Image) -> Plane:
    picture = Picture.fromarray(np.ascontiguousarray(below))
    picture.paste(above, (0, 0), outline)
    return np.asarray(picture, np.uint8)


def with_patches(grid: Plane, patches: list[Patch]) -> Plane:
    """Return the backdrop's coarse grid with what moves on it, as the sensor's statistics see it."""
    if not patches:
        return grid
    seen = grid.copy()
    for patch in patches:
        part = patch.luma[-patch.y % GRID_PX :: GRID_PX, -patch.x % GRID_PX :: GRID_PX]
        row, column = -(-patch.y // GRID_PX), -(-patch.x // GRID_PX)
        seen[row : row + part.shape[0], column : column + part.shape[1]] = part
    return seen
