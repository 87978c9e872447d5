"""What was set by hand holds: until the next switch, for a time, or until it is released."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from edge_agent.errors import CameraUnavailableError
from tests.profiles.house import House, Life


async def dusk(life: Life) -> Any:
    """Let a schedule switch to the night."""
    return (await life.ask("profile", name="night", cause="schedule dusk")).result.get("held")


async def test_without_a_hold_the_next_switch_comes(house: House) -> None:
    async with house.living() as life:
        await life.ask("profile", name="indoor")
        assert await dusk(life) is False
        assert (life.active, life.status()["cause"]) == ("night", "schedule dusk")


async def test_a_hold_remembers_the_newest_switch_and_applies_it_when_its_time_is_up(house: House) -> None:
    async with house.living() as life:
        await life.ask("profile", name="indoor", hold_s=3600)
        assert life.status()["hold"] == {
            "until": "2026-06-15T13:00:00.000Z",
            "since": "2026-06-15T12:00:00.000Z",
            "cause": "command a1",
        }
        await life.ask("profile", name="day", cause="day_night")
        assert await dusk(life) is True
        assert (life.active, life.status()["pending"]) == ("indoor", "night")
        await house.moment(3598)
        await house.pass_by(1)
        assert life.active == "indoor"
        await house.pass_by(2)
        assert (life.active, life.status()["cause"]) == ("night", "schedule dusk")
        assert (life.status()["hold"], life.status()["pending"]) == (None, None)
        assert house.events() == [
            ("switched", "indoor"),
            ("held", "indoor"),
            ("released", "indoor"),
            ("switched", "night"),
        ]


async def test_after_a_hold_comes_what_was_said_last_before_it(house: House) -> None:
    async with house.living() as life:
        await dusk(life)
        await life.ask("profile", name="indoor", hold_s=60)
        assert life.status()["pending"] == "night"
        await house.moment(61)
        await house.moment(1)
        assert life.active == "night"


async def test_until_released_means_that_also_for_other_profiles_by_hand(house: House) -> None:
    async with house.living() as life:
        await life.ask("profile", name="indoor", hold="until_released")
        await dusk(life)
        await life.ask("profile", name="day")
        assert life.status()["hold"]["until"] is None
        await house.moment(40 * 86400)
        assert life.active == "day"
        outcome = await life.ask("profile", action="release")
        assert outcome.result["profile"] == "night"
        assert (life.active, life.status()["hold"]) == ("night", None)


async def test_a_hold_ends_with_a_change_that_holds_until_the_next_switch(house: House) -> None:
    async with house.living() as life:
        await life.ask("profile", name="indoor", hold="until_released")
        await life.ask("profile", name="day", hold="next_switch")
        assert life.status()["hold"] is None
        assert await dusk(life) is False


async def test_what_is_set_now_can_be_held(house: House) -> None:
    async with house.living() as life:
        await house.camera.change({"image": {"contrast": 1.3}}, cause="command b1")
        await life.ask("profile", action="hold", hold_s=10)
        assert await dusk(life) is True
        await life.ask("profile", action="hold")
        assert life.status()["hold"]["until"] is None


async def test_a_release_gives_back_what_was_set_by_hand_even_without_a_hold(house: House) -> None:
    async with house.living() as life:
        await dusk(life)
        await life.ask("profile", name="indoor")
        outcome = await life.ask("profile", action="release", dry_run=True)
        assert (outcome.result, life.active) == ({"was_held": False, "profile": "night"}, "indoor")
        await life.ask("profile", action="release")
        assert life.active == "night"


async def test_a_release_where_nobody_switches_leaves_all_as_it_is(house: House) -> None:
    async with house.living() as life:
        await life.ask("profile", name="indoor", hold="until_released")
        outcome = await life.ask("profile", action="release")
        assert outcome.result == {"was_held": True, "profile": None, "pending": False}
        assert (life.active, life.status()["hold"]) == ("indoor", None)


async def test_a_hold_and_what_waits_outlive_a_restart(house: House) -> None:
    async with house.living() as life:
        await life.ask("profile", name="indoor", hold_s=3600)
        await dusk(life)
    house.clock.advance(1800)
    async with house.living() as life:
        assert (life.active, life.status()["pending"]) == ("indoor", "night")
        assert await dusk(life) is True
    house.clock.advance(1800)
    async with house.living() as life:
        await house.moment(1)
        await house.moment(1)
        assert life.active == "night"


async def test_a_clock_that_jumps_does_not_end_a_hold_nor_make_it_longer(house: House) -> None:
    async with house.living() as life:
        await life.ask("profile", name="indoor", hold_s=600)
        await dusk(life)
        house.clock.set_now(house.clock.now() + timedelta(days=100))
        await house.moment(1)
        assert life.active == "indoor"
        assert life.status()["hold"]["until"] == "2026-09-23T12:10:00.000Z"
        house.clock.set_now(house.clock.now() - timedelta(days=300))
        await house.moment(598)
        assert life.active == "indoor"
        await house.moment(1)
        await house.moment(1)
        assert life.active == "night"


async def test_after_a_restart_with_a_wrong_clock_a_hold_lasts_its_time_at_most(house: House) -> None:
    async with house.living() as life:
        await life.ask("profile", name="indoor", hold_s=600)
        await dusk(life)
    house.clock.set_now(house.clock.now() - timedelta(days=1000))
    async with house.living() as life:
        await house.moment(599)
        assert life.active == "indoor"
        await house.moment(1)
        await house.moment(1)
        assert life.active == "night"


async def test_a_switch_that_waits_for_the_camera_is_told(house: House) -> None:
    async with house.living() as life:
        house.camera.running = False
        with pytest.raises(CameraUnavailableError):
            await dusk(life)
        assert (life.active, life.status()["pending"]) == (None, "night")
        house.camera.running = True
        await dusk(life)
        assert (life.active, life.status()["pending"]) == ("night", None)


async def test_what_waited_for_a_hold_waits_for_the_camera_too(house: House) -> None:
    async with house.living() as life:
        await life.ask("profile", name="indoor", hold="until_released")
        await dusk(life)
        house.camera.running = False
        outcome = await life.ask("profile", action="release")
        assert outcome.result == {"was_held": True, "profile": "night", "pending": True}
        await house.pass_by(3)
        assert (life.active, life.status()["pending"]) == ("indoor", "night")
        house.camera.running = True
        await house.pass_by(2)
        assert (life.active, life.status()["pending"]) == ("night", None)


async def test_a_pending_switch_that_cannot_be_is_a_problem_until_one_goes_well(house: House) -> None:
    async with house.living() as life:
        await life.ask("profile", name="indoor", hold_s=5)
        await life.ask("profile", name="turned", cause="schedule noon")
        await house.moment(6)
        await house.moment(1)
        assert house.problem_codes() == {"profile_failed"}
        assert "schedule noon: profile 'turned'" in house.problem("profile_failed")
        await life.ask("profile", name="day")
        assert house.problem_codes() == set()
