from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from edge_agent.camera.limits import starting_settings
from edge_agent.camera.memory import SettingsMemory
from edge_agent.camera.settings import CameraSettings, merge
from edge_agent.errors import StorageError
from tests.camera.imx708 import IMX708

CONFIGURED = {"video": {"width": 1280, "fps": 25.0, "bitrate_auto": True}}


def memory(path: Path, configured: dict[str, Any] = CONFIGURED) -> SettingsMemory:
    return SettingsMemory(path=path / "settings.json", configured=configured)


def remembered(**changes: Any) -> CameraSettings:
    return merge(CameraSettings(), {"video": {"width": 1280, "fps": 25.0}, **changes})


def test_without_a_file_the_configured_values_hold(tmp_path: Path) -> None:
    assert memory(tmp_path).wanted() == CONFIGURED


def test_a_restart_changes_nothing(tmp_path: Path) -> None:
    settings = remembered(
        exposure={"mode": "manual", "time_us": 5000, "gain": 2.0},
        view={"roi": {"x": 0.25, "width": 0.5}},
        focus={"window": {"x": 0.1, "width": 0.2}},
    )
    memory(tmp_path).remember(settings)
    started, left_out = starting_settings(memory(tmp_path).wanted(), IMX708)
    assert left_out == {}
    assert started.exposure == settings.exposure
    assert (started.view, started.focus) == (settings.view, settings.focus)


def test_what_was_edited_since_wins_and_the_rest_stays(tmp_path: Path) -> None:
    settings = remembered(video={"width": 640, "fps": 10.0}, image={"contrast": 2.0})
    memory(tmp_path).remember(settings)
    edited = {"video": {**CONFIGURED["video"], "fps": 15.0}}
    wanted = memory(tmp_path, edited).wanted()
    assert wanted["video"]["fps"] == 15.0
    assert wanted["video"]["width"] == 640
    assert wanted["image"]["contrast"] == 2.0


@pytest.mark.parametrize(
    ("before", "edited", "auto"),
    [
        ({"bitrate_auto": True}, {"bitrate_bps": 2_000_000}, False),
        ({"bitrate_bps": 2_000_000}, {"bitrate_auto": True}, True),
    ],
)
def test_an_edited_bit_rate_wins_over_what_was_remembered(
    tmp_path: Path, before: dict[str, Any], edited: dict[str, Any], auto: bool
) -> None:
    first = memory(tmp_path, {"video": before})
    first.remember(starting_settings(first.wanted(), IMX708)[0])
    started, _ = starting_settings(memory(tmp_path, {"video": edited}).wanted(), IMX708)
    assert started.video.bitrate_auto is auto
    assert (started.video.bitrate_bps == 2_000_000) is not auto


def test_a_file_cut_at_any_byte_leaves_the_configured_values(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    memory(tmp_path).remember(remembered(image={"contrast": 2.0}))
    path = tmp_path / "settings.json"
    whole = path.read_bytes()
    caplog.set_level(logging.CRITICAL)
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert memory(tmp_path).wanted() == CONFIGURED
    path.write_bytes(whole)
    assert memory(tmp_path).wanted()["image"]["contrast"] == 2.0


@pytest.mark.parametrize(
    "content",
    [
        b"null",
        b"[]",
        b"{}",
        b'{"settings": [], "configured": {}}',
        b'{"settings": {"image.contrast": "much"}, "configured": {}}',
        b'{"settings": {"image.contrast": 2.0}, "configured": []}',
        b'{"settings": {"image.nothing": 2.0}, "configured": {}}',
        b"[" * 100_000,
        b"\xff\x00",
    ],
)
def test_a_damaged_file_is_told_and_left_aside(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "settings.json").write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert memory(tmp_path).wanted() == CONFIGURED
    assert "damaged" in caplog.text


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "settings.json").mkdir()
    with caplog.at_level(logging.WARNING):
        assert memory(tmp_path).wanted() == CONFIGURED
    assert "cannot be read" in caplog.text


def test_what_has_not_changed_is_not_written_again(tmp_path: Path) -> None:
    kept = memory(tmp_path)
    kept.remember(remembered())
    first = (tmp_path / "settings.json").stat().st_ino
    kept.remember(remembered())
    assert (tmp_path / "settings.json").stat().st_ino == first
    kept.remember(remembered(hdr="night"))
    assert (tmp_path / "settings.json").stat().st_ino != first
    assert json.loads((tmp_path / "settings.json").read_bytes())["settings"]["hdr"] == "night"


def test_a_disk_that_refuses_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"settings\.json"):
        memory(tmp_path / "file").remember(remembered())
