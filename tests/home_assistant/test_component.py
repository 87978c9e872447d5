"""Entities as Home Assistant's components: what its templates make of real documents."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import jinja2
import pytest

from edge_agent.camera.entities import camera_entities
from edge_agent.camera.settings import CameraSettings, declarations, setting_title
from edge_agent.camera.software import SoftwareSettings
from edge_agent.contract.entity import Entity
from edge_agent.contract.topics import Topics
from edge_agent.contract.validation import validate
from edge_agent.home_assistant.component import Naming, component
from tests.camera.imx708 import IMX708

NAMING = Naming(topics=Topics(root="edge/v1", node="porch"), unique_id="edge_agent_0123")


def rendered(template: str, **values: Any) -> str:
    """Return what Home Assistant would make of a template: nothing may be undefined."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)
    environment.filters["to_json"] = json.dumps
    return environment.from_string(template).render(**values)


def sensor(**fields: Any) -> dict[str, Any]:
    return component(Entity(key="x", platform="sensor", name="X", **fields), NAMING)


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"camera": {"sensor": {"lux": 12.5}}}, "12.5"),
        ({"camera": {"sensor": {"lux": None}}}, "None"),
        ({"camera": {"sensor": None}}, "None"),
        ({"camera": None}, "None"),
        ({}, "None"),
    ],
)
def test_a_state_that_is_not_there_is_unknown_and_no_warning(document: dict[str, Any], says: str) -> None:
    config = sensor(path="camera.sensor.lux")
    assert config["state_topic"] == "edge/v1/porch/status"
    assert rendered(config["value_template"], value_json=document) == says


def test_a_number_is_one_for_people() -> None:
    config = sensor(source="heartbeat", path="disk_free_bytes", scale=1 / 1024**3, precision=1, unit="GiB")
    assert config["state_topic"] == "edge/v1/porch/heartbeat"
    assert rendered(config["value_template"], value_json={"disk_free_bytes": 75_591_000_000}) == "70.4"
    assert rendered(config["value_template"], value_json={"disk_free_bytes": None}) == "None"


@pytest.mark.parametrize(("state", "says"), [("publishing", "ON"), ("failed", "OFF"), (None, "None")])
def test_on_is_one_state_of_many(state: str | None, says: str) -> None:
    entity = Entity(key="s", platform="binary_sensor", name="S", path="stream.state", on_state="publishing")
    template = component(entity, NAMING)["value_template"]
    assert rendered(template, value_json={"stream": {"state": state}}) == says


@pytest.mark.parametrize(("problems", "says"), [([], "OFF"), ([{"code": "x"}], "ON")])
def test_a_list_is_on_where_it_is_not_empty(problems: list[Any], says: str) -> None:
    entity = Entity(key="p", platform="binary_sensor", name="P", path="problems")
    template = component(entity, NAMING)["value_template"]
    assert rendered(template, value_json={"problems": problems}) == says


@pytest.mark.parametrize(
    ("profile", "says"),
    [({"hold": None}, "OFF"), ({"hold": {"until": None}}, "ON"), ({}, "OFF"), (None, "None")],
)
def test_presence_is_on_where_anything_is(profile: Any, says: str) -> None:
    entity = Entity(key="h", platform="binary_sensor", name="H", path="profile.hold", presence=True)
    template = component(entity, NAMING)["value_template"]
    assert rendered(template, value_json={"profile": profile}) == says


@pytest.mark.parametrize(
    ("network", "says"),
    [
        ([{"wifi": None}, {"wifi": -54.0}, {"wifi": -70.0}], "-54.0"),
        ([{"wifi": None}], "None"),
        ([], "None"),
        (None, "None"),
    ],
)
def test_the_first_of_a_list_that_says_it_is_the_state(network: Any, says: str) -> None:
    config = sensor(source="heartbeat", path="network", first="wifi", precision=0)
    assert rendered(config["value_template"], value_json={"network": network}) == says


