from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from edge_agent.errors import ConfigError
from edge_agent.schedules.schedule import Schedule, last_fire, load_schedules, next_fire, trigger_of

PARIS = ZoneInfo("Europe/Paris")
# A Monday, noon in UTC.
NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)


def fires(cron: str, start: datetime, count: int) -> list[str]:
    trigger = trigger_of(Schedule(name="s", cron=cron, profile="p"), PARIS)
    found: list[str] = []
    for _ in range(count):
        following = next_fire(trigger, start)
        assert following is not None
        assert following > start
        found.append(following.astimezone(PARIS).strftime("%a %d %H:%M:%S"))
        start = following
    return found


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("0 7 * * *", ["Tue 16 07:00:00", "Wed 17 07:00:00"]),
        ("30 0 7 * * *", ["Tue 16 07:00:30", "Wed 17 07:00:30"]),
        ("*/20 * * * *", ["Mon 15 14:20:00", "Mon 15 14:40:00"]),
        ("0 20 1 7 *", ["Wed 01 20:00:00", "Thu 01 20:00:00"]),
        ("0 7 * * 0", ["Sun 21 07:00:00", "Sun 28 07:00:00"]),
        ("0 7 * * 7", ["Sun 21 07:00:00", "Sun 28 07:00:00"]),
        ("0 7 * * 1", ["Mon 22 07:00:00", "Mon 29 07:00:00"]),
        ("0 7 * * MON", ["Mon 22 07:00:00", "Mon 29 07:00:00"]),
    ],
)
def test_a_cron_line_means_what_crontab_means(cron: str, expected: list[str]) -> None:
    assert fires(cron, NOON, 2) == expected


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ("1-5", "Mon Tue Wed Thu Fri"),
        ("mon-fri", "Mon Tue Wed Thu Fri"),
        ("0,6", "Sat Sun"),
        ("sat-sun", "Sat Sun"),
        ("6-7", "Sat Sun"),
        ("5-0", "Fri Sat Sun"),
        ("5-7", "Fri Sat Sun"),
        ("fri-mon", "Mon Fri Sat Sun"),
        ("0-2", "Mon Tue Sun"),
        ("*", "Mon Tue Wed Thu Fri Sat Sun"),
        ("0-7", "Mon Tue Wed Thu Fri Sat Sun"),
        ("*/2", "Tue Thu Sat Sun"),
        ("1-5/2", "Mon Wed Fri"),
        ("mon,3,fri-sat", "Mon Wed Fri Sat"),
    ],
)
def test_week_days_are_crontabs_and_go_over_the_weeks_end(days: str, expected: str) -> None:
    monday = datetime(2026, 6, 15, tzinfo=PARIS)
    count = len(expected.split())
    assert [day.split()[0] for day in fires(f"0 7 * * {days}", monday, count)] == expected.split()


@pytest.mark.parametrize(
    ("cron", "reason"),
    [
        ("0 7 * *", "has 4 fields; right are five: minute hour day month day_of_week"),
        ("", "has 0 fields"),
        ("0 7 * * * * *", "has 7 fields"),
        ("60 7 * * *", "60"),
        ("0 7 * * 8", "'8' is no day of the week: 0 to 7 or sun to sat"),
        ("0 7 * * monday", "'monday' is no day of the week"),
        ("0 7 * * 1-", "'1-' is no day of the week"),
        ("0 7 * * */0", "'*/0' is no day of the week"),
        ("x 7 * * *", "x"),
        ("0 7 30 2 *", "there is no such day"),
        ("5-1 7 * * *", "5"),
    ],
)
def test_a_cron_line_that_means_nothing_is_refused_with_the_reason(cron: str, reason: str) -> None:
    with pytest.raises(ConfigError) as wrong:
        trigger_of(Schedule(name="dawn", cron=cron, profile="p"), PARIS)
    assert wrong.value.message.startswith(f"schedule 'dawn': cron '{cron}'")
    assert reason in wrong.value.message


