"""What a stream of H.264 says of itself: profile and level, read from its sequence parameter set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["Declared", "declared"]

_START: Final = b"\x00\x00\x01"
_SPS: Final = 7
_PROFILES: Final = {66: "baseline", 77: "main", 88: "extended", 100: "high", 110: "high_10", 122: "high_422"}
_BASELINE: Final = 66
_CONSTRAINED: Final = 0x40


@dataclass(frozen=True, slots=True)
class Declared:
    """A profile like `high`, or its number where it has no name here, and a level like `4.0`."""

    profile: str
    level: str


def declared(data: bytes) -> Declared | None:
    """Return what an access unit in Annex B declares; None where it has no parameter set."""
    at = data.find(_START)
    while at >= 0 and at + 6 < len(data):
        if data[at + 3] & 0x1F == _SPS:
            profile, constraints, level = data[at + 4], data[at + 5], data[at + 6]
            name = _PROFILES.get(profile, str(profile))
            if profile == _BASELINE and constraints & _CONSTRAINED:
                name = "constrained_baseline"
            return Declared(profile=name, level=f"{level // 10}.{level % 10}")
        at = data.find(_START, at + 3)
    return None
