"""The board's own lamps, by the kernel's LED class. Blocks for sysfs, which takes microseconds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, RootModel

__all__ = ["LedState", "LedStates", "Leds"]

# The Raspberry Pi's lamps under their new and their old names.
_NAMES: Final = ("ACT", "PWR", "led0", "led1")
_ACTIVE: Final = re.compile(r"\[([^\]]{1,64})\]")
_BLINKERS: Final = ("timer", "heartbeat")
_HALF_PERIOD_MS: Final = 150


class LedState(BaseModel):
    """What a lamp did before."""

    model_config = ConfigDict(frozen=True)

    trigger: str = Field(pattern=r"^[\w:.-]{1,64}$")
    brightness: int = Field(ge=0, le=65535)


class LedStates(RootModel[dict[str, LedState]]):
    """Lamps by their names."""


class Leds:
    """The lamps in `root`."""

    def __init__(self, root: Path = Path("/sys/class/leds")) -> None:
        self._root = root

    def states(self) -> dict[str, LedState]:
        """Return the lamps that are there and may be written, as they are."""
        found = {}
        for name in _NAMES:
            try:
                text = (self._root / name / "trigger").read_text()
                brightness = int((self._root / name / "brightness").read_text())
                active = _ACTIVE.search(text)
                # Written as it is: whether that is allowed shows only so.
                (self._root / name / "trigger").write_text(active[1] if active else "none")
                found[name] = LedState(trigger=active[1] if active else "none", brightness=brightness)
            except (OSError, ValueError):
                continue
        return found

    def blink(self, name: str) -> bool:
        """Let a lamp blink, by the kernel alone; returns whether it does."""
        for trigger in _BLINKERS:
            if self._write(name, "trigger", trigger):
                self._write(name, "delay_on", str(_HALF_PERIOD_MS))
                self._write(name, "delay_off", str(_HALF_PERIOD_MS))
                return True
        return False

    def restore(self, states: Mapping[str, LedState]) -> None:
        """Let the lamps do what they did before."""
        for name, state in states.items():
            if name in _NAMES and self._write(name, "trigger", state.trigger) and state.trigger == "none":
                self._write(name, "brightness", str(state.brightness))

    def _write(self, name: str, file: str, text: str) -> bool:
        try:
            path = self._root / name / file
            # Opened without making it: a file that the kernel does not have is not to be.
            with path.open("r+") as opened:
                opened.write(text)
        except OSError:
            return False
        return True
