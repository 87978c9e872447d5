"""Patches by their settings' paths, and what a patch implies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

__all__ = ["MANUAL_VALUES", "Patch", "flatten", "normalise", "unflatten"]

# A patch as the code carries it: group -> field -> value, holding only what is to be changed.
Patch = dict[str, dict[str, Any]]


def flatten(patch: Mapping[str, Any]) -> dict[str, Any]:
    """Return `{"exposure.time_us": 100}` for `{"exposure": {"time_us": 100}}`; `hdr` stays `hdr`.

    Windows (`view.roi`, `focus.window`) are values, they are not taken apart.
    """
    flat: dict[str, Any] = {}
    for group, fields in patch.items():
        if isinstance(fields, Mapping):
            flat.update({f"{group}.{name}": value for name, value in fields.items()})
        else:
            flat[group] = fields
    return flat


def unflatten(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Undo `flatten`."""
    patch: dict[str, Any] = {}
    for path, value in flat.items():
        group, _, name = path.partition(".")
        if name:
            patch.setdefault(group, {})[name] = value
        else:
            patch[group] = value
    return patch


# A manual value and the mode it belongs to: giving the value means the mode, another mode drops the value.
MANUAL_VALUES: Final = {
    "exposure.mode": ("exposure.time_us", "exposure.gain"),
    "white_balance.mode": (
        "white_balance.red_gain",
        "white_balance.blue_gain",
        "white_balance.temperature_k",
    ),
    "focus.mode": ("focus.position",),
}


def normalise(patch: Mapping[str, Any]) -> dict[str, Any]:
    """Add what a patch implies: a manual value means manual mode, another mode drops the value."""
    flat = flatten(patch)

    def given(*paths: str) -> bool:
        return any(flat.get(path) is not None for path in paths)

    for mode, values in MANUAL_VALUES.items():
        if mode not in flat and given(*values):
            flat[mode] = "manual"
        elif flat.get(mode, "manual") != "manual":
            flat.update({path: None for path in values if path not in flat})
    # Gains and a colour temperature are two ways to say the same: the newer one holds.
    if given("white_balance.temperature_k"):
        flat.setdefault("white_balance.red_gain", None)
        flat.setdefault("white_balance.blue_gain", None)
    elif given("white_balance.red_gain", "white_balance.blue_gain"):
        flat.setdefault("white_balance.temperature_k", None)
    if "video.bitrate_auto" not in flat and given("video.bitrate_bps"):
        flat["video.bitrate_auto"] = False
    if "overlay.enabled" not in flat and given("overlay.text"):
        flat["overlay.enabled"] = True
    return unflatten(flat)
