from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from edge_agent.errors import ConfigError
from edge_agent.schedules.place import Place
from tests.schedules.places import NOWHERE, PARIS, REYKJAVIK, SYDNEY, there

TROMSO = Place(timezone=ZoneInfo("Europe/Oslo"), latitude=69.6492, longitude=18.9553)
KIRITIMATI = Place(timezone=ZoneInfo("Pacific/Kiritimati"), latitude=1.87, longitude=-157.43)


def almanac_height(place: Place, moment: datetime) -> float:
    """The sun's height in degrees by the Astronomical Almanac's low-precision formula, good to 0.02."""
    assert place.latitude is not None
    assert place.longitude is not None
    days = (moment - datetime(2000, 1, 1, 12, tzinfo=UTC)).total_seconds() / 86400
    mean, anomaly = math.radians(280.460 + 0.9856474 * days), math.radians(357.528 + 0.9856003 * days)
    ecliptic = mean + math.radians(1.915 * math.sin(anomaly) + 0.020 * math.sin(2 * anomaly))
    tilt = math.radians(23.439 - 0.0000004 * days)
    right_ascension = math.atan2(math.cos(tilt) * math.sin(ecliptic), math.cos(ecliptic))
    declination = math.asin(math.sin(tilt) * math.sin(ecliptic))
    hours = (18.697374558 + 24.06570982441908 * days) % 24
    hour_angle = math.radians(hours * 15 + place.longitude) - right_ascension
    latitude = math.radians(place.latitude)
    return math.degrees(
        math.asin(
            math.sin(latitude) * math.sin(declination)
            + math.cos(latitude) * math.cos(declination) * math.cos(hour_angle)
        )
    )


@pytest.mark.parametrize(
    ("place", "day", "sunrise", "sunset"),
    [
        # As printed in almanacs, to the minute.
        (PARIS, date(2026, 6, 21), "05:47", "21:58"),
        (PARIS, date(2026, 12, 21), "08:41", "16:56"),
        (REYKJAVIK, date(2026, 6, 21), "02:55", "00:04"),
        (REYKJAVIK, date(2026, 12, 21), "11:22", "15:29"),
        (SYDNEY, date(2026, 6, 21), "07:00", "16:54"),
        (SYDNEY, date(2026, 12, 21), "05:41", "20:05"),
    ],
)
def test_the_sun_is_where_almanacs_say(place: Place, day: date, sunrise: str, sunset: str) -> None:
    for event, printed in (("sunrise", sunrise), ("sunset", sunset)):
        moment = place.sun(event, day)  # type: ignore[arg-type]
        assert isinstance(moment, datetime)
        nearest = (moment + timedelta(seconds=30)).astimezone(place.timezone)
        assert nearest.strftime("%H:%M") == printed


@pytest.mark.parametrize("place", [PARIS, REYKJAVIK, SYDNEY, TROMSO, KIRITIMATI])
@pytest.mark.parametrize(
    ("event", "height"), [("sunrise", -0.833), ("sunset", -0.833), ("dawn", -6), ("dusk", -6)]
)
def test_each_solar_day_has_its_event_or_tells_why_not(place: Place, event: str, height: float) -> None:
    before: datetime | None = None
    for number in range(366):
        day = date(2026, 1, 1) + timedelta(days=number)
        noon = place.noon(day)
        assert noon.astimezone(place.timezone).date() == day
        moment = place.sun(event, day)  # type: ignore[arg-type]
        if isinstance(moment, datetime):
            assert almanac_height(place, moment) == pytest.approx(height, abs=0.05)
            assert abs(moment - noon) < timedelta(hours=12, minutes=1)
            assert (moment > noon) == (event in ("sunset", "dusk"))
            assert before is None or moment - before > timedelta(hours=20)
            before = moment
        elif moment == "above":
            assert almanac_height(place, noon + timedelta(hours=12)) > height - 0.5
        else:
            assert almanac_height(place, noon) < height + 0.5


def test_in_the_far_north_the_sun_stays_up_or_away() -> None:
    assert (TROMSO.sun("sunset", date(2026, 6, 21)), TROMSO.sun("sunrise", date(2026, 6, 21))) == (
        "above",
        "above",
    )
    assert TROMSO.sun("sunrise", date(2026, 12, 21)) == "below"
    assert there(TROMSO.sun("dawn", date(2026, 12, 21)), TROMSO) is not None  # type: ignore[arg-type]


def test_a_place_that_is_not_known_has_no_sun() -> None:
    with pytest.raises(ConfigError, match=r"profiles\.latitude"):
        NOWHERE.sun("sunset", date(2026, 6, 21))
