"""White balance for cameras without infrared filter: gains of red and blue that were found to look right."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

__all__ = ["NOIR_GAINS", "ColourGains"]


class ColourGains(NamedTuple):
    """Gains of red and blue; green's is 1."""

    red: float
    blue: float


# By the name of the white balance mode. Every driver that offers a preset takes it from here.
NOIR_GAINS: Final[Mapping[str, ColourGains]] = MappingProxyType(
    {
        "daylight_noir": ColourGains(1.3, 1.6),
        "indoor_noir": ColourGains(1.1, 2.0),
        "ir_850nm": ColourGains(1.0, 1.0),
        "ir_940nm": ColourGains(1.05, 0.95),
    }
)
