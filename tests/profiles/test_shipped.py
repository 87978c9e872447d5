"""What is shipped in schedules/ is without faults, fits every camera, and is installed with the package."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from edge_agent.camera.capabilities import CameraCapabilities
from edge_agent.camera.drivers.picamera2.options import Picamera2Options
from edge_agent.camera.drivers.simulated.sensor import capabilities as simulated
from edge_agent.camera.settings import flatten
from edge_agent.profiles.library import Library, load_profiles, shipped_directory
from tests.camera.drivers.picamera2.rig import Rig
from tests.profiles.house import FakeCamera, House

ROOT = Path(__file__).parents[2]
NAMES = {
    "day", "night", "night_motion", "low_light_static", "low_light_motion", "indoor", "indoor_noir",
    "daylight_noir", "ir_850nm", "ir_940nm", "flicker_50hz", "flicker_60hz", "flicker_off", "timelapse",
}  # fmt: skip
NOIR = {"daylight_noir", "indoor_noir", "ir_850nm", "ir_940nm"}


def _cameras() -> dict[str, CameraCapabilities]:
    return {
        "simulated": simulated(),
        "imx708": Rig("imx708").capabilities,
        "imx708_wide_noir": Rig("imx708_wide_noir").capabilities,
        "imx219_noir": Rig("imx219", options=Picamera2Options(noir=True)).capabilities,
        "ov5647": Rig("ov5647").capabilities,
        "imx296": Rig("imx296").capabilities,
    }


@pytest.fixture(scope="module")
def cameras() -> dict[str, CameraCapabilities]:
    return _cameras()


def test_every_shipped_file_is_installed() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        data_files = tomllib.load(file)["tool"]["setuptools"]["data-files"]
    installed = {
        path for patterns in data_files.values() for pattern in patterns for path in ROOT.glob(pattern)
    }
    assert installed == {path for path in (ROOT / "schedules").rglob("*") if path.is_file()}


def test_what_is_shipped_is_without_faults() -> None:
    place = shipped_directory()
    assert place is not None
    profiles, wrong = load_profiles([(place / "profiles", "shipped")])
    assert wrong == []
    assert set(profiles.names) == {*NAMES, "defaults"}
    assert all(profiles.find(name).definition.description for name in profiles.names)


@pytest.mark.parametrize("name", sorted(NAMES))
async def test_each_can_be_applied_to_every_camera_and_day_takes_back_what_it_did(
    tmp_path: Path, name: str, cameras: dict[str, CameraCapabilities]
) -> None:
    for model, capabilities in cameras.items():
        house = House(tmp_path / model)
        house.camera = FakeCamera(capabilities)
        async with house.living(directories=()) as life:
            await life.ask("profile", name="day")
            before = house.camera.settings
            left_out = (await life.ask("profile", name=name)).result.get("left_out", {})
            assert life.active == name
            # White balance for other cameras, colour where there is none, and what libcamera lacks.
            allowed = {"white_balance.mode", "image.saturation", "exposure.max_time_us"}
            assert set(left_out) <= allowed, (model, left_out)
            if name in NOIR and "noir" in model:
                assert left_out == {}
            assert life.status()["differs"] == {}
            await life.ask("profile", name="flicker_off")
            await life.ask("profile", name="day")
            assert house.camera.settings == before, model


@pytest.mark.parametrize("name", sorted(NAMES))
def test_none_changes_where_the_camera_looks(tmp_path: Path, name: str) -> None:
    library = Library(directories=[], saved=tmp_path)
    library.load()
    wanted = library.profiles.wanted(name)
    groups = {path.partition(".")[0] for path in {*flatten(wanted.patch), *wanted.reset} - {"video.fps"}}
    assert groups <= {"exposure", "white_balance", "image"}
