"""When a time-lapse's pictures are due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.contract.validation import validate
from edge_agent.errors import RefusedError
from edge_agent.timelapse.plan import Plan

PARIS = ZoneInfo("Europe/Paris")
NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)


def plan(**fields: Any) -> Plan:
    return validate(Plan, {"name": "garden", "interval_s": 60, "begins_at": NOON, **fields})


def test_times_are_counted_from_the_beginning() -> None:
    year = plan(interval_s=0.1 * 10 + 0.001).due(31_000_000)
    assert year == NOON + timedelta(microseconds=1_001_000) * 31_000_000
    assert plan(interval_s=1.001).number_at(year) == 31_000_000
    assert plan(interval_s=1.001).number_at(year - timedelta(microseconds=1)) == 30_999_999
    assert plan().number_at(NOON - timedelta(seconds=1)) == -1


def test_hours_of_the_day_are_local_and_begin_anew_each_day() -> None:
    # 14:00 in Paris; open from 06:00 to 14:01, so that the next after it is tomorrow at 06:00.
    hours = plan(between_from="06:00", between_until="14:01")
    assert hours.next_number(-1, PARIS) == 0
    tomorrow = hours.next_number(0, PARIS)
    assert tomorrow is not None
    assert hours.due(tomorrow) == datetime(2026, 6, 16, 6, tzinfo=PARIS)


def test_hours_may_go_over_midnight() -> None:
    night = plan(between_from="22:00", between_until="04:00", interval_s=3600)
    first = night.next_number(-1, PARIS)
    assert first is not None
    assert night.due(first) == datetime(2026, 6, 15, 22, tzinfo=PARIS)
    assert night.wanted_between(0, 24 - 1, PARIS) == 6


@pytest.mark.parametrize(
    "day", [datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 10, 24, 12, tzinfo=UTC)]
)
def test_hours_keep_to_the_wall_clock_over_the_change_of_time(day: datetime) -> None:
    hours = plan(begins_at=day, between_from="08:00", between_until="09:00", interval_s=600)
    number = hours.next_number(-1, PARIS)
    assert number is not None
    assert hours.due(number).astimezone(PARIS).strftime("%d %H:%M") == f"{day.day + 1} 08:00"


@given(
    interval_s=st.floats(1, 10_000),
    begin=st.integers(0, 1439),
    length=st.integers(1, 1439),
    first=st.integers(0, 300),
    span=st.integers(0, 200),
)
def test_what_is_wanted_is_what_would_have_been_taken(
    interval_s: float, begin: int, length: int, first: int, span: int
) -> None:
    def clock(minutes: int) -> str:
        return f"{minutes // 60 % 24:02d}:{minutes % 60:02d}"

    hours = plan(interval_s=interval_s, between_from=clock(begin), between_until=clock(begin + length))
    one_by_one, number = 0, hours.next_number(first - 1, PARIS)
    while number is not None and number <= first + span:
        one_by_one += 1
        number = hours.next_number(number, PARIS)
    assert hours.wanted_between(first, first + span, PARIS) == one_by_one


def test_an_end_is_an_end() -> None:
    short = plan(ends_at=NOON + timedelta(minutes=2))
    assert short.next_number(1, PARIS) == 2
    assert short.next_number(2, PARIS) is None


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"between_from": "06:00"}, "neither"),
        ({"between_from": "06:00", "between_until": "06:00"}, "no time at all"),
        ({"between_from": "6", "between_until": "07:00"}, "between_from"),
        ({"ends_at": NOON}, "not after"),
        ({"interval_s": 0.5}, "interval_s"),
        ({"begins_at": "2026-06-15T12:00:00"}, "begins_at"),
    ],
)
def test_what_cannot_be_is_refused(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(RefusedError, match=says):
        plan(**fields)
