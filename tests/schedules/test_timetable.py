from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from edge_agent.schedules.timetable import Ends, Timetable
from tests.schedules.places import NOON, NOWHERE, planned


class Wall:
    """A timetable and a clock on the wall."""

    def __init__(self, **schedules: dict[str, Any]) -> None:
        self.now = NOON
        self.timetable = Timetable(
            planned(NOWHERE, name=name, order=order, **fields)
            for order, (name, fields) in enumerate(schedules.items())
        )
        self.timetable.start(self.now)

    def at(self, day: int, hour: int, minute: int = 0) -> str | None:
        """Return who holds then, in June."""
        self.now = datetime(2026, 6, day, hour, minute, tzinfo=UTC)
        self.due = [(due.planned.name, f"{due.at:%d %H:%M}") for due in self.timetable.take(self.now)]
        self.hold = self.timetable.holds(self.now)
        return self.hold.planned.name if self.hold else None


DAWN: dict[str, Any] = {"cron": "0 7 * * *", "profile": "day"}
DUSK: dict[str, Any] = {"cron": "0 20 * * *", "profile": "night"}
PARTY: dict[str, Any] = {"at": "2026-06-15 18:00", "profile": "party", "for": "4h", "priority": 10}


def test_each_time_comes_once_and_the_newest_of_those_that_passed() -> None:
    wall = Wall(dawn=DAWN, dusk=DUSK)
    assert (wall.at(15, 12), wall.due) == ("dawn", [])
    assert (wall.at(15, 20), wall.due) == ("dusk", [("dusk", "15 20:00")])
    assert (wall.at(15, 21), wall.due) == ("dusk", [])
    assert (wall.at(18, 8), wall.due) == ("dawn", [("dusk", "17 20:00"), ("dawn", "18 07:00")])
    assert wall.timetable.next_of("dusk") == datetime(2026, 6, 18, 20, tzinfo=UTC)
    assert wall.timetable.next_of("nothing") is None


def test_of_two_at_the_same_time_the_one_written_later_holds() -> None:
    wall = Wall(dusk=DUSK, other={**DUSK, "profile": "day"})
    assert wall.at(15, 20) == "other"
    assert Wall(other={**DUSK, "priority": 1}, dusk=DUSK).at(15, 20) == "other"


def test_what_has_an_end_lies_over_the_others_and_then_they_hold_again() -> None:
    wall = Wall(dawn=DAWN, dusk=DUSK, party=PARTY)
    assert wall.at(15, 17, 59) == "dawn"
    assert wall.at(15, 18) == "party"
    assert (wall.at(15, 20), wall.due) == ("party", [("dusk", "15 20:00")])
    assert wall.timetable.wake() == datetime(2026, 6, 15, 22, tzinfo=UTC)
    assert wall.at(15, 22) == "dusk"
    assert wall.hold is not None
    assert wall.hold.since == datetime(2026, 6, 15, 22, tzinfo=UTC)
    assert wall.hold.because == "'party' has ended: cron 0 20 * * *"


def test_without_priority_the_newest_holds_also_within_an_end() -> None:
    wall = Wall(dawn=DAWN, dusk=DUSK, party={**PARTY, "priority": 0})
    assert wall.at(15, 19) == "party"
    assert wall.at(15, 20) == "dusk"
    assert wall.at(15, 22) == "dusk"


def test_a_lower_priority_does_not_show_through_a_higher_one() -> None:
    low = {"at": "2026-06-15 19:00", "profile": "low", "for": "1h", "priority": 5}
    wall = Wall(party=PARTY, low=low)
    assert wall.at(15, 19) == "party"
    assert wall.at(15, 21) == "party"
    assert wall.at(15, 22) is None


def test_the_same_is_computed_anew_after_a_start_at_any_time() -> None:
    schedules = {
        "dawn": DAWN,
        "dusk": DUSK,
        "party": PARTY,
        "lunch": {"cron": "0 12 * * *", "profile": "lunch", "until_time": "13:30", "priority": 1},
    }
    wall = Wall(**schedules)
    for minutes in range(0, 3 * 24 * 60, 10):
        now = NOON + timedelta(minutes=minutes)
        wall.at(now.day, now.hour, now.minute)
        fresh = Timetable(wall.timetable.plans.values())
        fresh.start(now)
        assert fresh.take(now) == []
        assert fresh.holds(now) == wall.hold
        assert fresh.wake() == wall.timetable.wake()


def test_the_next_ones_are_told_with_the_ends() -> None:
    wall = Wall(dawn=DAWN, dusk=DUSK, party=PARTY)
    told = [
        (coming.planned.name, f"{coming.at:%d %H}", isinstance(coming, Ends))
        for coming in wall.timetable.coming(5)
    ]
    assert told == [
        ("party", "15 18", False),
        ("dusk", "15 20", False),
        ("party", "15 22", True),
        ("dawn", "16 07", False),
        ("dusk", "16 20", False),
    ]
