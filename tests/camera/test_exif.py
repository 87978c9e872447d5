from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from PIL import ExifTags, Image

from edge_agent import __version__
from edge_agent.camera.capabilities import Reading
from edge_agent.camera.exif import Facts, exif
from edge_agent.camera.messages import PictureTags
from edge_agent.camera.settings import CameraSettings, merge

TAGS = ExifTags.Base


def facts(**changes: Any) -> Facts:
    plain: dict[str, Any] = {
        "tags": PictureTags(),
        "reading": Reading(),
        "captured_at": datetime(2026, 3, 29, 2, 30, 1, 90_000, tzinfo=UTC),
        "model": "imx708_wide",
        "settings": CameraSettings(),
    }
    return Facts(**{**plain, **changes})


def told(facts: Facts) -> dict[int, Any]:
    """Everything, as an independent reader reads it."""
    found = Image.Exif()
    found.load(exif(facts))
    return {**found, **found.get_ifd(ExifTags.IFD.Exif)}


def test_a_frame_s_exposure_is_told() -> None:
    reading = Reading(exposure_us=12_012, analogue_gain=1.5, digital_gain=2.0, lens_position=2.5, lux=400.0)
    found = told(facts(reading=reading))
    assert float(found[TAGS.ExposureTime]) == pytest.approx(0.012012)
    assert found[TAGS.ISOSpeedRatings] == 300
    assert float(found[TAGS.SubjectDistance]) == pytest.approx(0.4)
    assert float(found[TAGS.BrightnessValue]) == pytest.approx(2.74, abs=0.01)  # 400 lux on 18 % grey
    assert found[TAGS.UserComment].startswith(b"ASCII\x00\x00\x00lux=400 ")


def test_a_lens_at_infinity_is_told_as_such() -> None:
    distance = told(facts(reading=Reading(lens_position=0.0)))[TAGS.SubjectDistance]
    assert (distance.numerator, distance.denominator) == (2**32 - 1, 1)


def test_what_the_camera_does_not_tell_is_not_there() -> None:
    found = told(facts())
    tags = {
        TAGS.ExposureTime,
        TAGS.ISOSpeedRatings,
        TAGS.SubjectDistance,
        TAGS.BrightnessValue,
    }
    assert not tags & found.keys()
    assert found[TAGS.Software] == f"edge-agent {__version__}"
    assert TAGS.HostComputer not in found


def test_darkness_has_no_brightness_and_an_absurd_gain_fits() -> None:
    found = told(facts(reading=Reading(lux=0.0, analogue_gain=5000.0)))
    assert TAGS.BrightnessValue not in found
    assert found[TAGS.ISOSpeedRatings] == 65_535


def test_the_time_is_the_frame_s_in_utc_to_the_millisecond() -> None:
    summer = timezone(timedelta(hours=2))
    found = told(facts(captured_at=datetime(2026, 7, 1, 0, 30, 1, 90_500, tzinfo=summer)))
    for tag in (TAGS.DateTime, TAGS.DateTimeOriginal, TAGS.DateTimeDigitized):
        assert found[tag] == "2026:06:30 22:30:01"
    for tag in (TAGS.OffsetTime, TAGS.OffsetTimeOriginal, TAGS.OffsetTimeDigitized):
        assert found[tag] == "+00:00"
    for tag in (TAGS.SubsecTime, TAGS.SubsecTimeOriginal, TAGS.SubsecTimeDigitized):
        assert found[tag] == "090"


def test_who_took_it_is_told() -> None:
    found = told(facts(tags=PictureTags(node="porch", description="Haustür", software="mine 2")))
    assert (found[TAGS.HostComputer], found[TAGS.Software], found[TAGS.Model]) == (
        "porch",
        "mine 2",
        "imx708_wide",
    )
    assert found[TAGS.ImageDescription].encode("latin-1").decode() == "Haustür"


@pytest.mark.parametrize(
    ("patch", "exposure", "balance"),
    [({}, 0, 0), ({"exposure": {"mode": "manual"}, "white_balance": {"mode": "indoor"}}, 1, 1)],
)
def test_what_was_set_by_hand_is_told(patch: dict[str, Any], exposure: int, balance: int) -> None:
    found = told(facts(settings=merge(CameraSettings(), patch)))
    assert (found[TAGS.ExposureMode], found[TAGS.WhiteBalance]) == (exposure, balance)
