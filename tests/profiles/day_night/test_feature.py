from __future__ import annotations

import pytest
from pydantic import ValidationError

from edge_agent.errors import RefusedError
from edge_agent.profiles.config import DayNightConfig
from tests.profiles.house import AUTO, House, ask, status


async def test_the_light_switches_the_profiles(house: House) -> None:
    async with house.living(day_night=AUTO) as feature:
        assert status(feature, "day_night") == {**AUTO, "phase": None}
        await house.pass_by(2, lux=100)
        assert (status(feature)["active"], status(feature)["cause"]) == ("day", "day_night")
        await house.pass_by(9, lux=1)
        assert status(feature)["active"] == "day"
        await house.pass_by(3, lux=1)
        assert status(feature)["active"] == "night"
        assert status(feature, "day_night")["phase"] == "night"
        assert house.camera.causes == ["day_night", "day_night"]


async def test_a_camera_that_does_not_measure_decides_nothing(house: House) -> None:
    async with house.living(day_night=AUTO) as feature:
        house.camera.sees(None)
        await house.pass_by(20)
        assert status(feature)["active"] is None


async def test_the_same_frame_is_looked_at_once(house: House) -> None:
    async with house.living(day_night=AUTO) as feature:
        await house.pass_by(1, lux=100)
        house.camera.sees(1)
        await house.pass_by(30)
        assert status(feature)["active"] == "day"


async def test_what_was_set_by_hand_holds_until_the_light_changes_also_over_a_restart(house: House) -> None:
    async with house.living(day_night=AUTO) as feature:
        await house.pass_by(2, lux=100)
        await ask(feature, "profile", name="indoor")
    async with house.living(day_night=AUTO) as feature:
        await house.pass_by(20, lux=100)
        assert status(feature)["active"] == "indoor"
    async with house.living(day_night=AUTO) as feature:
        await house.pass_by(2, lux=1)
        assert status(feature)["active"] == "night"


async def test_day_and_night_can_be_said_and_hold_over_a_restart(house: House) -> None:
    async with house.living(day_night=AUTO) as feature:
        outcome = await ask(feature, "day_night", mode="night")
        assert outcome.applied["mode"] == "night"
        assert outcome.result["profile"] == "night"
        assert status(feature, "day_night")["phase"] == "night"
        await house.pass_by(30, lux=1000)
        assert status(feature)["active"] == "night"
    async with house.living(day_night=AUTO) as feature:
        assert status(feature, "day_night")["mode"] == "night"
        await ask(feature, "day_night", mode="auto")
        await house.pass_by(2, lux=1000)
        assert status(feature)["active"] == "day"


async def test_an_edited_configuration_wins_over_what_was_said(house: House) -> None:
    async with house.living(day_night=AUTO) as feature:
        await ask(feature, "day_night", mode="night")
    async with house.living(day_night={**AUTO, "mode": "day"}) as feature:
        assert status(feature, "day_night")["mode"] == "day"
        assert status(feature)["active"] == "day"


async def test_a_configured_night_is_applied_at_the_start_and_only_once(house: House) -> None:
    async with house.living(day_night={"mode": "night"}) as feature:
        assert status(feature)["active"] == "night"
        await ask(feature, "profile", name="indoor")
    async with house.living(day_night={"mode": "night"}) as feature:
        assert status(feature)["active"] == "indoor"


async def test_thresholds_can_be_changed_alone(house: House) -> None:
    async with house.living(day_night=AUTO) as feature:
        await house.pass_by(2, lux=100)
        outcome = await ask(feature, "day_night", night_below_lux=200, day_above_lux=500)
        assert outcome.applied == {**AUTO, "night_below_lux": 200, "day_above_lux": 500}
        await house.pass_by(2, lux=100)
        assert status(feature)["active"] == "night"


async def test_day_and_night_at_once_is_refused(house: House) -> None:
    async with house.living(day_night=AUTO) as feature:
        with pytest.raises(RefusedError, match="night_below_lux 50 is above day_above_lux 20") as refused:
            await ask(feature, "day_night", night_below_lux=50)
        assert refused.value.code == "contradiction"
        assert status(feature, "day_night")["night_below_lux"] == 5
    with pytest.raises(ValidationError, match="day and night at once"):
        DayNightConfig(night_below_lux=50, day_above_lux=20)


async def test_a_dry_run_of_day_and_night_says_what_would_be(house: House) -> None:
    async with house.living(day_night=AUTO) as feature:
        outcome = await ask(feature, "day_night", dry_run=True, mode="night", dwell_s=1)
        assert outcome.applied == {**AUTO, "mode": "night", "dwell_s": 1}
        assert status(feature, "day_night")["mode"] == "auto"
        assert house.camera.causes == []
