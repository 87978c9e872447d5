from __future__ import annotations

import pytest

from edge_agent.errors import CameraUnavailableError, RefusedError
from tests.profiles.house import AUTO, House, ask, status


async def test_a_profile_is_applied_and_told(house: House) -> None:
    async with house.living() as feature:
        outcome = await ask(feature, "profile", name="night")
        assert outcome.applied == {"image.saturation": 0.3}
        assert status(feature) == {
            "active": "night",
            "cause": "command a1",
            "since": "2026-06-15T12:00:00.000Z",
            "pending": None,
            "available": ["day", "indoor", "loud", "night", "perhaps", "turned"],
        }
        assert house.camera.causes == ["command a1"]
        assert house.events() == [("switched", "night")]


async def test_a_dry_run_changes_nothing(house: House) -> None:
    async with house.living() as feature:
        outcome = await ask(feature, "profile", dry_run=True, name="loud")
        assert outcome.applied == {"image.saturation": 32.0}
        assert outcome.clamped == ("image.saturation",)
        assert status(feature)["active"] is None
        assert (house.camera.causes, house.events()) == ([], [])


async def test_what_cannot_be_is_refused_and_nothing_changed(house: House) -> None:
    async with house.living() as feature:
        before = house.camera.settings
        with pytest.raises(RefusedError, match="on its side"):
            await ask(feature, "profile", name="turned")
        with pytest.raises(RefusedError, match="did you mean 'night'"):
            await ask(feature, "profile", name="nigth")
        house.camera.running = False
        with pytest.raises(CameraUnavailableError):
            await ask(feature, "profile", name="night")
        assert house.camera.settings == before
        assert status(feature)["active"] is None


async def test_a_partial_profile_goes_as_far_as_the_camera_does(house: House) -> None:
    async with house.living() as feature:
        outcome = await ask(feature, "profile", name="perhaps")
        assert outcome.applied == {"image.contrast": 2.0}
        assert list(outcome.result["left_out"]) == ["view.rotation"]


# ---- the disk


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[]",
        b'{"configured": null, "value": [1]}',
        b'{"configured": null, "value": {"active": 5}}',
        b'{"configured": null, "value": {"active": "day", "since": "yesterday"}}',
        b'{"configured": null, "value": {"active": "day", "since": "2026-06-15T12:00:00"}}',
        b"[" * 100_000,
    ],
)
@pytest.mark.parametrize("name", ["profile.json", "day_night.json"])
async def test_damaged_memories_hinder_nobody(house: House, name: str, content: bytes) -> None:
    (house.path / "state").mkdir()
    (house.path / "state" / name).write_bytes(content)
    async with house.living(day_night=AUTO) as feature:
        await house.pass_by(2, lux=100)
        assert status(feature)["active"] == "day"
        assert status(feature, "day_night")["mode"] == "auto"


async def test_a_disk_that_refuses_is_a_problem_until_it_takes_again(house: House) -> None:
    (house.path / "state").write_text("")
    async with house.living() as feature:
        outcome = await ask(feature, "profile", name="night")
        assert outcome.applied
        assert house.problem_codes() == {"profile_not_saved"}
        (house.path / "state").unlink()
        await ask(feature, "profile", name="day")
        assert house.problem_codes() == set()
