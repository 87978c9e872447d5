from __future__ import annotations

from typing import Any

import pytest

from edge_agent.camera.commands import SETTINGS_COMMANDS, change_outcome
from edge_agent.camera.port import Change
from edge_agent.camera.settings import CameraSettings, SettingsPatch, merge
from edge_agent.contract.validation import validate
from edge_agent.errors import RefusedError

COMMANDS = {entry.spec.name: entry for entry in SETTINGS_COMMANDS}


def test_the_names_are_the_contracts() -> None:
    assert set(COMMANDS) == {
        "exposure",
        "white_balance",
        "focus",
        "image",
        "hdr",
        "roi",
        "transform",
        "lens_correction",
        "framerate",
        "resolution",
        "bitrate",
        "encoder",
        "overlay",
        "settings",
    }
    mains = {name: entry.spec.main for name, entry in COMMANDS.items() if entry.spec.main}
    assert mains == {
        "exposure": "mode",
        "white_balance": "mode",
        "focus": "mode",
        "hdr": "mode",
        "lens_correction": "enabled",
        "framerate": "fps",
        "bitrate": "bps",
        "overlay": "text",
    }


@pytest.mark.parametrize(
    ("name", "given", "patch"),
    [
        ("exposure", {"time_us": 100}, {"exposure": {"time_us": 100}}),
        ("white_balance", {"mode": "ir_850nm"}, {"white_balance": {"mode": "ir_850nm"}}),
        ("focus", {"position": 2.0}, {"focus": {"position": 2.0}}),
        ("image", {"contrast": 2.0}, {"image": {"contrast": 2.0}}),
        ("hdr", {"mode": "night"}, {"hdr": "night"}),
        ("transform", {"hflip": True, "rotation": 180}, {"view": {"hflip": True, "rotation": 180}}),
        ("lens_correction", {"enabled": True}, {"view": {"lens_correction": True}}),
        ("framerate", {"fps": 25.0}, {"video": {"fps": 25.0}}),
        (
            "resolution",
            {"width": 1280, "height": 720, "field_of_view": "crop"},
            {"video": {"width": 1280, "height": 720, "field_of_view": "crop"}},
        ),
        ("bitrate", {"bps": 5_000_000}, {"video": {"bitrate_bps": 5_000_000}}),
        ("bitrate", {"bps": "auto"}, {"video": {"bitrate_auto": True}}),
        (
            "encoder",
            {"profile": "high", "level": "4.1", "quality": None, "keyframe_interval_s": 2.0},
            {
                "video": {
                    "h264_profile": "high",
                    "h264_level": "4.1",
                    "quality": None,
                    "keyframe_interval_s": 2.0,
                }
            },
        ),
        ("settings", {"hdr": "off", "image": {"contrast": 1.0}}, {"hdr": "off", "image": {"contrast": 1.0}}),
    ],
)
def test_arguments_become_the_patch_that_they_stand_for(
    name: str, given: dict[str, Any], patch: dict[str, Any]
) -> None:
    entry = COMMANDS[name]
    arguments = validate(entry.spec.arguments, given).model_dump(exclude_unset=True)
    made = entry.patch(arguments, CameraSettings())
    assert made == patch
    SettingsPatch.model_validate(made)


@pytest.mark.parametrize(
    ("bare", "arguments"),
    [
        ("ON", {"enabled": True}),
        ("off", {"enabled": False}),
        (True, {"enabled": True}),
        ("{name} {time}", {"text": "{name} {time}"}),
        (7, {"text": "7"}),
    ],
)
def test_a_bare_overlay_is_switched_or_is_the_text(bare: Any, arguments: dict[str, Any]) -> None:
    spec = COMMANDS["overlay"].spec
    given = spec.from_bare(bare)
    assert given == arguments
    assert validate(spec.arguments, given).model_dump(exclude_unset=True) == arguments


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{nam}", r"there is no '\{nam\}'; did you mean 'name'\?"),
        ("{time", "expected '}' before end of string"),
        ("x" * 201, "at most 200 characters"),
        (None, "it should be a text"),
    ],
)
def test_a_text_that_cannot_be_drawn_is_refused(text: Any, message: str) -> None:
    with pytest.raises(RefusedError, match=message):
        validate(COMMANDS["overlay"].spec.arguments, {"text": text})
    with pytest.raises(RefusedError, match=message):
        validate(SettingsPatch, {"overlay": {"text": text}})


def test_a_roi_keeps_the_edges_that_are_not_named() -> None:
    current = merge(CameraSettings(), {"view": {"roi": {"x": 0.5, "width": 0.25}}})
    roi = COMMANDS["roi"]
    assert roi.patch({"width": 0.5}, current) == {
        "view": {"roi": {"x": 0.5, "y": 0.0, "width": 0.5, "height": 1.0}}
    }
    assert roi.patch(roi.spec.from_bare("full"), current) == {
        "view": {"roi": {"x": 0.0, "y": 0.0, "width": 1.0, "height": 1.0}}
    }


def test_the_outcome_speaks_the_commands_own_language() -> None:
    change = Change(
        applied={"video.fps": 50.0, "exposure.time_us": 20_000},
        clamped={"video.fps": "too fast", "exposure.time_us": "too long"},
        interrupted=False,
    )
    outcome = change_outcome(change, COMMANDS["framerate"])
    assert outcome.applied == {"fps": 50.0, "exposure.time_us": 20_000}
    assert outcome.clamped == ("fps", "exposure.time_us")
    assert outcome.result == {
        "interrupted_stream": False,
        "clamped_because": {"fps": "too fast", "exposure.time_us": "too long"},
    }


def test_a_roi_is_told_by_its_edges() -> None:
    window = {"x": 0.0, "y": 0.0, "width": 0.5, "height": 1.0}
    change = Change(applied={"view.roi": window}, clamped={}, interrupted=False)
    assert change_outcome(change, COMMANDS["roi"]).applied == window
    assert change_outcome(change, COMMANDS["settings"]).applied == {"view.roi": window}
    assert change_outcome(change).applied == {"view.roi": window}


def test_an_interruption_is_told() -> None:
    change = Change(applied={"video.width": 640}, clamped={}, interrupted=True)
    assert change_outcome(change, COMMANDS["resolution"]).result == {"interrupted_stream": True}
    assert {name for name, entry in COMMANDS.items() if entry.spec.interrupts_stream} == {
        "hdr",
        "transform",
        "lens_correction",
        "resolution",
    }


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_schema_names_every_argument_with_its_meaning(name: str) -> None:
    schema = COMMANDS[name].spec.document()["arguments"]
    assert schema["additionalProperties"] is False
    for argument, entry in schema["properties"].items():
        assert name in ("settings", "roi") or entry.get("description"), argument