def test_attributes_are_one_object() -> None:
    config = sensor(path="profile.active", attributes={"hold": "profile.hold", "problems": "problems"})
    document = {"profile": None, "problems": [{"code": "x"}]}
    said = json.loads(rendered(config["json_attributes_template"], value_json=document))
    assert said == {"hold": None, "problems": [{"code": "x"}]}


def test_a_text_is_sent_as_it_was_written() -> None:
    entity = Entity(
        key="t",
        platform="text",
        name="T",
        path="t",
        command="settings",
        arguments={"a": {"b": ...}},
        max_length=9,
    )
    config = component(entity, NAMING)
    sent = rendered(config["command_template"], value='"{name}" \\ ü')
    assert json.loads(sent) == {"a": {"b": '"{name}" \\ ü'}}
    assert (config["min"], config["max"]) == (0, 9)


@pytest.mark.parametrize(
    ("low", "high", "step", "mode"), [(-8, 8, 0.1, "slider"), (1, 51, 1, "slider"), (0, 32, 0.1, "box")]
)
def test_a_slider_is_for_what_it_can_hit(low: float, high: float, step: float, mode: str) -> None:
    entity = Entity(
        key="n",
        platform="number",
        name="N",
        path="n",
        command="settings",
        minimum=low,
        maximum=high,
        step=step,
    )
    assert component(entity, NAMING)["mode"] == mode


UPDATE = Entity(
    key="a",
    platform="update",
    name="A",
    path="u.installed",
    latest="u.latest",
    progress="u.progress",
    summary="u.summary",
    link="u.url",
)


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (
            {"installed": "1.2.3", "latest": "1.3.0", "progress": None, "summary": "New", "url": "https://x"},
            {
                "installed_version": "1.2.3",
                "latest_version": "1.3.0",
                "release_summary": "New",
                "release_url": "https://x",
                "in_progress": False,
                "update_percentage": None,
            },
        ),
        # A null would make Home Assistant refuse the whole state.
        (
            {"installed": "1.2.3", "latest": None, "progress": 0.415, "summary": None, "url": None},
            {
                "installed_version": "1.2.3",
                "release_summary": "",
                "in_progress": True,
                "update_percentage": 42,
            },
        ),
        (
            {"installed": "1.2.3", "latest": "1.2.3", "progress": 0.0, "summary": None, "url": None},
            {
                "installed_version": "1.2.3",
                "latest_version": "1.2.3",
                "release_summary": "",
                "in_progress": True,
                "update_percentage": 0,
            },
        ),
        (None, {"release_summary": "", "in_progress": False, "update_percentage": None}),
    ],
)
def test_an_update_says_what_there_is_and_what_could_be(status: Any, state: Any) -> None:
    config = component(UPDATE, NAMING)
    assert config["state_topic"] == "edge/v1/porch/status"
    assert json.loads(rendered(config["value_template"], value_json={"u": status})) == state
    plain = component(replace(UPDATE, progress=None), NAMING)
    del state["in_progress"], state["update_percentage"]
    assert json.loads(rendered(plain["value_template"], value_json={"u": status})) == state


def test_an_update_can_be_installed_where_it_has_a_command() -> None:
    assert not {"command_topic", "payload_install"} & set(component(UPDATE, NAMING))
    config = component(replace(UPDATE, command="update", on={"action": "install"}), NAMING)
    assert config["command_topic"] == "edge/v1/porch/cmd/update"
    assert json.loads(config["payload_install"]) == {"action": "install"}


def test_auto_or_manual_is_a_switch() -> None:
    entity = next(entity for entity in SETTINGS if entity.name == "Auto exposure")
    config = component(entity, NAMING)
    assert (config["platform"], entity.enabled) == ("switch", True)
    assert json.loads(config["payload_off"]) == {"exposure": {"mode": "manual"}}
    status = {"camera": {"settings": {"exposure": {"mode": "manual"}}}}
    assert rendered(config["value_template"], value_json=status) == "OFF"


