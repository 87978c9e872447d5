"""The coming days as a picture: a row for each day, its light, the sun's way, what holds, and each switch."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from edge_agent.schedules.place import Place
from edge_agent.schedules.preview import Bar, Day, Preview, Switch

__all__ = ["save_picture"]

# Drawn twice as large and made smaller, so that the curve is smooth.
_SCALE: Final = 2
_WIDTH: Final = 1500
_LEFT: Final = 170
_RIGHT: Final = 40
_TOP: Final = 96
_ROW: Final = 132
_GAP: Final = 14
_BAR: Final = 34
_LABELS: Final = 30
_BOTTOM: Final = 76
_BACKGROUND: Final = (250, 250, 248)
_INK: Final = (34, 38, 46)
_FAINT: Final = (120, 126, 138)
_NOTHING: Final = (222, 222, 220)
# The sky by the sun's height in degrees.
_SKY: Final = (
    (-18.0, (22, 28, 54)),
    (-9.0, (38, 48, 92)),
    (-4.0, (104, 96, 148)),
    (-0.8, (238, 168, 122)),
    (6.0, (196, 222, 244)),
    (30.0, (222, 238, 250)),
)
_NO_SKY: Final = (236, 239, 243)
_SUN: Final = (248, 186, 48)
# Told apart by people who see no red or green, too.
_DAYLIGHT: Final = (240, 180, 41)
_NIGHT: Final = (62, 88, 168)
_PALETTE: Final = (
    (168, 92, 160),
    (62, 150, 128),
    (214, 104, 60),
    (110, 176, 214),
    (140, 132, 60),
    (196, 84, 108),
)
_STEPS: Final = 288

Colour = tuple[int, int, int]


def save_picture(preview: Preview, path: Path, *, title: str) -> None:
    """Draw it into a PNG file. Raises OSError where that cannot be written."""
    _Drawing(preview, title).image().save(path, format="PNG", optimize=True)


class _Drawing:
    def __init__(self, preview: Preview, title: str) -> None:
        self._preview = preview
        self._title = title
        height = _TOP + (_ROW + _GAP) * len(preview.days) + _BOTTOM
        self._image = Image.new("RGB", (_WIDTH * _SCALE, height * _SCALE), _BACKGROUND)
        self._pen = ImageDraw.Draw(self._image)
        self._colours = _colours(preview.profiles)

    def image(self) -> Image.Image:
        """Return the finished picture."""
        self._text((_LEFT, 18), self._title, size=24)
        self._text((_LEFT, 50), self._subtitle(), size=15, colour=_FAINT)
        self._hours(_TOP - 20)
        for number, day in enumerate(self._preview.days):
            self._row(_TOP + (_ROW + _GAP) * number, day)
        self._legend(_TOP + (_ROW + _GAP) * len(self._preview.days) + 18)
        size = (self._image.width // _SCALE, self._image.height // _SCALE)
        return self._image.resize(size, Image.Resampling.LANCZOS)

    def _subtitle(self) -> str:
        place = self._preview.place
        return f"{place.timezone}{f', {place}' if place.has_sun else ''}"

    def _row(self, top: int, day: Day) -> None:
        sky_bottom = top + _ROW - _BAR
        self._sky(top, sky_bottom, day)
        for bar in day.bars:
            self._bar(sky_bottom, bar, day)
        for hour in range(3, 24, 3):
            self._line((_x(hour), top), (_x(hour), sky_bottom), (255, 255, 255), width=1, alpha=70)
        self._switches(top, sky_bottom, day)
        self._label(top, day)

    def _sky(self, top: int, bottom: int, day: Day) -> None:
        place = self._preview.place
        if not place.has_sun:
            self._box((_x(0), top), (_x(24), bottom), _NO_SKY)
            return
        heights = [place.height(_moment(day, 24 * step / _STEPS, place)) for step in range(_STEPS + 1)]
        for step in range(_STEPS):
            left, right = _x(24 * step / _STEPS), _x(24 * (step + 1) / _STEPS)
            self._box((left, top), (right + 1, bottom), _sky_colour(heights[step]))
        lowest, highest = min(*heights, -1.0), max(*heights, 1.0)
        floor, unit = bottom - 5, (bottom - top - _LABELS - 14) / (highest - lowest)
        horizon = floor + lowest * unit
        self._line((_x(0), horizon), (_x(24), horizon), (255, 255, 255), width=1, alpha=110)
        points = [
            (_x(24 * step / _STEPS) * _SCALE, (horizon - height * unit) * _SCALE)
            for step, height in enumerate(heights)
        ]
        self._pen.line(points, fill=_SUN, width=2 * _SCALE, joint="curve")

    def _bar(self, top: int, bar: Bar, day: Day) -> None:
        begin, end = self._hour(bar.begin, day), self._hour(bar.end, day)
        colour = self._colours.get(bar.profile or "", _NOTHING)
        self._box((_x(begin), top), (_x(end), top + _BAR), colour)
        self._line((_x(begin), top), (_x(begin), top + _BAR), _BACKGROUND, width=1)
        name = bar.profile or "as it was"
        if self._width(name, 15) < _x(end) - _x(begin) - 12:
            ink = _readable(colour) if bar.profile else _FAINT
            self._text((_x(begin) + 8, top + 8), name, size=15, colour=ink)

    def _switches(self, top: int, bottom: int, day: Day) -> None:
        # Labels that would lie over each other go to the second line, or are left out.
        free = [0.0, 0.0]
        for switch in day.switches:
            hour = self._hour(switch.at, day)
            x = _x(hour)
            ink = _INK if self._is_light(switch.at) else (240, 242, 248)
            if switch.profile is None:
                self._triangle(x, bottom - 8, ink)
            elif switch.holds:
                self._line((x, top + 4), (x, bottom), ink, width=1, alpha=210)
            text = self._name(switch)
            if switch.profile is not None and not switch.holds:
                continue
            width = self._width(text, 13) + 10
            left = min(x + 4, _x(24) - width + 6)
            row = next((row for row, end in enumerate(free) if left >= end), None)
            if row is not None:
                free[row] = left + width
                self._note((left, top + 4 + 18 * row), text)

    def _note(self, place: tuple[float, float], text: str) -> None:
        """Write on a light ground: the sky below goes from day to night."""
        x, y = place
        box = [part * _SCALE for part in (x - 1, y, x + self._width(text, 13) + 5, y + 16)]
        ImageDraw.Draw(self._image, "RGBA").rounded_rectangle(
            box, radius=4 * _SCALE, fill=(255, 255, 255, 190)
        )
        self._text((x + 2, y), text, size=13)

    def _name(self, switch: Switch) -> str:
        clock = switch.at.astimezone(self._preview.place.timezone)
        return f"{clock:%H:%M} {switch.schedule}"

    def _label(self, top: int, day: Day) -> None:
        self._text((24, top + 6), f"{day.date:%a}", size=24)
        self._text((88, top + 13), f"{day.date:%d %b}", size=16, colour=_FAINT)
        place = self._preview.place
        for number, name in enumerate(("sunrise", "sunset")):
            at = day.sun.get(name)
            if place.has_sun:
                told = f"{at.astimezone(place.timezone):%H:%M}" if at else "none"
                self._text((24, top + 42 + 19 * number), f"{name} {told}", size=13, colour=_FAINT)
        if day.hours != 24:
            self._text((24, top + 84), f"{day.hours} hours today", size=13, colour=(190, 90, 30))

    def _hours(self, top: int) -> None:
        for hour in range(0, 25, 3):
            text = f"{hour:02}"
            self._text((_x(hour) - self._width(text, 14) / 2, top), text, size=14, colour=_FAINT)

    def _legend(self, top: int) -> None:
        x = float(_LEFT)
        for name in self._preview.profiles:
            colour = self._colours[name]
            self._box((x, top), (x + 22, top + 16), colour)
            self._text((x + 30, top - 1), name, size=15)
            x += 54 + self._width(name, 15)
        if any(switch.profile is None for day in self._preview.days for switch in day.switches):
            self._triangle(x + 10, top + 4, _INK)
            self._text((x + 24, top - 1), "command", size=15)
        told = [
            f"{often.does} about {often.times_a_day} times a day ({often.schedule})"
            for often in self._preview.often
        ]
        if self._preview.cut is not None:
            told.append("there are too many switches to show the days that follow")
        self._text((_LEFT, top + 26), "; ".join(told)[:160], size=13, colour=_FAINT)

    def _hour(self, moment: datetime, day: Day) -> float:
        if moment >= day.end:
            return 24.0
        clock = moment.astimezone(self._preview.place.timezone)
        return clock.hour + clock.minute / 60 + clock.second / 3600

    def _is_light(self, moment: datetime) -> bool:
        place = self._preview.place
        return not place.has_sun or place.height(moment) > -2.5

    def _box(self, begin: tuple[float, float], end: tuple[float, float], colour: Colour) -> None:
        corners = (begin[0] * _SCALE, begin[1] * _SCALE, end[0] * _SCALE - 1, end[1] * _SCALE - 1)
        if corners[2] >= corners[0]:
            self._pen.rectangle(corners, fill=colour)

    def _line(
        self,
        begin: tuple[float, float],
        end: tuple[float, float],
        colour: Colour,
        *,
        width: int,
        alpha: int = 255,
    ) -> None:
        pen = self._pen if alpha == 255 else ImageDraw.Draw(self._image, "RGBA")
        places = [begin[0] * _SCALE, begin[1] * _SCALE, end[0] * _SCALE, end[1] * _SCALE]
        pen.line(places, fill=(*colour, alpha) if alpha != 255 else colour, width=width * _SCALE)

    def _triangle(self, x: float, top: float, colour: Colour) -> None:
        corners = [(x - 5, top), (x + 5, top), (x, top + 8)]
        self._pen.polygon([(a * _SCALE, b * _SCALE) for a, b in corners], fill=colour)

    def _text(self, place: tuple[float, float], text: str, *, size: int, colour: Colour = _INK) -> None:
        at = (place[0] * _SCALE, place[1] * _SCALE)
        self._pen.text(at, text, fill=colour, font=ImageFont.load_default(size * _SCALE))

    def _width(self, text: str, size: int) -> float:
        return self._pen.textlength(text, font=ImageFont.load_default(size * _SCALE)) / _SCALE


def _x(hour: float) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * hour / 24


def _moment(day: Day, hour: float, place: Place) -> datetime:
    return datetime.combine(day.date, time(0), tzinfo=place.timezone) + timedelta(hours=hour)


def _sky_colour(height: float) -> Colour:
    below = _SKY[0]
    for above in _SKY:
        if height <= above[0]:
            share = (height - below[0]) / (above[0] - below[0]) if above[0] > below[0] else 0.0
            share = min(max(share, 0.0), 1.0)
            red, green, blue = (round(a + (b - a) * share) for a, b in zip(below[1], above[1], strict=True))
            return red, green, blue
        below = above
    return below[1]


def _colours(profiles: Sequence[str]) -> dict[str, Colour]:
    """Return a colour for each; a day looks like one, and a night."""
    found: dict[str, Colour] = {}
    for word, colour in (("night", _NIGHT), ("day", _DAYLIGHT)):
        name = next((name for name in profiles if word in name and name not in found), None)
        if name is not None:
            found[name] = colour
    others = [name for name in profiles if name not in found]
    return found | {name: _colour(number) for number, name in enumerate(others)}


def _colour(number: int) -> Colour:
    if number < len(_PALETTE):
        return _PALETTE[number]
    red, green, blue = colorsys.hsv_to_rgb(number * 0.618 % 1, 0.55, 0.75)
    return round(red * 255), round(green * 255), round(blue * 255)


def _readable(colour: Colour) -> Colour:
    red, green, blue = colour
    return _INK if 0.3 * red + 0.59 * green + 0.11 * blue > 140 else (255, 255, 255)
