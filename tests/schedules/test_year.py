"""A year by a driven clock, at three places: every time to the second, none twice, none left out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest

from edge_agent.contract.validation import validate
from edge_agent.schedules.engine import Engine
from edge_agent.schedules.memory import Memory
from edge_agent.schedules.place import Place
from edge_agent.schedules.plan import Planned
from edge_agent.schedules.schedule import Schedule, SunEvent
from tests.clocks import ManualClock, settled
from tests.schedules.places import PARIS, REYKJAVIK, SYDNEY

YEAR: Final = [date(2026, 1, 1) + timedelta(days=number) for number in range(365)]

SCHEDULES: Final[dict[str, dict[str, Any]]] = {
    # In the hour that comes twice, or not at all, where the clocks change.
    "night": {"cron": "30 2 * * *", "profile": "night"},
    "workday": {"cron": "45 6 * * mon-fri", "profile": "day"},
    "sunset": {"sun": {"event": "sunset", "offset": "-20m"}, "profile": "evening"},
    "dawn": {"sun": {"event": "dawn"}, "profile": "twilight"},
    "dusk": {"sun": {"event": "dusk", "not_before": "17:30", "not_after": "23:41"}, "profile": "late"},
    "hourly": {"cron": "15 * * * *", "command": "lamp"},
    "steady": {"interval": {"every": "9h", "start": "2026-01-01T00:00:07Z"}, "command": "lamp"},
    "moments": {"at": ["2026-03-29 02:10", "2026-10-25 02:20", "2026-04-05 02:20"], "command": "lamp"},
    "winter": {
        "cron": "5 12 * * *",
        "days": ["sat-sun"],
        "from": "11-01",
        "until": "03-31",
        "except": ["12-24..12-26", "2026-02-01"],
        "command": "lamp",
    },
}

Expected = Iterator[tuple[datetime, str]]


def by_the_clock(day: date, hour: int, minute: int, zone: ZoneInfo, *, twice: bool = False) -> list[datetime]:
    """Return the moments at which a clock there shows that time: an hour later where none shows it."""
    naive = datetime.combine(day, time(hour, minute))
    found = [naive.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)]
    if found[0].astimezone(zone).replace(tzinfo=None) != naive:
        [later] = [at for at in found if at.astimezone(zone).replace(tzinfo=None) > naive]
        return [later]
    return sorted(set(found)) if twice else found[:1]


def expected(place: Place) -> Expected:
    zone = place.timezone
    assert isinstance(zone, ZoneInfo)
    for day in YEAR:
        yield by_the_clock(day, 2, 30, zone)[0], "night"
        if day.weekday() < 5:
            yield by_the_clock(day, 6, 45, zone)[0], "workday"
        # Where an hour is left out its time falls together with the next hour's.
        for moment in {at for hour in range(24) for at in by_the_clock(day, hour, 15, zone, twice=True)}:
            yield moment, "hourly"
        in_season = day.month in (11, 12, 1, 2, 3)
        holiday = (day.month == 12 and 24 <= day.day <= 26) or day == date(2026, 2, 1)
        if day.weekday() >= 5 and in_season and not holiday:
            yield by_the_clock(day, 12, 5, zone)[0], "winter"
    for day, minute in ((date(2026, 3, 29), 10), (date(2026, 10, 25), 20), (date(2026, 4, 5), 20)):
        yield by_the_clock(day, 2, minute, zone)[0], "moments"
    steady = datetime(2026, 1, 1, 0, 0, 7, tzinfo=UTC)
    for number in range(366 * 24 // 9):
        yield steady + timedelta(hours=9 * number), "steady"
    yield from expected_sun(place, zone)


def expected_sun(place: Place, zone: ZoneInfo) -> Expected:
    # The days around the year, too: an evening may end after midnight.
    for day in [YEAR[0] - timedelta(days=1), *YEAR]:
        events: dict[SunEvent, datetime | str] = {
            event: place.sun(event, day) for event in ("sunset", "dawn", "dusk")
        }
        sunset, dawn, dusk = events["sunset"], events["dawn"], events["dusk"]
        if isinstance(sunset, datetime):
            yield sunset - timedelta(minutes=20), "sunset"
        if isinstance(dawn, datetime):
            yield dawn, "dawn"
        earliest = by_the_clock(day, 17, 30, zone)[0]
        latest = by_the_clock(day, 23, 41, zone)[0]
        if isinstance(dusk, datetime):
            yield min(max(dusk, earliest), latest), "dusk"
        elif dusk == "above":
            yield latest, "dusk"


class Year:
    """The engine under a driven clock."""

    def __init__(self, place: Place, path: Path, begin: datetime) -> None:
        self.clock = ManualClock(begin)
        self.done: list[tuple[datetime, str]] = []
        self.engine = Engine(
            clock=self.clock,
            memory=Memory(path=path / "schedules.json"),
            execute=self.execute,
            told=lambda _result: None,
            problem=lambda _code, _message: None,
            changed=lambda: None,
        )
        plans = [
            Planned(validate(Schedule, {**fields, "name": name}), place=place, order=order)
            for order, (name, fields) in enumerate(SCHEDULES.items())
        ]
        self.engine.adopt(plans, names=SCHEDULES)

    async def execute(self, schedule: Schedule) -> str:
        self.done.append((self.clock.now(), schedule.name))
        return "done"

    async def hop(self, to: datetime) -> None:
        self.clock.advance((to - self.clock.now()).total_seconds())
        await self.engine.look()
        await settled(12)


@pytest.mark.parametrize("place", [PARIS, REYKJAVIK, SYDNEY], ids=["Paris", "Reykjavik", "Sydney"])
async def test_every_time_of_a_year_comes_to_the_second_and_once(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_agent.schedules.memory.write_atomically", lambda _path, _content: None)
    begin = datetime(2026, 1, 1, tzinfo=place.timezone).astimezone(UTC)
    end = datetime(2027, 1, 1, tzinfo=place.timezone).astimezone(UTC)
    year = Year(place, tmp_path, begin - timedelta(seconds=1))
    await year.hop(begin - timedelta(seconds=1))
    # What held when the year began.
    year.done.clear()
    count = 0
    while (wake := year.engine.timetable.wake()) is not None and wake < end:
        count += 1
        if count % 10 == 0:
            before = len(year.done)
            await year.hop(wake - timedelta(seconds=1))
            assert len(year.done) == before
        await year.hop(wake)
    wanted = sorted(entry for entry in expected(place) if begin <= entry[0] < end)
    assert len(wanted) > 11_000
    assert sorted(year.done) == wanted


async def test_the_last_sunday_of_march_and_of_october(tmp_path: Path) -> None:
    """What the year holds, said once more for people: the two nights in Paris."""
    shown: dict[int, list[str]] = {}
    for month, day in ((3, 29), (10, 25)):
        begin = datetime(2026, month, day, tzinfo=PARIS.timezone).astimezone(UTC)
        year = Year(PARIS, tmp_path / str(month), begin)
        await year.hop(begin)
        year.done.clear()
        for minute in range(1, 5 * 60):
            await year.hop(begin + timedelta(minutes=minute))
        shown[month] = [
            f"{there:%H:%M %z} {name}"
            for at, name in year.done
            for there in (at.astimezone(PARIS.timezone),)
            if name != "steady" and there.hour in (2, 3)
        ]
    assert shown == {
        3: ["03:10 +0200 moments", "03:15 +0200 hourly", "03:30 +0200 night"],
        10: [
            "02:15 +0200 hourly",
            "02:20 +0200 moments",
            "02:30 +0200 night",
            "02:15 +0100 hourly",
            "03:15 +0100 hourly",
        ],
    }
