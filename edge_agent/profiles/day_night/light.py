"""What says that it is day or night: a sensor on a topic, the camera's lux, the sun."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from edge_agent.camera.capabilities import Reading
from edge_agent.errors import RefusedError
from edge_agent.profiles.day_night.config import Rules, SourceChoice
from edge_agent.profiles.day_night.decider import Phase
from edge_agent.profiles.day_night.sun import Place

__all__ = ["Light", "Said", "Source", "understood"]

Source = Literal["topic", "lux", "sun"]

# So many equal readings under manual exposure, one a second: the lux stands still, and nothing is known.
_STANDS_STILL: Final = 30
_MAX_PAYLOAD_BYTES: Final = 4096
_WORDS: Final[dict[str, Phase]] = {
    "day": "day", "on": "day", "true": "day", "light": "day", "bright": "day",
    "night": "night", "off": "night", "false": "night", "dark": "night",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Said:
    """What one look came to: who was asked, what that says (None: nothing), and why, for people."""

    source: Source | None
    says: Phase | None
    because: str


class Light:
    """Takes readings and messages, and says what they come to. Without `place` there is no sun."""

    def __init__(self, *, place: Place | None, max_age_s: float | None) -> None:
        self._place = place
        self._max_age_s = max_age_s
        self._sensor: tuple[float, float | Phase] | None = None
        self._sequence = -1
        self._same = 0
        self._seen_s: float | None = None
        self.lux: float | None = None

    @property
    def lux_is_fresh(self) -> bool:
        """Whether the camera measures the light at all, and it does not stand still."""
        return self.lux is not None and self._same < _STANDS_STILL

    def take_reading(self, reading: Reading | None, *, manual: bool) -> None:
        """Take what the camera reports now; `manual` tells that its exposure is."""
        if reading is None:
            self.lux, self._same, self._sequence = None, 0, -1
        elif reading.sequence != self._sequence:
            self._sequence = reading.sequence
            stands = manual and reading.lux == self.lux
            self._same = self._same + 1 if stands else 0
            self.lux = reading.lux

    def take_sensor(self, value: float | Phase, *, at_s: float) -> None:
        """Take what the sensor on the topic said."""
        self._sensor = (at_s, value)

    def sun_elevation_deg(self, now: datetime) -> float | None:
        """Return the sun's height, None where the place is not configured."""
        return None if self._place is None else self._place.sun_elevation_deg(now)

    def look(self, rules: Rules, *, now: datetime, at_s: float) -> Said:
        """Say what holds now by the source that the rules name; `auto` asks the best one that knows."""
        for source in _ORDER[rules.source]:
            said = self._ask(source, rules, now=now, at_s=at_s)
            if said is not None:
                return said
        return Said(source=None, says=None, because=_NOBODY[rules.source])

    def _ask(self, source: Source, rules: Rules, *, now: datetime, at_s: float) -> Said | None:
        if source == "lux":
            return by_lux("lux", self.lux, rules) if self.lux is not None and self.lux_is_fresh else None
        if source == "sun":
            elevation_deg = self.sun_elevation_deg(now)
            return None if elevation_deg is None else _by_sun(elevation_deg, rules)
        if self._sensor is None:
            return None
        told_s, value = self._sensor
        if self._max_age_s is not None and at_s - told_s > self._max_age_s:
            return None
        if isinstance(value, str):
            return Said(source="topic", says=value, because=f"the light sensor says {value}")
        return by_lux("topic", value, rules)


_ORDER: Final[dict[SourceChoice, tuple[Source, ...]]] = {
    "auto": ("topic", "lux", "sun"),
    "topic": ("topic",),
    "lux": ("lux",),
    "sun": ("sun",),
}
_NOBODY: Final[dict[SourceChoice, str]] = {
    "auto": "nobody knows: no sensor, no lux, and no latitude and longitude for the sun",
    "topic": "the light sensor has not said anything, or too long ago",
    "lux": "the camera does not measure the light, or it stands still under manual exposure",
    "sun": "profiles.latitude and profiles.longitude are not configured",
}


def by_lux(source: Literal["topic", "lux"], lux: float, rules: Rules) -> Said:
    """Say what an amount of light comes to by the two thresholds."""
    low, high = rules.night_below_lux, rules.day_above_lux
    if lux < low:
        return Said(source=source, says="night", because=f"{lux:.3g} lux is below {low:g}")
    if lux > high:
        return Said(source=source, says="day", because=f"{lux:.3g} lux is above {high:g}")
    return Said(source=source, says=None, because=f"{lux:.3g} lux is between {low:g} and {high:g}")


def _by_sun(elevation_deg: float, rules: Rules) -> Said:
    below = elevation_deg < rules.sun_below_deg
    side = "below" if below else "not below"
    return Said(
        source="sun",
        says="night" if below else "day",
        because=f"the sun stands at {elevation_deg:.1f}°, {side} {rules.sun_below_deg:g}°",
    )


def understood(payload: bytes, *, key: str | None) -> float | Phase:
    """Return what a sensor's message says: lux, or a phase. Raises RefusedError."""
    if len(payload) > _MAX_PAYLOAD_BYTES:
        raise RefusedError(f"the light sensor's message has more than {_MAX_PAYLOAD_BYTES} bytes")
    text = payload.decode(errors="replace").strip()
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = text
    if isinstance(value, dict):
        if key is None:
            raise RefusedError("the light sensor sends an object; 'topic_key' names what in it is meant")
        if key not in value:
            raise RefusedError(f"the light sensor's message has no '{key}'")
        value = value[key]
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1e9:
        return float(value)
    word = _WORDS.get(str(value).strip().lower()) if isinstance(value, str | bool) else None
    if word is None:
        raise RefusedError(
            f"the light sensor says {str(value)[:40]!r}; a number is lux, words are {', '.join(_WORDS)}"
        )
    return word
