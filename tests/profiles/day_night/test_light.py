from __future__ import annotations

from datetime import UTC, datetime

import pytest

from edge_agent.errors import RefusedError
from edge_agent.profiles.day_night.light import understood
from edge_agent.profiles.day_night.sun import Place


@pytest.mark.parametrize(
    ("payload", "key", "meaning"),
    [
        (b"12.5", None, 12.5),
        (b" 0 ", None, 0.0),
        (b"day", None, "day"),
        (b'"Night"', None, "night"),
        (b"ON", None, "day"),
        (b"off", None, "night"),
        (b"true", None, "day"),
        (b'{"illuminance": 120, "battery": 80}', "illuminance", 120.0),
        (b'{"state": "OFF"}', "state", "night"),
    ],
)
def test_a_sensor_says_lux_or_a_word(payload: bytes, key: str | None, meaning: object) -> None:
    assert understood(payload, key=key) == meaning


@pytest.mark.parametrize(
    ("payload", "key", "says"),
    [
        (b"", None, "a number is lux, words are day, on"),
        (b"\xff\xfe", None, "the light sensor says"),
        (b"-3", None, "says '-3'"),
        (b"NaN", None, "says 'nan'"),
        (b"Infinity", None, "says 'inf'"),
        (b"1e300", None, "says '1e"),
        (b"[1]", None, "says"),
        (b"null", None, "says 'None'"),
        (b'{"lux": 1}', None, "'topic_key' names what in it is meant"),
        (b'{"lux": 1}', "illuminance", "has no 'illuminance'"),
        (b"[" * 4096, None, "says"),
        (b"1" * 4097, None, "more than 4096 bytes"),
    ],
)
def test_nonsense_is_refused(payload: bytes, key: str | None, says: str) -> None:
    with pytest.raises(RefusedError, match=says):
        understood(payload, key=key)


@pytest.mark.parametrize(
    ("latitude", "longitude", "now", "elevation_deg"),
    [
        # At the place's own noon the sun stands at 90° less the latitude's distance from its declination of
        # 23.44° at the solstices, at midnight as far below the other pole's horizon.
        (51.48, 0.0, datetime(2026, 6, 21, 12, 0, tzinfo=UTC), 90 - (51.48 - 23.44)),
        (51.48, 0.0, datetime(2026, 12, 21, 12, 0, tzinfo=UTC), 90 - (51.48 + 23.44)),
        (-33.87, 151.21, datetime(2026, 12, 21, 1, 55, tzinfo=UTC), 90 - (33.87 - 23.44)),
        (-33.87, 151.21, datetime(2026, 12, 21, 13, 55, tzinfo=UTC), 33.87 + 23.44 - 90),
        (78.2, 15.6, datetime(2026, 12, 21, 10, 57, tzinfo=UTC), 90 - (78.2 + 23.44)),
    ],
)
def test_the_sun_stands_where_it_does(
    latitude: float, longitude: float, now: datetime, elevation_deg: float
) -> None:
    place = Place(latitude=latitude, longitude=longitude)
    assert place.sun_elevation_deg(now) == pytest.approx(elevation_deg, abs=0.4)