def test_a_home_sees_at_first_what_most_people_want() -> None:
    enabled = {entity.key for entity in SETTINGS if entity.enabled}
    assert {"exposure_ev", "white_balance_mode", "image_brightness"} <= enabled
    assert not enabled & {"exposure_time_us", "video_bitrate_bps", "image_noise_reduction"}
    assert len(enabled) < len(SETTINGS) / 3


def test_a_name_of_none_is_said_and_others_are_left_out() -> None:
    main = component(Entity(key="camera", platform="camera", name=None, topic="t"), NAMING)
    assert main == {"platform": "camera", "unique_id": "edge_agent_0123_camera", "name": None, "topic": "t"}


CAMERA = SoftwareSettings(IMX708).capabilities
SETTINGS = [entity for entity in camera_entities(CAMERA) if entity.command == "settings"]


@pytest.mark.parametrize("entity", SETTINGS, ids=lambda entity: entity.key)
def test_what_a_setting_sends_is_a_command_and_what_it_shows_is_its_state(entity: Entity) -> None:
    from edge_agent.camera.commands import SETTINGS_COMMANDS  # noqa: PLC0415 - the table itself is the subject

    config = component(entity, NAMING)
    arguments = next(c.spec.arguments for c in SETTINGS_COMMANDS if c.spec.name == "settings")
    status = {"camera": {"settings": CameraSettings().model_dump(mode="json")}}
    assert config["command_topic"] == "edge/v1/porch/cmd/settings"
    if entity.platform == "switch":
        sent = [config["payload_on"], config["payload_off"]]
    elif entity.platform == "text":
        sent = [rendered(config["command_template"], value="{name}")]
    elif entity.platform == "select":
        sent = [rendered(config["command_template"], value=option) for option in config["options"]]
    else:
        sent = [rendered(config["command_template"], value=float(config["min"]))]
    for payload in sent:
        validate(arguments, json.loads(payload))
    shown = rendered(config["value_template"], value_json=status)
    allowed = {"switch": {"ON", "OFF"}, "select": {*entity.options, "None"}}
    if entity.platform in allowed:
        assert shown in allowed[entity.platform]
    elif entity.platform == "text":
        assert shown == CameraSettings().overlay.text
    else:
        assert shown == "None" or float(shown) is not None


def test_every_setting_of_this_camera_is_an_entity() -> None:
    windows = {"focus.window", "view.roi"}
    together = {"video.width", "video.height"}
    shown = {(entity.path or "").removeprefix("camera.settings.") for entity in SETTINGS}
    assert set(CAMERA.controls) - windows - together <= shown


def test_a_resolution_is_one_choice() -> None:
    entity = next(entity for entity in camera_entities(IMX708) if entity.key == "resolution")
    config = component(entity, NAMING)
    assert "1920x1080" in config["options"]
    assert rendered(config["command_template"], value="1920x1080") == "1920x1080"
    document: dict[str, Any] = {"camera": {"settings": {"video": {"width": 1920, "height": 1080}}}}
    assert rendered(config["value_template"], value_json=document) == "1920x1080"
    document["camera"]["settings"]["video"]["width"] = 333
    assert rendered(config["value_template"], value_json=document) == "None"
    assert rendered(config["value_template"], value_json={"camera": {"settings": None}}) == "None"


def test_without_a_camera_there_is_what_the_agent_says_of_it() -> None:
    keys = {entity.key for entity in camera_entities(None)}
    assert "camera_state" in keys
    assert not any(key.startswith("exposure") for key in keys)


def test_titles_are_for_people() -> None:
    assert setting_title("exposure.time_us") == "Exposure time"
    assert all(setting_title(path)[0].isupper() for path in declarations())
    assert len({setting_title(path) for path in declarations()}) == len(declarations())
