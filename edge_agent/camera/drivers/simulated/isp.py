"""Develops the scene into a picture: exposure, white balance, tone, colour and noise, all by tables.

Everything at full size is done by one pass of a table of 256 entries over bytes, the only thing that is fast
enough without a compiler. Chroma is a sum of three tables; the sums are taken modulo 256, and since the
result is within a byte that is exact.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from av import VideoFrame
from av.video.reformatter import ColorRange, Colorspace

from edge_agent.camera.drivers.simulated.backdrop import Backdrop, Plane
from edge_agent.camera.drivers.simulated.sprites import Patch
from edge_agent.camera.drivers.simulated.text import burn

__all__ = ["Developer", "Tone", "noise_sigma"]

_KR: Final = 0.2126
_KG: Final = 0.7152
_KB: Final = 0.0722
_GAMMA: Final = 1 / 2.2
_NOISE_AT_GAIN_1: Final = 0.9
_NOISE_REDUCTION: Final = {"off": 1.7, "minimal": 1.3, "fast": 1.0, "high_quality": 0.55}
# Luma and chroma keep this far from the ends of a byte, so that adding noise never wraps around.
_MOST_NOISE: Final = 12
_NOISE_UNIT: Final = 32.0
_NOISE_LENGTH: Final = 1_048_573  # a prime: repeated, it never lines up with the rows
_NOISE_SLACK: Final = 65_536
_MOST_NOISES: Final = 4
_CHROMA_NOISE: Final = 0.5
_CHROMA_RANGE: Final = 224


@dataclass(frozen=True, slots=True)
class Tone:
    """How brightness becomes codes: exposure, gains beside the right ones, and the picture's settings."""

    factor: float
    red: float
    blue: float
    brightness: float
    contrast: float
    saturation: float


@dataclass(frozen=True, slots=True)
class _Tables:
    """From the scene's codes to the picture's; each of `chroma` is a sum of three colours' parts."""

    luma: bytes
    chroma: tuple[tuple[bytes, bytes, bytes], tuple[bytes, bytes, bytes]]
    saturation: bytes | None


def noise_sigma(gain: float, noise_reduction: str) -> float:
    """Return the noise that is left at an analogue gain, in codes."""
    return _NOISE_AT_GAIN_1 * math.sqrt(gain) * _NOISE_REDUCTION[noise_reduction]


def _table(values: npt.NDArray[np.float64]) -> bytes:
    return np.mod(np.floor(values + 0.5), 256).astype(np.uint8).tobytes()


def _tables(tone: Tone) -> _Tables:
    brightness = (np.arange(256) / 255.0) ** 2

    def developed(factor: float) -> npt.NDArray[np.float64]:
        value = np.minimum(brightness * factor, 1.0) ** _GAMMA
        return np.clip((value - 0.5) * tone.contrast + 0.5 + tone.brightness, 0.0, 1.0)

    grey = tone.factor * (_KR * tone.red + _KG + _KB * tone.blue)
    red, green, blue = (developed(tone.factor * gain) for gain in (tone.red, 1.0, tone.blue))
    to_blue, to_red = _CHROMA_RANGE / (2 * (1 - _KB)), _CHROMA_RANGE / (2 * (1 - _KR))
    saturation = None
    if tone.saturation != 1:
        offsets = (np.arange(256) - 128.0) * tone.saturation
        saturation = _table(np.clip(128 + offsets, 16, 240))
    return _Tables(
        luma=_table(16 + 219 * developed(grey)),
        chroma=(
            (
                _table(-_KR * to_blue * red),
                _table(-_KG * to_blue * green),
                _table(128 + (1 - _KB) * to_blue * blue),
            ),
            (
                _table(128 + (1 - _KR) * to_red * red),
                _table(-_KG * to_red * green),
                _table(-_KB * to_red * blue),
            ),
        ),
        saturation=saturation,
    )


def _chroma(
    rgb: tuple[bytes, bytes, bytes], parts: tuple[bytes, bytes, bytes], saturation: bytes | None
) -> Plane:
    total = np.frombuffer(rgb[0].translate(parts[0]), np.uint8) + np.frombuffer(
        rgb[1].translate(parts[1]), np.uint8
    )
    total += np.frombuffer(rgb[2].translate(parts[2]), np.uint8)
    return total if saturation is None else np.frombuffer(total.tobytes().translate(saturation), np.uint8)


