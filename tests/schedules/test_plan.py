from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from edge_agent.errors import ConfigError
from tests.schedules.places import NOON, NOWHERE, PARIS, REYKJAVIK, planned, there

ZONE = PARIS.timezone


def fires(start: datetime, count: int, **fields: Any) -> list[str]:
    plan = planned(PARIS, **fields)
    found: list[str] = []
    for _ in range(count):
        following = plan.next_after(start)
        assert following is not None
        assert following > start
        found.append(following.astimezone(ZONE).strftime("%a %d %H:%M:%S"))
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
    assert fires(NOON, 2, cron=cron) == expected


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
    monday = datetime(2026, 6, 15, tzinfo=ZONE)
    count = len(expected.split())
    assert [day.split()[0] for day in fires(monday, count, cron=f"0 7 * * {days}")] == expected.split()


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
        planned(cron=cron)
    assert wrong.value.message.startswith(f"cron '{cron}'")
    assert wrong.value.field == "cron"
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
    assert planned(cron=cron).last_at(now) == expected


@pytest.mark.parametrize(
    ("cron", "night", "expected"),
    [
        # At the end of March 02:00 to 03:00 is left out, at the end of October it comes twice.
        ("30 2 * * *", datetime(2026, 3, 28, 12, tzinfo=ZONE), ["Sun 29 03:30:00", "Mon 30 02:30:00"]),
        ("30 2 * * *", datetime(2026, 10, 24, 12, tzinfo=ZONE), ["Sun 25 02:30:00", "Mon 26 02:30:00"]),
        ("0 3 * * *", datetime(2026, 3, 28, 12, tzinfo=ZONE), ["Sun 29 03:00:00", "Mon 30 03:00:00"]),
        ("0 3 * * *", datetime(2026, 10, 24, 12, tzinfo=ZONE), ["Sun 25 03:00:00", "Mon 26 03:00:00"]),
        (
            "30 * * * *",
            datetime(2026, 10, 25, 1, tzinfo=ZONE),
            ["Sun 25 01:30:00", "Sun 25 02:30:00", "Sun 25 02:30:00", "Sun 25 03:30:00"],
        ),
    ],
)
def test_the_change_of_the_clocks_neither_skips_nor_doubles_a_switch(
    cron: str, night: datetime, expected: list[str]
) -> None:
    assert fires(night, len(expected), cron=cron) == expected


def test_an_interval_goes_by_elapsed_time_over_the_change_of_the_clocks() -> None:
    evening = datetime(2026, 3, 28, 20, tzinfo=ZONE)
    assert fires(evening, 4, interval={"every": "6h"}) == [
        "Sun 29 00:00:00",
        "Sun 29 07:00:00",
        "Sun 29 13:00:00",
        "Sun 29 19:00:00",
    ]


def test_an_interval_is_counted_from_its_start() -> None:
    every = {"every": "1h30m", "start": "2026-06-15 14:10"}
    assert fires(NOON, 3, interval=every) == ["Mon 15 14:10:00", "Mon 15 15:40:00", "Mon 15 17:10:00"]
    plan = planned(interval=every)
    assert there(plan.last_at(NOON + timedelta(hours=3))) == "Mon 2026-06-15 15:40:00"
    assert plan.last_at(NOON) is None


def test_given_moments_come_once_each_by_the_clock_there_or_by_their_own() -> None:
    plan = planned(at=["2026-12-24 18:00", "2026-07-01T00:00:00Z", "2026-12-24T18:00:00+01:00"])
    first = plan.next_after(NOON)
    assert there(first) == "Wed 2026-07-01 02:00:00"
    assert first is not None
    second = plan.next_after(first)
    assert there(second) == "Thu 2026-12-24 18:00:00"
    assert second is not None
    assert plan.next_after(second) is None
    assert plan.last_at(second + timedelta(days=1)) == second


def test_what_is_over_is_no_fault() -> None:
    assert planned(at="2020-01-01 12:00").next_after(NOON) is None
    assert planned(cron="0 7 * * *", until="2025-12-31").next_after(NOON) is None


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"days": "sat-sun"}, ["Sat 20", "Sun 21", "Sat 27"]),
        ({"days": ["mon", "wed-thu"]}, ["Wed 17", "Thu 18", "Mon 22"]),
        ({"from": "06-20", "until": "06-21"}, ["Sat 20", "Sun 21", "Sun 20"]),
        ({"from": "12-30", "until": "01-02"}, ["Wed 30", "Thu 31", "Fri 01", "Sat 02", "Thu 30"]),
        ({"until": "06-16"}, ["Tue 16", "Fri 01", "Sat 02"]),
        ({"from": "2026-06-30"}, ["Tue 30", "Wed 01"]),
        ({"except": ["06-16", "2026-06-18..2026-06-19"]}, ["Wed 17", "Sat 20"]),
        ({"days": "sun", "except": "06-01..12-31"}, ["Sun 03", "Sun 10"]),
    ],
)
def test_days_seasons_and_exceptions(filters: dict[str, Any], expected: list[str]) -> None:
    found = fires(NOON, len(expected), cron="0 7 * * *", **filters)
    assert [day.removesuffix(" 07:00:00") for day in found] == expected


