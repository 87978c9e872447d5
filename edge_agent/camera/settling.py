"""When frames show what was set: a camera exposes several more as it did before."""

from __future__ import annotations

from typing import Any, Final

from edge_agent.camera.capabilities import Reading
from edge_agent.camera.settings import CameraSettings, flatten, software_settings

__all__ = ["Settling"]

# Who is told what to do has done it by then; what the frames show otherwise is rounded, or was not heeded.
_FRAMES: Final = 12
# The automatic seeks for so long at most.
_FRAMES_OF_AUTOMATIC: Final = 45
# As many frames are on their way at most; what no reading tells of shows after them.
_FRAMES_ON_THE_WAY: Final = 6
_TOLD_OTHERWISE: Final = {"video.fps", "video.bitrate_auto", "video.bitrate_bps", *software_settings()}
_MODES: Final = {"exposure.mode", "white_balance.mode", "focus.mode"}
_CLOSE: Final = 0.03
# How far off a value may be, where that is more than a share of it: sensors count in lines of some µs.
_NEAR: Final[dict[str, float]] = {
    "exposure.time_us": 60,
    "exposure.gain": 0.05,
    "white_balance.red_gain": 0.03,
    "white_balance.blue_gain": 0.03,
    "white_balance.temperature_k": 50,
    "focus.position": 0.1,
}


class Settling:
    """Watches the readings from a change on until they show it."""

    def __init__(self, before: CameraSettings, now: CameraSettings) -> None:
        old, new = flatten(before.model_dump()), flatten(now.model_dump())
        changed = {path: value for path, value in new.items() if old[path] != value}
        self._expected = {path: changed[path] for path in _NEAR if changed.get(path) is not None}
        exposed = any(path.startswith("exposure.") for path in changed)
        exposure = now.exposure
        self._automatic = exposed and None in (exposure.time_us, exposure.gain)
        untold = changed.keys() - self._expected.keys() - _TOLD_OTHERWISE
        # A mode whose values are told needs no sign of its own.
        told_groups = {path.partition(".")[0] for path in self._expected}
        untold = {p for p in untold if not (p in _MODES and p.partition(".")[0] in told_groups)}
        self._least = _FRAMES_ON_THE_WAY if untold or self._automatic else 1
        self._most = _FRAMES_OF_AUTOMATIC if self._automatic else _FRAMES
        self._frames = 0
        self.shown = not changed

    def done(self, reading: Reading) -> bool:
        """Take note of the next frame; whether to wait no longer. `shown` says whether it shows all."""
        self._frames += 1
        told = _told(reading)
        least = self._least if all(told[path] is not None for path in self._expected) else _FRAMES_ON_THE_WAY
        close = all(_close(path, value, told[path]) for path, value in self._expected.items())
        steady = not self._automatic or reading.ae_converged is not False
        self.shown = close and steady
        return (self.shown and self._frames >= least) or self._frames >= self._most


def _told(reading: Reading) -> dict[str, float | None]:
    red, blue = reading.colour_gains or (None, None)
    return {
        "exposure.time_us": reading.exposure_us,
        "exposure.gain": reading.analogue_gain,
        "white_balance.red_gain": red,
        "white_balance.blue_gain": blue,
        "white_balance.temperature_k": reading.colour_temperature_k,
        "focus.position": reading.lens_position,
    }


def _close(path: str, wanted: Any, told: float | None) -> bool:
    return told is None or abs(told - wanted) <= max(_NEAR[path], abs(wanted) * _CLOSE)
