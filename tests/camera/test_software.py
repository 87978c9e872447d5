from __future__ import annotations

from typing import Any

import pytest

from edge_agent.camera.capabilities import CameraCapabilities, Control
from edge_agent.camera.limits import Resolution, resolve, starting_settings
from edge_agent.camera.settings import CameraSettings, flatten, merge, software_settings
from edge_agent.camera.software import SoftwareSettings
from edge_agent.errors import RefusedError
from tests.camera.imx708 import IMX708

ENCODING = SoftwareSettings(IMX708).capabilities


START = CameraSettings()


def take(patch: dict[str, Any], camera: CameraCapabilities, *, current: CameraSettings = START) -> Resolution:
    return resolve(patch, current=current, capabilities=camera)


def test_everything_of_software_is_offered_with_the_settings_own_defaults() -> None:
    assert set(software_settings()) <= ENCODING.controls.keys()
    plain = flatten(CameraSettings().model_dump())
    for path in software_settings():
        control = ENCODING.controls[path]
        assert control.default in (None, plain[path])
        assert control.options is None or plain[path] in control.options


def test_what_a_driver_has_itself_stays_the_driver_s() -> None:
    own = Control(default="main", options=("main", "high"))
    camera = IMX708.model_copy(update={"controls": {**IMX708.controls, "video.h264_profile": own}})
    software = SoftwareSettings(camera)
    assert software.capabilities.controls["video.h264_profile"] == own
    applied = merge(CameraSettings(), {"video": {"h264_profile": "main"}})
    wanted = merge(CameraSettings(), {"video": {"h264_profile": "high", "quality": 20}})
    held = software.over(applied, wanted)
    assert (held.video.h264_profile, held.video.quality) == ("main", 20)
    assert starting_settings({}, software.capabilities)[0].video.h264_profile == "main"


def test_what_nobody_encodes_cannot_be_set() -> None:
    passing = IMX708.model_copy(
        update={"unavailable": {**IMX708.unavailable, "video.h264_profile": "it passes through"}}
    )
    with pytest.raises(RefusedError, match="it passes through") as error:
        take({"video": {"h264_profile": "high"}}, SoftwareSettings(passing).capabilities)
    assert (error.value.code, error.value.field) == ("not_offered", "video.h264_profile")


def test_a_quality_is_within_x264_s_and_null_is_a_bit_rate() -> None:
    assert take({"video": {"quality": 99}}, ENCODING).settings.video.quality == 51
    held = take({"video": {"quality": 25}}, ENCODING).settings
    assert take({"video": {"quality": None}}, ENCODING, current=held).settings.video.quality is None
