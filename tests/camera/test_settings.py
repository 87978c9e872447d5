from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from edge_agent.camera.settings import (
    CameraSettings,
    Exposure,
    SettingsPatch,
    Window,
    flatten,
    merge,
    normalise,
    partial_model,
    setting_info,
    unflatten,
)


def test_flatten_and_unflatten_undo_each_other() -> None:
    patch = {"exposure": {"time_us": 100, "gain": None}, "hdr": "off", "view": {"roi": {"x": 0.1}}}
    flat = flatten(patch)
    assert flat == {"exposure.time_us": 100, "exposure.gain": None, "hdr": "off", "view.roi": {"x": 0.1}}
    assert unflatten(flat) == patch
    whole = CameraSettings().model_dump()
    assert unflatten(flatten(whole)) == whole


@pytest.mark.parametrize(
    ("patch", "implied"),
    [
        ({"exposure": {"time_us": 100}}, {"exposure": {"time_us": 100, "mode": "manual"}}),
        ({"exposure": {"gain": 2}}, {"exposure": {"gain": 2, "mode": "manual"}}),
        ({"exposure": {"mode": "auto"}}, {"exposure": {"mode": "auto", "time_us": None, "gain": None}}),
        ({"exposure": {"mode": "manual"}}, {"exposure": {"mode": "manual"}}),
        ({"exposure": {"time_us": None}}, {"exposure": {"time_us": None}}),
        ({"exposure": {"ev": 1}}, {"exposure": {"ev": 1}}),
        ({"focus": {"position": 0}}, {"focus": {"position": 0, "mode": "manual"}}),
        (
            {"white_balance": {"temperature_k": 3000}},
            {
                "white_balance": {
                    "temperature_k": 3000,
                    "mode": "manual",
                    "red_gain": None,
                    "blue_gain": None,
                }
            },
        ),
        (
            {"white_balance": {"red_gain": 2}},
            {"white_balance": {"red_gain": 2, "mode": "manual", "temperature_k": None}},
        ),
        ({"video": {"bitrate_bps": 5}}, {"video": {"bitrate_bps": 5, "bitrate_auto": False}}),
        (
            {"video": {"bitrate_bps": 5, "bitrate_auto": True}},
            {"video": {"bitrate_bps": 5, "bitrate_auto": True}},
        ),
        ({"overlay": {"text": "x"}}, {"overlay": {"text": "x", "enabled": True}}),
        (
            {"overlay": {"text": "x", "enabled": False}},
            {"overlay": {"text": "x", "enabled": False}},
        ),
        ({"hdr": "off"}, {"hdr": "off"}),
        ({}, {}),
    ],
)
def test_what_a_patch_implies(patch: dict[str, Any], implied: dict[str, Any]) -> None:
    assert normalise(patch) == implied
    assert normalise(implied) == implied


def test_merging_changes_only_what_is_named() -> None:
    before = CameraSettings()
    after = merge(before, {"exposure": {"ev": 1.0}, "hdr": "night"})
    assert (after.exposure.ev, after.hdr) == (1.0, "night")
    assert merge(after, {"exposure": {"ev": 0.0}, "hdr": "off"}) == before
    with pytest.raises(ValidationError):
        merge(before, {"exposure": {"ev": "much"}})


def test_a_patch_tells_what_was_given_from_what_was_not() -> None:
    patch = SettingsPatch.model_validate({"exposure": {"time_us": None}, "video": {}})
    assert patch.model_dump(exclude_unset=True) == {"exposure": {"time_us": None}, "video": {}}


@pytest.mark.parametrize(
    "document",
    [
        {"exposure": {"nothing": 1}},
        {"nothing": 1},
        {"exposure": {"ev": None}},
        {"exposure": {"ev": float("nan")}},
        {"exposure": None},
        {"view": {"roi": None}},
        {"view": {"roi": {"width": 0}}},
    ],
)
def test_a_patch_is_closed_and_without_nonsense(document: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SettingsPatch.model_validate(document)


def test_a_partial_model_may_choose_and_rename() -> None:
    model = partial_model(Exposure, "Times", fields={"longest_us": "max_time_us"})
    schema = model.model_json_schema()
    assert list(schema["properties"]) == ["longest_us"]
    assert schema["properties"]["longest_us"]["unit"] == "µs"
    assert "default" not in schema["properties"]["longest_us"]
    assert "required" not in schema


def test_every_setting_has_a_meaning_and_says_whether_it_is_live() -> None:
    for group, info in CameraSettings.model_fields.items():
        fields = getattr(info.annotation, "model_fields", {group: info})
        for name, field in fields.items():
            assert field.description, (group, name)
            assert isinstance(setting_info(field)["live"], bool)


def test_a_window_is_in_fractions() -> None:
    assert Window().model_dump() == {"x": 0.0, "y": 0.0, "width": 1.0, "height": 1.0}
    with pytest.raises(ValidationError):
        Window(x=1.5)
