from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from edge_agent.camera.drivers.file.driver import FileDriver
from edge_agent.camera.drivers.file.options import FileOptions
from edge_agent.camera.drivers.registry import DriverEntry, create, entries, open_driver, options_of, survey
from edge_agent.clock import SystemClock
from edge_agent.errors import CameraUnavailableError, ConfigError

HERE = "tests.camera.drivers.test_registry"
ABSENT = DriverEntry(
    name="absent",
    factory=f"{HERE}:none",
    options=f"{HERE}:none",
    description="",
    auto=1,
    missing=f"{HERE}:no_camera",
)
BROKEN = DriverEntry(
    name="broken",
    factory="edge_agent.camera.drivers.file.driver:FileDriver",
    options=f"{HERE}:BrokenOptions",
    description="",
    auto=2,
)
UNINSTALLED = DriverEntry(
    name="uninstalled", factory="no_such_module:X", options=f"{HERE}:NoOptions", description=""
)


class NoOptions(FileOptions):
    path: Path = Path("unused")


class BrokenOptions(FileOptions):
    path: Path = Path("/nowhere/at/all.mp4")


class ThirdParty(FileDriver):
    name = "mine"
    options_model = NoOptions


def no_camera() -> str:
    return "nothing is plugged in"


def raising() -> str:
    raise OSError("no such bus")


def test_a_driver_is_made_by_its_name() -> None:
    driver = create("file", options={"path": "clip.mp4"}, clock=SystemClock())
    assert driver.name == "file"


def test_a_wrong_name_gets_the_nearest_one() -> None:
    with pytest.raises(ConfigError, match="no camera driver 'simulatd'; did you mean 'simulated'") as caught:
        create("simulatd", options={}, clock=SystemClock())
    assert caught.value.field == "camera.driver"
    assert caught.value.allowed == ["auto", "file", "picamera2", "simulated"]


@pytest.mark.parametrize(
    ("options", "field", "text"),
    [
        ({"paht": "x"}, None, "did you mean 'path'"),
        ({}, "camera.options.path", "'path' is missing"),
        ({"path": "x", "loop": "perhaps"}, "camera.options.loop", "camera driver 'file': 'loop'"),
    ],
)
def test_wrong_options_are_told(options: dict[str, object], field: str | None, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        options_of(entries()["file"], options)
    assert caught.value.code == "invalid_options"
    assert text in caught.value.message
    if field is not None:
        assert caught.value.field == field


def test_options_are_checked_without_loading_what_plays_video() -> None:
    code = (
        "import sys; from edge_agent.camera.drivers.registry import entries, options_of; "
        "options_of(entries()['file'], {'path': 'x'}); print('av' in sys.modules, 'numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_a_driver_that_is_not_installed_is_unavailable() -> None:
    with pytest.raises(CameraUnavailableError, match="'uninstalled' cannot be loaded here: No module"):
        create("uninstalled", options={}, clock=SystemClock(), table={"uninstalled": UNINSTALLED})


def test_auto_takes_the_first_that_opens_and_says_why() -> None:
    table = {"simulated": entries()["simulated"], "broken": BROKEN, "absent": ABSENT}
    driver, capabilities, because = open_driver("auto", options={}, clock=SystemClock(), table=table)
    driver.close()
    assert capabilities.driver == driver.name == "simulated"
    assert "absent: nothing is plugged in" in because
    assert "broken: the video file '/nowhere/at/all.mp4' cannot be opened" in because


def test_auto_without_any_camera_says_what_was_tried() -> None:
    with pytest.raises(CameraUnavailableError, match=r"no camera here .*nothing is plugged in"):
        open_driver("auto", options={}, clock=SystemClock(), table={"absent": ABSENT})


def test_a_configured_driver_that_does_not_open_is_not_replaced() -> None:
    with pytest.raises(CameraUnavailableError, match="cannot be opened"):
        open_driver("file", options={"path": "/nowhere/at/all.mp4"}, clock=SystemClock())


def test_the_survey_tells_what_auto_would_take() -> None:
    table = {"simulated": entries()["simulated"], "absent": ABSENT, "file": entries()["file"]}
    shown = {entry.driver: entry for entry in survey(table=table)}
    assert list(shown) == ["absent", "simulated", "file"]
    assert [name for name, entry in shown.items() if entry.chosen] == ["simulated"]
    assert shown["absent"].available == "nothing is plugged in"
    assert shown["file"].document()["available"] == "yes"


def test_a_look_round_that_breaks_is_told_and_harms_nobody() -> None:
    broken = DriverEntry(
        name="odd", factory="x:y", options="x:y", description="", auto=1, missing=f"{HERE}:raising"
    )
    (shown,) = survey(table={"odd": broken})
    assert shown.available == "OSError: no such bus"


def point(name: str, value: str) -> EntryPoint:
    return EntryPoint(name=name, value=value, group="edge_agent.drivers")


def test_third_parties_come_in_by_their_class(caplog: pytest.LogCaptureFixture) -> None:
    found = [point("mine", f"{HERE}:ThirdParty"), point("file", "x:y"), point("broken", "no_such_module:X")]
    table = entries(found=found)
    assert set(table) == {"picamera2", "simulated", "file", "mine", "broken"}
    assert table["file"].factory.startswith("edge_agent.")
    assert "'file' (x:y) has a name that is taken" in caplog.text
    assert isinstance(create("mine", options={}, clock=SystemClock(), table=table), ThirdParty)
    with pytest.raises(CameraUnavailableError, match="'broken' cannot be loaded here: No module"):
        create("broken", options={}, clock=SystemClock(), table=table)