@pytest.mark.parametrize(
    ("cron", "now", "expected"),
    [
        ("* * * * *", NOON + timedelta(seconds=30), NOON),
        ("* * * * *", NOON, NOON),
        ("* * * * * *", NOON + timedelta(seconds=30.5), NOON + timedelta(seconds=30)),
        ("0 7 * * *", NOON, datetime(2026, 6, 15, 5, tzinfo=UTC)),
        ("0 20 * * *", NOON, datetime(2026, 6, 14, 18, tzinfo=UTC)),
        ("0 0 1 1 *", NOON, datetime(2025, 12, 31, 23, tzinfo=UTC)),
        ("0 14 15 6 *", NOON - timedelta(seconds=1), datetime(2025, 6, 15, 12, tzinfo=UTC)),
        ("* * * 1 *", NOON, datetime(2026, 1, 31, 22, 59, tzinfo=UTC)),
        ("0 0 29 2 *", NOON, None),
        ("30 2 * * *", datetime(2026, 10, 25, 12, tzinfo=UTC), datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        ("30 2 * * *", datetime(2026, 3, 29, 12, tzinfo=UTC), datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),
    ],
)
def test_the_last_time_is_found_within_a_year(cron: str, now: datetime, expected: datetime | None) -> None:
    assert last_fire(trigger_of(Schedule(name="s", cron=cron, profile="p"), PARIS), now) == expected


@pytest.mark.parametrize(
    ("cron", "night", "expected"),
    [
        # At the end of March 02:00 to 03:00 is left out, at the end of October it comes twice.
        ("30 2 * * *", datetime(2026, 3, 28, 12, tzinfo=PARIS), ["Sun 29 03:30:00", "Mon 30 02:30:00"]),
        ("30 2 * * *", datetime(2026, 10, 24, 12, tzinfo=PARIS), ["Sun 25 02:30:00", "Mon 26 02:30:00"]),
        ("0 3 * * *", datetime(2026, 3, 28, 12, tzinfo=PARIS), ["Sun 29 03:00:00", "Mon 30 03:00:00"]),
        ("0 3 * * *", datetime(2026, 10, 24, 12, tzinfo=PARIS), ["Sun 25 03:00:00", "Mon 26 03:00:00"]),
        (
            "30 * * * *",
            datetime(2026, 10, 25, 1, tzinfo=PARIS),
            ["Sun 25 01:30:00", "Sun 25 02:30:00", "Sun 25 02:30:00", "Sun 25 03:30:00"],
        ),
    ],
)
def test_the_change_of_the_clocks_neither_skips_nor_doubles_a_switch(
    cron: str, night: datetime, expected: list[str]
) -> None:
    assert fires(cron, night, len(expected)) == expected


def test_schedules_come_from_files_and_a_fault_costs_only_itself(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text('dawn: {cron: "0 7 * * *", profile: day}\nbad: {cron: 5}\nworse: 7\n')
    (tmp_path / "b.yaml").write_text("[")
    (tmp_path / "c.yaml").write_text("# nothing yet\n")
    (tmp_path / "d.yaml").write_text("- dawn\n")
    (tmp_path / "e.yaml").mkdir()
    (tmp_path / "f.yaml").write_text('dusk: {cron: "0 20 * * *", profile: night, enabled: false}\n')
    schedules, wrong = load_schedules([tmp_path, tmp_path / "nowhere"])
    assert [(schedule.name, schedule.enabled) for schedule in schedules] == [("dawn", True), ("dusk", False)]
    assert [message.removeprefix(str(tmp_path)) for message in wrong] == [
        "/a.yaml: schedule 'bad': 'cron' cannot be 5: it should be a text; 'profile' is missing",
        "/a.yaml: schedule 'worse' is no mapping",
        "/b.yaml, line 1: not YAML: expected the node content, but found '<stream end>'",
        "/d.yaml: a file of schedules maps names to schedules",
        "/e.yaml: Is a directory",
    ]
