"""Sensor modes: what they are, and which one serves a size, a frame rate and a field of view."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from edge_agent.camera.capabilities import Resolution, SensorMode

__all__ = ["Mode", "choose_mode", "fps_max_at", "is_cropped", "read_modes", "resolutions"]

_STANDARD: Final = (
    (640, 480, "VGA"),
    (1280, 720, "720p"),
    (1920, 1080, "1080p"),
    (2560, 1440, "1440p"),
    (3840, 2160, "4K"),
)
# Rates are told with two decimals, and sensors round: this much below is still the rate that was asked.
_SAME_RATE: Final = 0.999
# A mode that shows this share of the widest view's width is not a crop.
_WHOLE_VIEW: Final = 0.97


@dataclass(frozen=True, slots=True)
class Mode:
    """One way to read the sensor. `crop` and `exposure_us` are the sensor's own, where they are known."""

    width: int
    height: int
    fps: float
    bit_depth: int
    crop: tuple[int, int, int, int] | None
    exposure_us: tuple[int, int] | None

    def document(self) -> SensorMode:
        """Return it for capabilities."""
        return SensorMode(
            width=self.width, height=self.height, fps_max=self.fps, bit_depth=self.bit_depth, crop=self.crop
        )

    def holds(self, width: int, height: int) -> bool:
        """Whether a picture of this size needs no enlarging."""
        return self.width >= width and self.height >= height

    def view(self, shape: float) -> float:
        """Return how wide a part of the sensor a picture of this shape (width / height) shows."""
        _, _, width, height = self.crop or (0, 0, self.width, self.height)
        return min(width, height * shape)


def read_modes(listed: Iterable[Mapping[str, Any]]) -> tuple[Mode, ...]:
    """Return the modes of picamera2's `sensor_modes`; entries without a size are not a sensor's."""
    return tuple(
        Mode(
            width=int(entry["size"][0]),
            height=int(entry["size"][1]),
            fps=float(entry["fps"]),
            bit_depth=int(entry.get("bit_depth") or 10),
            crop=_rectangle(entry.get("crop_limits")),
            exposure_us=_exposure(entry.get("exposure_limits")),
        )
        for entry in listed
        if "size" in entry and entry.get("fps")
    )


def _rectangle(value: Any) -> tuple[int, int, int, int] | None:
    if value is None or len(value) != 4 or not value[2] or not value[3]:
        return None
    return int(value[0]), int(value[1]), int(value[2]), int(value[3])


def _exposure(value: Any) -> tuple[int, int] | None:
    # Two or three items, and the last is the default; any of them can be None.
    if value is None or len(value) < 2 or value[0] is None or value[1] is None:
        return None
    return int(value[0]), int(value[1])


def choose_mode(
    modes: Sequence[Mode], *, width: int, height: int, fps: float, field_of_view: str
) -> Mode | None:
    """Return the mode that serves these settings best, or None where the camera has none.

    `scale` takes the smallest mode that shows the whole view and reaches size and rate; where only a crop
    reaches the rate, that one. `crop` takes the fastest that holds the size.
    """
    holding = [mode for mode in modes if mode.holds(width, height)]
    if not holding:
        return max(modes, key=lambda mode: (mode.width * mode.height, mode.fps), default=None)
    if field_of_view == "crop":
        return max(holding, key=lambda mode: (mode.fps, mode.bit_depth))
    shape = width / height
    widest = max(mode.view(shape) for mode in modes)
    fast = [mode for mode in holding if mode.fps >= fps * _SAME_RATE]
    whole = [mode for mode in fast if mode.view(shape) >= widest * _WHOLE_VIEW]
    if whole:
        return min(whole, key=lambda mode: (mode.width * mode.height, -mode.bit_depth))
    if fast:
        return max(fast, key=lambda mode: (mode.view(shape), mode.bit_depth))
    return max(holding, key=lambda mode: (mode.fps, mode.view(shape)))


def is_cropped(modes: Sequence[Mode], mode: Mode, *, width: int, height: int) -> bool:
    """Whether a picture of this size loses view in `mode`."""
    shape = width / height
    return mode.view(shape) < max(other.view(shape) for other in modes) * _WHOLE_VIEW


def fps_max_at(modes: Sequence[Mode], width: int, height: int) -> float:
    """Return the highest frame rate at a size."""
    mode = choose_mode(modes, width=width, height=height, fps=0, field_of_view="crop")
    return mode.fps if mode is not None else 0.0


def resolutions(modes: Sequence[Mode], *, width: int, height: int) -> tuple[Resolution, ...]:
    """Return the standard sizes within a sensor of this size, and the modes' own."""
    listed: dict[tuple[int, int], str | None] = {(mode.width, mode.height): None for mode in modes}
    listed |= {(w, h): label for w, h, label in _STANDARD if w <= width and h <= height}
    listed[width, height] = listed.get((width, height)) or "full"
    return tuple(
        Resolution(width=w, height=h, fps_max=fps_max_at(modes, w, h), label=label)
        for (w, h), label in sorted(listed.items())
    )
