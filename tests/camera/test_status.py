from __future__ import annotations

import pytest

from edge_agent.camera.capabilities import Reading
from edge_agent.camera.status import CameraStatus, SensorStatus, scene_of


@pytest.mark.parametrize(
    ("lux", "scene"),
    [
        (None, None),
        (0.0, "night"),
        (2.9, "night"),
        (3.0, "low_light"),
        (49.9, "low_light"),
        (50.0, "day"),
        (1e5, "day"),
    ],
)
def test_the_scene_follows_the_light(lux: float | None, scene: str | None) -> None:
    assert scene_of(lux) == scene


def test_what_the_sensor_reports_is_told_and_the_rest_is_null() -> None:
    status = SensorStatus.of(
        Reading(sequence=7, timestamp_ns=1, lux=45.2, exposure_us=12000, af_state="focused")
    )
    document = status.model_dump()
    assert (document["lux"], document["exposure_us"], document["scene"]) == (45.2, 12000, "low_light")
    assert document["analogue_gain"] is None
    assert "sequence" not in document
    assert set(SensorStatus.of(None).model_dump().values()) == {None}


def test_every_key_is_always_there() -> None:
    empty = CameraStatus(since="2026-06-15T12:00:00.000Z").model_dump(mode="json")
    promised = {"driver", "state", "reason", "settings", "sensor", "effective_limits"}
    assert promised <= set(empty)
    assert empty["settings"] is None
    assert set(empty["sensor"]) == set(SensorStatus().model_dump())
