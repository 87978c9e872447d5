"""`edge-agent schedule show`: the coming days in the terminal, a line of the day's hours for each.

What holds is drawn with one sign for each profile, so that it can be read without colours, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from edge_agent.config import Configuration
from edge_agent.schedules.place import Place
from edge_agent.schedules.preview import Day, Preview, Switch, look_ahead
from edge_agent.schedules.reading import read_book

__all__ = ["read_preview", "timeline"]

_COLOURS: Final = ("yellow", "blue", "magenta", "green", "cyan", "red", "bright_yellow", "bright_blue")
_SIGNS: Final = "█▓▒░▞▚▤▥"
_LABEL: Final = 12
_WIDTHS: Final = (96, 72, 48, 24)
_MAX_LISTED: Final = 12


def read_preview(configuration: Configuration, *, first: date | None, days: int) -> tuple[Preview, list[str]]:
    """Return the days from `first` or today on, and what is wrong with the schedules. Raises ConfigError."""
    book, plans, wrong = read_book(configuration)
    begin = first or datetime.now(UTC).astimezone(book.place.timezone).date()
    return look_ahead(plans, place=book.place, first=begin, days=days), wrong


def timeline(preview: Preview, *, title: str, width: int) -> RenderableType:
    """Return what is to be printed on a terminal of so many columns."""
    cells = next((cells for cells in _WIDTHS if cells + _LABEL <= width), _WIDTHS[-1])
    looks = {
        profile: (_SIGNS[number % len(_SIGNS)], _COLOURS[number % len(_COLOURS)])
        for number, profile in enumerate(preview.profiles)
    }
    parts: list[RenderableType] = [Text(title, style="bold"), Text(""), _hours(cells)]
    for day in preview.days:
        parts += _day(day, preview.place, cells, looks)
    parts.append(Text(""))
    parts.append(_legend(preview, looks))
    for often in preview.often:
        parts.append(
            Text(
                f"also {often.does} about {often.times_a_day} times a day ({often.schedule}: {often.when})",
                style="dim",
            )
        )
    if preview.cut is not None:
        parts.append(Text("There are too many switches to show the days that follow.", style="yellow"))
    return Group(*parts)


def _hours(cells: int) -> Text:
    line = [" "] * (cells + 2)
    for hour in range(0, 25, 3 if cells >= 48 else 6):
        place = hour * cells // 24
        line[place : place + len(str(hour))] = str(hour)
    return Text(" " * _LABEL + "".join(line).rstrip(), style="dim")


def _day(day: Day, place: Place, cells: int, looks: dict[str, tuple[str, str]]) -> list[RenderableType]:
    label = Text(f"{day.date:%a %d %b}".ljust(_LABEL), style="bold")
    bar = Text()
    sun = Text(" " * _LABEL)
    for cell in range(cells):
        # The middle of the cell, by the clock there: an hour that comes twice is drawn once.
        clock = datetime.combine(day.date, datetime.min.time()) + timedelta(days=1) * (cell + 0.5) / cells
        moment = clock.replace(tzinfo=place.timezone)
        holding = next((bar.profile for bar in day.bars if bar.begin <= moment < bar.end), None)
        sign, colour = looks.get(holding or "", ("·", "dim"))
        bar.append(sign, style=colour)
        if place.has_sun:
            height = place.height(moment)
            sun.append("▔" if height > -0.833 else "·" if height > -6 else " ", style="bright_yellow")
    lines: list[RenderableType] = [label + bar]
    if place.has_sun:
        lines.append(sun)
    told = [_switch(switch, place, looks) for switch in day.switches[:_MAX_LISTED]]
    if len(day.switches) > _MAX_LISTED:
        told.append(Text(f"and {len(day.switches) - _MAX_LISTED} more", style="dim"))
    if day.hours != 24:
        told.insert(0, Text(f"the clocks change: this day has {day.hours} hours", style="yellow"))
    if place.has_sun:
        told.append(_sun(day, place))
    return [*lines, Padding(Text("\n").join(told), (0, 0, 1, _LABEL))]


def _switch(switch: Switch, place: Place, looks: dict[str, tuple[str, str]]) -> Text:
    clock = switch.at.astimezone(place.timezone)
    seconds = f":{clock:%S}" if clock.second else ""
    if switch.profile is None:
        return Text(f"{clock:%H:%M}{seconds}  {switch.does}  ({switch.schedule}: {switch.because})")
    sign, colour = looks.get(switch.profile, ("·", "dim"))
    if not switch.holds:
        return Text(
            f"{clock:%H:%M}{seconds}  ({switch.schedule} wants {switch.profile}; another one holds)",
            style="dim",
        )
    text = Text(f"{clock:%H:%M}{seconds}  ")
    text.append(f"{sign} {switch.profile}", style=colour)
    return text.append(f"  ({switch.schedule}: {switch.because})", style="dim")


def _sun(day: Day, place: Place) -> Text:
    def clock(name: str) -> str:
        at = day.sun.get(name)
        return f"{at.astimezone(place.timezone):%H:%M}" if at else "none"

    told = ", ".join(f"{name} {clock(name)}" for name in ("dawn", "sunrise", "sunset", "dusk"))
    return Text(told, style="dim")


def _legend(preview: Preview, looks: dict[str, tuple[str, str]]) -> RenderableType:
    if not looks:
        return Text("No schedule switches a profile in these days.", style="dim")
    table = Table.grid(padding=(0, 3))
    entries: Sequence[Text] = [
        Text.assemble((sign * 2, colour), f" {profile}") for profile, (sign, colour) in looks.items()
    ]
    if any(bar.profile is None for day in preview.days for bar in day.bars):
        entries = [*entries, Text("·· nothing is asked for: it stays as it is", style="dim")]
    if preview.place.has_sun:
        entries = [
            *entries,
            Text.assemble(("▔", "bright_yellow"), " day  ", ("·", "bright_yellow"), " twilight"),
        ]
    table.add_row(*entries)
    return table
