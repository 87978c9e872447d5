from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.camera.limits import resolve
from edge_agent.camera.patches import as_patch, defaults_of, difference, is_same
from edge_agent.camera.settings import CameraSettings
from tests.camera.imx708 import IMX708

DEFAULTS = defaults_of({"video": {"fps": 25.0}}, IMX708)
STEPS: list[dict[str, Any]] = [
    {"exposure": {"time_us": 5000, "gain": 2.0}},
    {"exposure": {"mode": "auto"}},
    {"exposure": {"ev": 1.0, "max_time_us": 20000}},
    {"white_balance": {"red_gain": 1.5, "blue_gain": 2.0}},
    {"white_balance": {"temperature_k": 4000}},
    {"white_balance": {"mode": "cloudy"}},
    {"focus": {"position": 3.0}},
    {"focus": {"mode": "auto"}},
    {"video": {"bitrate_bps": 1_000_000}},
    {"video": {"bitrate_auto": True}},
    {"video": {"width": 1280, "height": 720, "fps": 50.0}},
    {"view": {"roi": {"x": 0.25, "y": 0.25, "width": 0.5, "height": 0.5}}},
    {"image": {"saturation": 0.0}},
]
STATES = st.lists(st.sampled_from(STEPS), max_size=6)


def after(start: CameraSettings, *patches: dict[str, Any]) -> CameraSettings:
    for patch in patches:
        start = resolve(patch, current=start, capabilities=IMX708).settings
    return start


@given(STATES, STATES)
@settings(max_examples=60, deadline=None)
def test_a_patch_of_settings_comes_to_them_from_anywhere(here: Any, there: Any) -> None:
    wanted = after(DEFAULTS, *here)
    elsewhere = after(DEFAULTS, *there)
    assert after(elsewhere, as_patch(wanted)) == wanted
    assert after(elsewhere, difference(elsewhere, wanted)) == wanted


def test_a_difference_is_short_enough_to_read() -> None:
    assert difference(DEFAULTS, DEFAULTS) == {}
    assert difference(DEFAULTS, after(DEFAULTS, {"exposure": {"time_us": 5000}})) == {
        "exposure": {"gain": None, "mode": "manual", "time_us": 5000}
    }


def test_defaults_are_the_camera_s_and_the_configuration_s() -> None:
    assert DEFAULTS.video.fps == 25.0
    assert DEFAULTS.focus.mode == "continuous"


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        (2.0, 2.0001, True),
        (2.0, 2.1, False),
        (0, 0.0, True),
        (True, 1, False),
        (None, 0, False),
        ("auto", "auto", True),
        ({"x": 0.5}, {"x": 0.50001}, True),
        ({"x": 0.5}, {"x": 0.6}, False),
        ({"x": 0.5}, {"y": 0.5}, False),
    ],
)
def test_a_camera_may_round(first: object, second: object, same: bool) -> None:
    assert is_same(first, second) is same
