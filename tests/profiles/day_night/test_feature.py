from __future__ import annotations

import pytest
from pydantic import ValidationError

from edge_agent.errors import RefusedError
from edge_agent.profiles.day_night.config import DayNightConfig
from tests.profiles.house import AUTO, House

RULES = {
    "source": "auto",
    "night_below_lux": 5.0,
    "day_above_lux": 20.0,
    "dwell_s": 10.0,
    "sun_below_deg": -6.0,
}


async def test_the_light_switches_the_profiles(house: House) -> None:
    async with house.living(day_night=AUTO) as life:
        assert life.status("day_night") == {
            "mode": "auto",
            "phase": None,
            "source": None,
            "lux": None,
            "lux_fresh": False,
            "sun_elevation_deg": None,
            "since": None,
            "because": "nothing was measured yet",
            "pending": None,
            "outputs": [],
            "rules": RULES,
        }
        await house.pass_by(2, lux=100)
        assert (life.active, life.status()["cause"]) == ("day", "day_night")
        await house.pass_by(8, lux=1)
        told = life.status("day_night")
        assert (told["phase"], told["pending"]) == ("day", {"phase": "night", "in_s": 3.0})
        assert (told["source"], told["because"]) == ("lux", "1 lux is below 5")
        await house.pass_by(4, lux=1)
        told = life.status("day_night")
        assert (life.active, told["phase"], told["pending"]) == ("night", "night", None)
        assert told["since"] == "2026-06-15T12:00:13.000Z"
        assert house.camera.causes == ["day_night", "day_night"]


async def test_it_is_off_unless_it_is_asked_for(house: House) -> None:
    async with house.living() as life:
        await house.pass_by(40, lux=1)
        told = life.status("day_night")
        assert (life.active, told["mode"], told["phase"], told["lux"]) == (None, "off", None, 1.0)


async def test_a_camera_that_does_not_measure_decides_nothing_and_it_is_told(house: House) -> None:
    async with house.living(day_night=AUTO) as life:
        house.camera.sees(None)
        await house.pass_by(20)
        assert life.active is None
        assert life.status("day_night")["because"].startswith("nobody knows")


async def test_what_was_set_by_hand_holds_until_the_light_changes_also_over_a_restart(house: House) -> None:
    async with house.living(day_night=AUTO) as life:
        await house.pass_by(2, lux=100)
        await life.ask("profile", name="indoor")
    async with house.living(day_night=AUTO) as life:
        await house.pass_by(20, lux=100)
        assert life.active == "indoor"
        assert life.status("day_night")["since"] == "2026-06-15T12:00:01.000Z"
    async with house.living(day_night=AUTO) as life:
        await house.pass_by(2, lux=1)
        assert life.active == "night"


async def test_a_held_profile_stays_when_the_light_changes(house: House) -> None:
    async with house.living(day_night=AUTO) as life:
        await house.pass_by(2, lux=100)
        await life.ask("profile", name="indoor", hold="until_released")
        await house.pass_by(15, lux=1)
        assert life.status("day_night")["phase"] == "night"
        assert (life.active, life.status()["pending"]) == ("indoor", "night")
        await life.ask("profile", action="release")
        assert life.active == "night"


async def test_day_and_night_can_be_said_and_hold_over_a_restart(house: House) -> None:
    async with house.living(day_night=AUTO) as life:
        outcome = await life.ask("day_night", mode="night")
        assert outcome.applied["mode"] == "night"
        assert outcome.result["profile"] == "night"
        assert life.status("day_night")["phase"] == "night"
        await house.pass_by(30, lux=1000)
        assert life.active == "night"
    async with house.living(day_night=AUTO) as life:
        assert life.status("day_night")["mode"] == "night"
        await life.ask("day_night", mode="auto")
        await house.pass_by(2, lux=1000)
        assert life.active == "day"
        await life.ask("day_night", mode="off")
        await house.pass_by(30, lux=1)
        assert life.active == "day"


async def test_an_edited_configuration_wins_over_what_was_said(house: House) -> None:
    async with house.living(day_night=AUTO) as life:
        await life.ask("day_night", mode="night")
    async with house.living(day_night={**AUTO, "mode": "day"}) as life:
        await house.moment(1)
        assert life.status("day_night")["mode"] == "day"
        assert life.active == "day"


async def test_a_configured_night_is_applied_at_the_start_and_only_once(house: House) -> None:
    async with house.living(day_night={"mode": "night"}) as life:
        await house.moment(1)
        assert life.active == "night"
        await life.ask("profile", name="indoor")
        await house.moment(1)
    async with house.living(day_night={"mode": "night"}) as life:
        await house.moment(1)
        assert life.active == "indoor"


