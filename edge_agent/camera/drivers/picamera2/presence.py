"""Whether there is a Raspberry Pi camera here, as far as that is known without importing picamera2."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

__all__ = ["INSTALL", "missing"]

INSTALL: Final = (
    "apt install python3-picamera2; a virtual environment sees it only if made with --system-site-packages"
)


def missing(*, root: Path = Path("/"), find: Callable[[str], Any] = find_spec) -> str | None:
    """Return why there is no such camera here, or None."""
    for module in ("picamera2", "libcamera"):
        if find(module) is None:
            return f"the Python module '{module}' is not installed: {INSTALL}"
    # Only sensors on the camera ports have sub-devices; USB cameras are another driver's.
    if not any((root / "sys/class/video4linux").glob("v4l-subdev*")):
        return "no camera is connected to the camera ports (no /sys/class/video4linux/v4l-subdev*)"
    return None
