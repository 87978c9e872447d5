from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise
from typing import Any

from edge_agent.schedules.place import Place
from edge_agent.schedules.preview import Preview, look_ahead
from tests.schedules.places import NOWHERE, PARIS, planned

SCHEDULES: dict[str, dict[str, Any]] = {
    "dawn": {"cron": "0 7 * * *", "profile": "day"},
    "dusk": {"sun": {"event": "sunset"}, "profile": "night"},
    "guests": {"cron": "0 18 * * sun", "profile": "party", "until_time": "23:00", "priority": 5},
    "picture": {"cron": "0 12 * * *", "command": "snapshot"},
    "pulse": {"interval": {"every": "5m"}, "command": "refresh"},
}


def week(first: date = date(2026, 10, 23), days: int = 4, place: Place = PARIS, **more: Any) -> Preview:
    plans = [
        planned(place, name=name, order=order, **fields)
        for order, (name, fields) in enumerate({**SCHEDULES, **more}.items())
    ]
    return look_ahead(plans, place=place, first=first, days=days)


def test_the_days_are_told_with_what_holds_and_each_switch() -> None:
    preview = week()
    sunday = preview.days[2]
    zone = PARIS.timezone
    assert (sunday.date, sunday.hours) == (date(2026, 10, 25), 25)
    assert [(f"{bar.begin.astimezone(zone):%d %H:%M}", bar.profile) for bar in sunday.bars] == [
        ("25 00:00", "night"),
        ("25 07:00", "day"),
        ("25 17:42", "night"),
        ("25 18:00", "party"),
        ("25 23:00", "night"),
    ]


def test_what_lies_under_another_one_is_told_as_such_and_comes_back() -> None:
    sunday = week(late={"cron": "30 19 * * *", "profile": "late"}).days[2]
    told = [
        (f"{switch.at.astimezone(PARIS.timezone):%H:%M}", switch.schedule, switch.holds)
        for switch in sunday.switches
    ]
    assert told == [
        ("07:00", "dawn", True),
        ("12:00", "picture", True),
        ("17:42", "dusk", True),
        ("18:00", "guests", True),
        ("19:30", "late", False),
        ("23:00", "late", True),
    ]
    assert sunday.switches[-1].because == "'guests' has ended: cron 30 19 * * *"


def test_bars_lie_end_to_end() -> None:
    preview = week(days=31)
    bars = [bar for day in preview.days for bar in day.bars]
    assert all(one.end == other.begin for one, other in pairwise(bars))
    assert (bars[0].begin, bars[-1].end) == (preview.days[0].begin, preview.days[-1].end)


def test_what_comes_very_often_is_told_in_a_line() -> None:
    preview = week()
    assert [(often.schedule, often.times_a_day) for often in preview.often] == [("pulse", 288)]
    assert all(switch.schedule != "pulse" for day in preview.days for switch in day.switches)


def test_there_is_an_end_to_what_is_shown() -> None:
    restless = {"cron": "*/2 * * * * *", "profile": "x"}
    preview = week(place=PARIS, restless=restless)
    assert preview.cut is not None
    assert preview.cut - preview.days[0].begin < timedelta(days=1)
    assert preview.days[0].bars[-1].end == preview.cut


def test_without_schedules_and_without_a_place_there_is_nothing_to_say() -> None:
    preview = look_ahead([], place=NOWHERE, first=date(2026, 6, 15), days=2)
    assert [bar.profile for day in preview.days for bar in day.bars] == [None, None]
    assert (preview.profiles, preview.days[0].sun, preview.often) == ([], {}, [])


def test_for_machines_every_key_is_there() -> None:
    document = week().document()
    assert set(document) == {"timezone", "place", "cut", "days", "often"}
    day = document["days"][0]
    assert set(day) == {"date", "hours", "sun", "holds", "switches"}
    assert day["sun"]["sunrise"] == "2026-10-23T06:23:07.000Z"
    assert day["switches"][0] == {
        "time": "2026-10-23T05:00:00.000Z",
        "schedule": "dawn",
        "does": "profile day",
        "because": "cron 0 7 * * *",
        "holds": True,
    }
