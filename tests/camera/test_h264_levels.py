from __future__ import annotations

from typing import Any

import pytest

from edge_agent.camera.h264_levels import lowest_level
from edge_agent.camera.limits import Resolution, resolve
from edge_agent.camera.settings import CameraSettings, merge
from edge_agent.camera.software import SoftwareSettings
from edge_agent.errors import RefusedError
from tests.camera.imx708 import IMX708

START = CameraSettings()
ENCODING = SoftwareSettings(IMX708).capabilities


def take(patch: dict[str, Any], *, current: CameraSettings = START, strict: bool = False) -> Resolution:
    return resolve(patch, current=current, capabilities=ENCODING, strict=strict)


@pytest.mark.parametrize(
    ("video", "level"),
    [
        ({"width": 640, "height": 480, "fps": 30.0}, "3.1"),
        ({"width": 1280, "height": 720, "fps": 30.0}, "3.1"),
        ({"width": 1280, "height": 720, "fps": 60.0}, "3.2"),
        ({"width": 1920, "height": 1080, "fps": 30.0}, "4.0"),
        ({"width": 1920, "height": 1080, "fps": 30.01}, "4.0"),
        ({"width": 1920, "height": 1080, "fps": 56.03}, "4.2"),
        ({"width": 1920, "height": 1080, "fps": 30.0, "bitrate_bps": 24_000_000}, "4.1"),
        (
            {
                "width": 1920,
                "height": 1080,
                "fps": 30.0,
                "bitrate_bps": 24_000_000,
                "h264_profile": "high",
            },
            "4.0",
        ),
        ({"width": 2304, "height": 1296, "fps": 30.0}, "5.0"),
        ({"width": 4608, "height": 2592, "fps": 14.0}, None),
    ],
)
def test_the_lowest_level_is_the_standard_s(video: dict[str, Any], level: str | None) -> None:
    assert lowest_level(merge(START, {"video": video}).video) == level


def test_a_level_that_is_too_low_is_raised_and_told() -> None:
    resolution = take({"video": {"h264_level": "3.1"}})
    assert resolution.settings.video.h264_level == "4.0"
    assert resolution.clamped["video.h264_level"] == (
        "level 3.1 does not hold 1920x1080 at 30 fps and 8000000 bit/s, the lowest that does is 4.0"
    )
    assert not resolution.interrupts
    with pytest.raises(RefusedError) as error:
        take({"video": {"h264_level": "3.1"}}, strict=True)
    assert error.value.code == "out_of_range"


def test_a_level_follows_the_size_that_it_must_hold() -> None:
    small = take({"video": {"width": 640, "height": 480, "h264_level": "3.1"}}).settings
    larger = take({"video": {"width": 1920, "height": 1080}}, current=small)
    assert larger.settings.video.h264_level == "4.0"
    assert "video.h264_level" in larger.clamped
    largest = take({"video": {"width": 4608, "height": 2592}}, current=small)
    assert largest.settings.video.h264_level == "auto"
    assert "left to the encoder" in largest.clamped["video.h264_level"]
