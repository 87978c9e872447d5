"""Manual without a value: what the camera has found by itself is held."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge_agent.camera.capabilities import Reading
from edge_agent.camera.settings import flatten, unflatten

__all__ = ["frozen"]


def frozen(patch: Mapping[str, Any], reading: Reading | None) -> dict[str, Any]:
    """Return `patch` with what manual means where no value is given: to hold what the camera has now."""
    flat = flatten(patch)
    if reading is None:
        return unflatten(flat)
    if flat.get("exposure.mode") == "manual" and not {"exposure.time_us", "exposure.gain"} & flat.keys():
        flat["exposure.time_us"] = reading.exposure_us
        flat["exposure.gain"] = reading.analogue_gain
    gains = {"white_balance.red_gain", "white_balance.blue_gain", "white_balance.temperature_k"}
    if flat.get("white_balance.mode") == "manual" and not gains & flat.keys() and reading.colour_gains:
        flat["white_balance.red_gain"], flat["white_balance.blue_gain"] = reading.colour_gains
    if flat.get("focus.mode") == "manual" and "focus.position" not in flat:
        flat["focus.position"] = reading.lens_position
    return unflatten(flat)
