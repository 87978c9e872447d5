from __future__ import annotations

from typing import Any

import pytest

from edge_agent.camera.capabilities import Reading
from edge_agent.camera.settings import CameraSettings, merge, normalise
from edge_agent.camera.settling import Settling

AUTO = CameraSettings()


def settling(patch: dict[str, Any], *, before: CameraSettings = AUTO) -> Settling:
    return Settling(before, merge(before, normalise(patch)))


def frames(settling: Settling, *readings: Reading, most: int = 100) -> int:
    """How many frames it takes, the last reading repeated."""
    for number in range(1, most):
        if settling.done(readings[min(number, len(readings)) - 1]):
            return number
    raise AssertionError(f"not within {most} frames")


MANUAL = {"exposure": {"time_us": 1000, "gain": 4.0}}
OLD = Reading(exposure_us=20_000, analogue_gain=1.5)


def test_the_first_frame_that_shows_all_is_taken() -> None:
    half = Reading(exposure_us=1000, analogue_gain=1.5)
    rounded = Reading(exposure_us=1014, analogue_gain=4.04)
    watched = settling(MANUAL)
    assert frames(watched, OLD, OLD, half, rounded) == 4
    assert watched.shown


def test_who_does_not_heed_is_not_waited_for_for_ever_and_told() -> None:
    watched = settling(MANUAL)
    assert frames(watched, OLD) == 12
    assert not watched.shown


def test_a_camera_that_tells_nothing_gets_the_frames_that_are_on_their_way() -> None:
    watched = settling(MANUAL)
    assert frames(watched, Reading()) == 6
    assert watched.shown


@pytest.mark.parametrize(
    "patch", [{"image": {"contrast": 2.0}}, {"white_balance": {"mode": "indoor"}}, {"hdr": "night"}]
)
def test_what_no_reading_tells_of_takes_the_frames_that_are_on_their_way(patch: dict[str, Any]) -> None:
    assert frames(settling(patch), OLD) == 6


@pytest.mark.parametrize(
    ("patch", "reading"),
    [
        ({"white_balance": {"red_gain": 2.0, "blue_gain": 1.5}}, Reading(colour_gains=(2.01, 1.5))),
        ({"white_balance": {"temperature_k": 5000}}, Reading(colour_temperature_k=5040)),
        ({"focus": {"position": 4.0}}, Reading(lens_position=4.08)),
        (
            {"exposure": {"time_us": 1000, "gain": 1.5}, "video": {"fps": 10.0}},
            Reading(exposure_us=999, analogue_gain=1.5),
        ),
    ],
)
def test_what_the_readings_tell_takes_no_longer_than_they_say(
    patch: dict[str, Any], reading: Reading
) -> None:
    assert frames(settling(patch), reading) == 1


def test_the_automatic_is_waited_for_until_it_is_steady() -> None:
    seeking, steady = Reading(ae_converged=False), Reading(ae_converged=True)
    assert frames(settling({"exposure": {"ev": 2.0}}), *[seeking] * 20, steady) == 21
    assert frames(settling({"exposure": {"ev": 2.0}}), steady) == 6
    watched = settling({"exposure": {"time_us": 1000}})
    assert frames(watched, Reading(exposure_us=1000, ae_converged=False)) == 45
    assert not watched.shown


def test_no_change_needs_no_frames() -> None:
    watched = settling({})
    assert frames(watched, OLD) == 1
    assert watched.shown
