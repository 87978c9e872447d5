"""Patches made from settings: back to what was, from one state to another, to the camera's defaults."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from edge_agent.camera.capabilities import CameraCapabilities
from edge_agent.camera.limits import starting_settings
from edge_agent.camera.settings import MANUAL_VALUES, CameraSettings, flatten, unflatten

__all__ = ["as_patch", "defaults_of", "difference", "is_same"]

# What a setting was asked to be and what a camera holds differ by its rounding.
_ROUNDING: Final = 1e-3


def is_same(first: Any, second: Any) -> bool:
    """Whether two values of one setting are the same, but for a camera's rounding."""
    numbers = (int, float)
    if isinstance(first, bool) or isinstance(second, bool):
        return bool(first is second)
    if isinstance(first, numbers) and isinstance(second, numbers):
        return math.isclose(first, second, rel_tol=_ROUNDING, abs_tol=1e-9)
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        return first.keys() == second.keys() and all(is_same(first[key], second[key]) for key in first)
    return bool(first == second)


def as_patch(settings: CameraSettings) -> dict[str, Any]:
    """Return the patch that comes to these settings, whatever holds before it.

    Values that belong to a manual mode are only in it where that mode is on: they are refused elsewhere.
    """
    flat = flatten(settings.model_dump(mode="json"))
    for mode, values in MANUAL_VALUES.items():
        if flat[mode] != "manual":
            for path in values:
                del flat[path]
    if flat["video.bitrate_auto"]:
        del flat["video.bitrate_bps"]
    if flat.get("white_balance.temperature_k") is not None:
        del flat["white_balance.red_gain"], flat["white_balance.blue_gain"]
    return unflatten(flat)


def difference(before: CameraSettings, after: CameraSettings) -> dict[str, Any]:
    """Return the patch from one state to the other: only what is not the same."""
    old, new = flatten(as_patch(before)), flatten(as_patch(after))
    changed = {path: value for path, value in new.items() if path not in old or not is_same(old[path], value)}
    for mode, values in MANUAL_VALUES.items():
        # A manual value alone means its mode; written out, the patch can be read without knowing that.
        if any(path in changed for path in values):
            changed.setdefault(mode, new[mode])
    return unflatten(dict(sorted(changed.items())))


def defaults_of(configured: Mapping[str, Any], capabilities: CameraCapabilities) -> CameraSettings:
    """Return the settings of a camera that nobody has set anything on but the configuration."""
    return starting_settings(configured, capabilities)[0]