async def test_other_profiles_may_be_day_and_night(house: House) -> None:
    config = {**AUTO, "day_profile": "indoor", "night_profile": "ir_850nm"}
    async with house.living(day_night=config) as life:
        await house.pass_by(2, lux=100)
        assert life.active == "indoor"
        await house.pass_by(15, lux=1)
        assert life.active == "ir_850nm"


async def test_rules_can_be_changed_alone(house: House) -> None:
    async with house.living(day_night=AUTO) as life:
        await house.pass_by(2, lux=100)
        outcome = await life.ask("day_night", night_below_lux=200, day_above_lux=500)
        assert outcome.applied == {**RULES, "mode": "auto", "night_below_lux": 200, "day_above_lux": 500}
        await house.pass_by(2, lux=100)
        assert life.active == "night"


async def test_what_contradicts_itself_is_refused(house: House) -> None:
    async with house.living(day_night=AUTO) as life:
        with pytest.raises(RefusedError, match="night_below_lux 50 is above day_above_lux 20") as refused:
            await life.ask("day_night", night_below_lux=50)
        assert refused.value.code == "contradiction"
        with pytest.raises(RefusedError, match="there is no light sensor"):
            await life.ask("day_night", source="topic")
        with pytest.raises(RefusedError, match="sun_below_deg"):
            await life.ask("day_night", sun_below_deg=-80)
        assert life.status("day_night")["rules"] == RULES


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"night_below_lux": 50, "day_above_lux": 20}, "day and night at once"),
        ({"source": "topic"}, "there is no 'topic'"),
        ({"topic": "a/+"}, "must be one topic"),
        ({"topic": "$SYS/broker"}, "must be one topic"),
        ({"outputs": [{"name": "a", "kind": "lamp"}]}, "either 'gpio' or 'topic'"),
        ({"outputs": [{"name": "a", "kind": "lamp", "gpio": 4, "topic": "x"}]}, "either 'gpio' or 'topic'"),
        ({"outputs": [{"name": "a", "kind": "lamp", "gpio": 4}] * 2}, "have one name"),
        ({"outputs": [{"name": "a", "kind": "lamp", "topic": "x/#"}]}, "must be one topic"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused(fields: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        DayNightConfig.model_validate(fields)


async def test_a_dry_run_of_day_and_night_says_what_would_be(house: House) -> None:
    async with house.living(day_night=AUTO) as life:
        outcome = await life.ask("day_night", dry_run=True, mode="night", dwell_s=1)
        assert outcome.applied == {**RULES, "mode": "night", "dwell_s": 1}
        assert life.status("day_night")["mode"] == "auto"
        assert house.camera.causes == []


# ---- what else says it: the sun, a sensor


PARIS = {"latitude": 48.86, "longitude": 2.35}


async def test_the_sun_decides_where_there_is_no_lux(house: House) -> None:
    async with house.living(day_night=AUTO, **PARIS) as life:
        await house.pass_by(2)
        told = life.status("day_night")
        assert (life.active, told["source"]) == ("day", "sun")
        assert 60 < told["sun_elevation_deg"] < 66
        await house.moment(8 * 3600)  # 20:00 UTC: the sun has just set
        await house.pass_by(12)
        assert life.active == "day"
        await house.moment(3600)
        await house.pass_by(12)
        assert life.active == "night"
        assert "below -6°" in life.status("day_night")["because"]


async def test_under_manual_exposure_the_lux_may_stand_still_and_the_sun_decides(house: House) -> None:
    async with house.living(day_night=AUTO, **PARIS) as life:
        await house.camera.change({"exposure": {"time_us": 5000}}, cause="command b1")
        await house.pass_by(29, lux=1.0)
        assert (life.active, life.status("day_night")["source"]) == ("night", "lux")
        await house.pass_by(15, lux=1.0)
        told = life.status("day_night")
        assert (life.active, told["source"], told["lux_fresh"]) == ("day", "sun", False)
        house.camera.sees(1.1)
        await house.moment(1)
        assert life.status("day_night")["lux_fresh"]


async def test_under_automatic_exposure_a_steady_light_is_believed(house: House) -> None:
    async with house.living(day_night=AUTO, **PARIS) as life:
        await house.pass_by(100, lux=1.0)
        assert (life.active, life.status("day_night")["source"]) == ("night", "lux")


async def test_a_camera_that_hangs_on_one_frame_is_asked_once(house: House) -> None:
    async with house.living(day_night=AUTO) as life:
        await house.pass_by(1, lux=100)
        await house.camera.change({"exposure": {"time_us": 5000}}, cause="command b1")
        await house.pass_by(100)
        assert life.status("day_night")["lux_fresh"]


async def test_a_sensor_on_a_topic_comes_before_the_camera(house: House) -> None:
    async with house.living(day_night={**AUTO, "topic": "garden/light", "topic_max_age_s": 60}) as life:
        assert list(life.day_night.subscriptions()) == ["garden/light"]
        house.camera.sees(1000)
        life.hears("2.5")
        await house.moment(1)
        assert (life.active, life.status("day_night")["source"]) == ("night", "topic")
        life.hears("ON")
        await house.pass_by(12)
        assert life.active == "day"
        life.hears("dark")
        await house.pass_by(12)
        assert life.active == "night"
        await house.pass_by(80, lux=1000)  # it has been silent for too long
        assert (life.active, life.status("day_night")["source"]) == ("day", "lux")


async def test_a_sensor_that_talks_nonsense_is_a_problem_until_it_does_not(house: House) -> None:
    async with house.living(day_night={**AUTO, "topic": "garden/light"}) as life:
        life.hears("12 lux or so")
        assert "garden/light: the light sensor says '12 lux or so'" in house.problem("day_night_sensor")
        life.hears("12")
        assert house.problem_codes() == set()


# ---- what else is switched


OUTPUTS = [
    {"name": "lamp", "kind": "lamp", "topic": "garden/lamp/set", "retain": True},
    {"name": "filter", "kind": "ir_cut", "gpio": 17},
]


async def test_at_night_the_filter_goes_first_and_the_lamp_last_by_day_the_other_way(house: House) -> None:
    order: list[str] = []
    async with house.living(day_night={**AUTO, "outputs": OUTPUTS}) as life:
        life.desk.host.events.listen(lambda kind, document: order.append(f"profile {document.get('name')}"))
        await house.pass_by(2, lux=100)
        assert not house.pins[17].high
        house.pins[17].told = lambda high: order.append(f"filter {high}")
        sent = len(house.sent)
        await house.pass_by(12, lux=1)
        tail = [message.topic for message in house.sent[sent:]]
        assert tail.index("edge/v1/porch/event/profile") < tail.index("garden/lamp/set")
        assert order.index("filter True") < order.index("profile night")
        assert house.published("garden/lamp/set") == ["OFF", "ON"]
        sent = len(house.sent)
        await house.pass_by(12, lux=100)
        tail = [message.topic for message in house.sent[sent:]]
        assert tail.index("garden/lamp/set") < tail.index("edge/v1/porch/event/profile")
        assert order.index("filter False") > order.index("profile day", order.index("profile night"))
        assert life.status("day_night")["outputs"] == [
            {"name": "lamp", "kind": "lamp", "phase": "day", "error": None},
            {"name": "filter", "kind": "ir_cut", "phase": "day", "error": None},
        ]
    assert house.pins[17].closed


async def test_what_fails_is_told_and_stops_nothing_else(house: House) -> None:
    outputs = [{"name": "filter", "kind": "ir_cut", "gpio": 40}, OUTPUTS[0]]
    config = {**AUTO, "outputs": outputs, "night_profile": "turned"}
    async with house.living(day_night=config) as life:
        await house.pass_by(2, lux=1)
        assert house.published("garden/lamp/set") == ["ON"]
        assert house.problem_codes() == {"day_night_output", "day_night_failed"}
        assert "output 'filter': GPIO 40 cannot be used" in house.problem("day_night_output")
        assert "profile 'turned'" in house.problem("day_night_failed")
        assert life.status("day_night")["phase"] == "night"


async def test_outputs_are_told_again_after_a_restart_and_at_every_connect(house: House) -> None:
    async with house.living(day_night={**AUTO, "outputs": OUTPUTS}):
        await house.pass_by(2, lux=1)
    async with house.living(day_night={**AUTO, "outputs": OUTPUTS}) as life:
        await house.pass_by(2, lux=1)
        assert house.pins[17].high
        assert house.published("garden/lamp/set") == ["ON"]
        (message,) = life.day_night.retained()
        assert (message.topic, message.payload, message.retain) == ("garden/lamp/set", b"ON", True)
        assert house.camera.causes == ["day_night"]


async def test_a_night_that_is_refused_moves_nothing(house: House) -> None:
    config = {**AUTO, "outputs": OUTPUTS, "night_profile": "turned"}
    async with house.living(day_night=config) as life:
        await house.pass_by(2, lux=100)
        with pytest.raises(RefusedError, match="on its side"):
            await life.ask("day_night", mode="night")
        assert house.published("garden/lamp/set") == ["OFF"]
        assert life.status("day_night")["mode"] == "auto"


async def test_a_camera_that_is_away_gets_its_profile_when_it_is_back(house: House) -> None:
    async with house.living(day_night={**AUTO, "outputs": OUTPUTS}) as life:
        house.camera.running = False
        await house.pass_by(2, lux=1)
        assert (life.active, life.status()["pending"]) == (None, "night")
        assert house.published("garden/lamp/set") == ["ON"]
        house.camera.running = True
        await house.pass_by(2, lux=1)
        assert (life.active, life.status()["pending"]) == ("night", None)
