"""Progress told in steps, so that a thousand slices of work are not a thousand replies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

__all__ = ["in_steps"]

_STEPS: Final = 20


def in_steps(progress: Callable[[float], None]) -> Callable[[float], None]:
    """Return `progress`, called only where a share has grown by a twentieth, and never at the end."""
    told = 0

    def tell(share: float) -> None:
        nonlocal told
        step = int(share * _STEPS)
        if told < step < _STEPS:
            told = step
            progress(share)

    return tell