def test_the_29th_of_february_is_waited_for() -> None:
    assert there(planned(cron="0 7 29 2 *").next_after(NOON)) == "Tue 2028-02-29 07:00:00"
    season: dict[str, Any] = {"from": "02-29", "until": "02-29"}
    assert there(planned(cron="0 7 * * *", **season).next_after(NOON)) == "Tue 2028-02-29 07:00:00"


@pytest.mark.parametrize(
    ("fields", "field", "reason"),
    [
        ({"cron": "0 7 31 * *", "from": "06-01", "until": "06-30"}, "cron", "there is no such day among"),
        ({"at": "2026-06-15 12:00", "days": "tue"}, "days", "it never comes"),
        ({"sun": {"event": "sunset"}}, "sun", "set profiles.latitude and profiles.longitude"),
    ],
)
def test_what_can_never_come_is_refused(fields: dict[str, Any], field: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason) as wrong:
        planned(NOWHERE, **fields)
    assert wrong.value.field == field


def test_how_long_a_profile_lies_over_others() -> None:
    evening = datetime(2026, 6, 15, 20, tzinfo=UTC)
    long: dict[str, Any] = {"for": "1h30m"}
    assert planned(cron="0 22 * * *").ends(evening) is None
    assert there(planned(cron="0 22 * * *", **long).ends(evening)) == "Mon 2026-06-15 23:30:00"
    assert there(planned(cron="0 22 * * *", until_time="6:00").ends(evening)) == "Tue 2026-06-16 06:00:00"
    assert there(planned(cron="0 22 * * *", until_time="22:00").ends(evening)) == "Tue 2026-06-16 22:00:00"


# ---- by the sun


def day_of(place: Any, day: str, **sun: Any) -> str | None:
    start = datetime.fromisoformat(f"{day}T12:00:00").replace(tzinfo=place.timezone) - timedelta(hours=12)
    following = planned(place, sun=sun).next_after(start)
    return there(following, place)


def test_the_sun_with_an_offset_and_between_bounds() -> None:
    assert day_of(PARIS, "2026-06-21", event="sunset") == "Sun 2026-06-21 21:57:54"
    assert day_of(PARIS, "2026-06-21", event="sunset", offset="-30m") == "Sun 2026-06-21 21:27:54"
    assert day_of(PARIS, "2026-06-21", event="sunset", offset="1h", not_after="22:30") == (
        "Sun 2026-06-21 22:30:00"
    )
    assert day_of(PARIS, "2026-12-21", event="sunrise", not_before="9:00") == "Mon 2026-12-21 09:00:00"
    assert day_of(PARIS, "2026-12-21", event="sunrise", not_before="8:00") == "Mon 2026-12-21 08:41:16"


def test_an_evening_that_ends_after_midnight_belongs_to_its_day() -> None:
    plan = planned(REYKJAVIK, sun={"event": "sunset"}, days="sun")
    # The sunset of Sunday, 21 June.
    assert (
        there(plan.next_after(datetime(2026, 6, 21, 12, tzinfo=UTC)), REYKJAVIK) == "Mon 2026-06-22 00:04:02"
    )
    bound = planned(REYKJAVIK, sun={"event": "sunset", "not_after": "0:02"}, days="sun")
    assert (
        there(bound.next_after(datetime(2026, 6, 21, 12, tzinfo=UTC)), REYKJAVIK) == "Mon 2026-06-22 00:02:00"
    )


def test_where_it_does_not_get_dark_there_is_no_dusk_unless_a_bound_says_when() -> None:
    assert day_of(REYKJAVIK, "2026-06-21", event="dusk") == "Sat 2026-07-25 01:06:40"
    assert day_of(REYKJAVIK, "2026-06-21", event="dusk", not_after="23:30") == "Sun 2026-06-21 23:30:00"
    # Too late, not too early: the other bound says nothing here.
    assert day_of(REYKJAVIK, "2026-06-21", event="dusk", not_before="20:00") == "Sat 2026-07-25 01:06:40"
    assert day_of(REYKJAVIK, "2026-06-21", event="dawn", not_before="3:00") == "Sun 2026-06-21 03:00:00"


@pytest.mark.parametrize(
    "fields",
    [
        {"cron": "0 7 * * mon-fri"},
        {"cron": "30 2 * * *", "from": "10-01", "until": "03-31"},
        {"cron": "*/7 5,17 * * *", "days": "sat-sun", "except": "07-01..08-31"},
        {"cron": "0 0 31 * *"},
        {"interval": {"every": "7h"}},
        {"interval": {"every": "50h"}, "days": "mon"},
        {"at": ["2026-02-03 12:00", "2026-10-25 02:30"]},
        {"sun": {"event": "sunset", "offset": "3h"}, "days": ["tue"]},
        {"sun": {"event": "dusk"}, "from": "04-01", "until": "09-30"},
        {"sun": {"event": "dawn", "offset": "-26h", "not_before": "3:00"}},
    ],
)
def test_the_last_time_is_the_one_before_the_next(fields: dict[str, Any]) -> None:
    plan = planned(REYKJAVIK, **fields)
    moment, before = datetime(2026, 1, 1, tzinfo=UTC), None
    for _ in range(400):
        following = plan.next_after(moment)
        if following is None or following.year > 2026:
            break
        if before is not None:
            assert plan.last_at(following - timedelta(seconds=1)) == before
            assert plan.last_at(before) == before
            assert plan.last_at(before + (following - before) / 3) == before
        moment = before = following
    assert before is not None
