from __future__ import annotations

from datetime import UTC, datetime, timedelta

from edge_agent.schedules.schedule import Schedule
from edge_agent.schedules.timetable import Timetable
from tests.clocks import ManualClock

DAWN = Schedule(name="dawn", cron="0 7 * * *", profile="day")
DUSK = Schedule(name="dusk", cron="0 20 * * *", profile="night")


class Wall:
    def __init__(self, *schedules: Schedule) -> None:
        self.clock = ManualClock(datetime(2026, 6, 15, 12, tzinfo=UTC))
        self.timetable = Timetable(schedules=schedules, timezone=UTC)

    def look(self) -> tuple[str, bool] | None:
        due = self.timetable.look(self.clock.now(), self.clock.monotonic())
        return (due.schedule.name, due.missed) if due else None

    def hours(self, count: float) -> list[tuple[str, bool]]:
        """Look once a minute."""
        seen = []
        for _ in range(int(count * 60)):
            self.clock.advance(60)
            if due := self.look():
                seen.append(due)
        return seen


def test_the_first_look_finds_what_should_hold_now() -> None:
    wall = Wall(DAWN, DUSK)
    assert wall.look() == ("dawn", True)
    assert wall.look() is None
    assert wall.timetable.next_of("dusk") == datetime(2026, 6, 15, 20, tzinfo=UTC)
    assert wall.timetable.next_of("nothing") is None


def test_each_time_comes_once() -> None:
    wall = Wall(DAWN, DUSK)
    wall.look()
    assert wall.hours(48) == [("dusk", False), ("dawn", False), ("dusk", False), ("dawn", False)]


def test_of_several_that_came_due_the_newest_holds() -> None:
    wall = Wall(DAWN, DUSK)
    wall.look()
    wall.clock.advance(33 * 3600)
    assert wall.look() == ("dusk", False)
    assert wall.look() is None


def test_of_two_at_the_same_time_the_last_one_written_holds() -> None:
    other = Schedule(name="other", cron="0 20 * * *", profile="day")
    wall = Wall(DUSK, other)
    assert wall.look() == ("other", True)
    assert wall.hours(24) == [("other", False)]


def test_a_clock_that_jumps_is_noticed_in_both_directions() -> None:
    wall = Wall(DAWN, DUSK)
    wall.look()
    wall.clock.set_now(datetime(2026, 6, 15, 21, tzinfo=UTC))
    assert wall.look() == ("dusk", True)
    assert wall.timetable.next_of("dawn") == datetime(2026, 6, 16, 7, tzinfo=UTC)
    wall.clock.set_now(datetime(2026, 6, 15, 9, tzinfo=UTC))
    assert wall.look() == ("dawn", True)
    assert wall.hours(12) == [("dusk", False)]


def test_a_clock_that_is_slewed_is_none_that_jumps() -> None:
    wall = Wall(DAWN, DUSK)
    wall.look()
    wall.clock.set_now(wall.clock.now() + timedelta(seconds=1))
    assert wall.look() is None


def test_what_is_not_in_force_never_comes() -> None:
    wall = Wall(
        DAWN.model_copy(update={"enabled": False}),
        Schedule(name="bad", cron="nonsense", profile="day"),
    )
    assert wall.look() is None
    assert wall.hours(25) == []
    [wrong] = wall.timetable.wrong
    assert "'bad'" in wrong
