"""The scene's time and light, and the text that tells of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from edge_agent.camera.drivers.simulated.light import Light, daylight, light_of_lux
from edge_agent.camera.drivers.simulated.options import SimulatedOptions
from edge_agent.clock import Clock
from edge_agent.errors import ConfigError

__all__ = ["Moment", "Surroundings"]


@dataclass(frozen=True, slots=True)
class Moment:
    """When a frame is taken, and by which light: the local time, and the scene's hour."""

    now: datetime
    hour: float
    light: Light


class Surroundings:
    """What the options say of the scene, by the clock. Raises ConfigError for an unknown time zone."""

    def __init__(self, *, clock: Clock, options: SimulatedOptions) -> None:
        self._clock = clock
        self._options = options
        self._zone: ZoneInfo | None = None
        if options.time_zone is not None:
            try:
                self._zone = ZoneInfo(options.time_zone)
            except (ZoneInfoNotFoundError, ValueError, OSError) as error:
                raise ConfigError(
                    f"'{options.time_zone}' is no known time zone for the simulated camera",
                    field="camera.time_zone",
                    value=options.time_zone,
                    allowed="an IANA name such as Europe/Berlin",
                ) from error

    def at(self, scene_s: float) -> Moment:
        """Return the moment so many seconds after the scene began."""
        options = self._options
        now = self._clock.now().astimezone(self._zone)
        hour = now.hour + now.minute / 60 + now.second / 3600
        if options.day_s is not None or options.start_hour is not None:
            start = hour - scene_s / 3600 if options.start_hour is None else options.start_hour
            if options.day_s is not None:
                start += scene_s / options.day_s * 24
            hour = start % 24
        if options.lux is not None:
            return Moment(now=now, hour=hour, light=light_of_lux(options.lux))
        # A day of the scene's own has no date: its light is the same wherever the calendar stands.
        date = now if options.day_s is None and options.start_hour is None else None
        return Moment(now=now, hour=hour, light=daylight(hour, latitude_deg=options.latitude_deg, date=date))

    def lines(self, moment: Moment, sequence: int) -> list[str]:
        """Return what is burnt into a frame: clock and frame counter, the scene's own hour, the text."""
        tenths = moment.now.microsecond // 100_000
        first = f"{moment.now:%Y-%m-%d %H:%M:%S}.{tenths}  #{sequence:06d}"
        options = self._options
        lines = [first]
        if options.lux is None and (options.day_s is not None or options.start_hour is not None):
            lines.append(f"scene {int(moment.hour):02d}:{int(moment.hour % 1 * 60):02d}")
        if options.text:
            lines.append(options.text)
        return lines