def _planes(frame: VideoFrame) -> list[Plane]:
    """Return the frame's planes to be written to; FFmpeg's rows may be longer than the picture is wide."""
    views = []
    plane: Any  # PyAV's types do not say that it is a buffer
    for plane in frame.planes:
        rows = np.frombuffer(plane, np.uint8)[: plane.line_size * plane.height]
        views.append(rows.reshape(plane.height, plane.line_size)[:, : plane.width])
    return views


class Developer:
    """Makes frames; keeps the tables and the noise of the last one."""

    def __init__(self, *, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        grain = np.clip(self._random.normal(0, _NOISE_UNIT, _NOISE_LENGTH), -127, 127)
        self._grain = (grain + 128).astype(np.uint8)
        self._tone: Tone | None = None
        self._tables: _Tables | None = None
        self._noise: dict[tuple[int, int], Plane] = {}

    def develop(
        self, backdrop: Backdrop, patches: list[Patch], *, tone: Tone, sigma: float, lines: list[str]
    ) -> VideoFrame:
        """Return the picture of a backdrop with what moves on it, with noise, and lines of text."""
        if self._tables is None or tone != self._tone:
            self._tone, self._tables = tone, _tables(tone)
        tables = self._tables
        height, width = backdrop.luma.shape
        frame = VideoFrame(width, height, "yuv420p")
        frame.colorspace = Colorspace.ITU709
        frame.color_range = ColorRange.MPEG
        luma, blue, red = _planes(frame)
        luma[:] = np.frombuffer(backdrop.luma_bytes.translate(tables.luma), np.uint8).reshape(luma.shape)
        for plane, parts in zip((blue, red), tables.chroma, strict=True):
            plane[:] = _chroma(backdrop.rgb_bytes, parts, tables.saturation).reshape(plane.shape)
        for patch in patches:
            self._patch(patch, tables, luma, (blue, red))
        for plane, part in ((luma, 1.0), (blue, _CHROMA_NOISE), (red, _CHROMA_NOISE)):
            self._add_noise(plane, sigma * part)
        burn(luma, (blue, red), lines)
        return frame

    @staticmethod
    def _patch(patch: Patch, tables: _Tables, luma: Plane, chroma: tuple[Plane, Plane]) -> None:
        height, width = patch.luma.shape
        shown = np.frombuffer(patch.luma.tobytes().translate(tables.luma), np.uint8)
        luma[patch.y : patch.y + height, patch.x : patch.x + width] = shown.reshape(height, width)
        red, green, blue = (plane.tobytes() for plane in patch.rgb)
        rows = slice(patch.y // 2, (patch.y + height) // 2)
        columns = slice(patch.x // 2, (patch.x + width) // 2)
        for plane, parts in zip(chroma, tables.chroma, strict=True):
            colours = _chroma((red, green, blue), parts, tables.saturation)
            plane[rows, columns] = colours.reshape(height // 2, width // 2)

    def _add_noise(self, plane: Plane, sigma: float) -> None:
        noise = self._noise_of(plane.size, sigma)
        start = int(self._random.integers(0, noise.size - plane.size + 1))
        np.add(plane, noise[start : start + plane.size].reshape(plane.shape), out=plane)

    def _noise_of(self, size: int, sigma: float) -> Plane:
        """Return noise of more than `size` codes, as differences modulo 256; in steps of a quarter stop."""
        step = round(4 * np.log2(max(sigma, 0.1)))
        key = (size, step)
        noise = self._noise.get(key)
        if noise is None:
            exact = (np.arange(256) - 128.0) * (2.0 ** (step / 4) / _NOISE_UNIT)
            table = _table(np.clip(exact, -_MOST_NOISE, _MOST_NOISE))
            grain = np.frombuffer(self._grain.tobytes().translate(table), np.uint8)
            noise = np.resize(grain, size + _NOISE_SLACK)
            if len(self._noise) >= _MOST_NOISES:
                self._noise.clear()
            self._noise[key] = noise
        return noise
