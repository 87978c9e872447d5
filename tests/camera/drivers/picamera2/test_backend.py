from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from edge_agent.camera.drivers.picamera2.backend import choose, use_tuning
from edge_agent.camera.drivers.picamera2.driver import Picamera2Driver
from edge_agent.camera.drivers.picamera2.options import Picamera2Options
from edge_agent.camera.drivers.picamera2.presence import missing
from edge_agent.clock import SystemClock
from edge_agent.errors import CameraUnavailableError, ConfigError
from tests.camera.drivers.picamera2.fake import World
from tests.camera.drivers.picamera2.sensors import SENSORS

# As picamera2 lists them: the place in its list is not libcamera's number.
CAMERAS = [
    {"Id": "/base/soc/i2c0mux/i2c@1/imx708@1a", "Model": "imx708", "Num": 1},
    {"Id": "/base/soc/i2c0mux/i2c@0/imx219@10", "Model": "imx219", "Num": 0},
]
VARIABLE = "LIBCAMERA_RPI_TUNING_FILE"


def test_cameras_are_chosen_by_place_and_by_id() -> None:
    assert choose(CAMERAS, Picamera2Options()).model == "imx708"
    chosen = choose(CAMERAS, Picamera2Options(index=1))
    assert (chosen.position, chosen.number, chosen.model) == (1, 0, "imx219")
    assert choose(CAMERAS, Picamera2Options(id="imx219@10")).position == 1
    assert choose(CAMERAS, Picamera2Options(id=CAMERAS[0]["Id"])).position == 0


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (Picamera2Options(index=2), "there is no camera 2; there are 0: /base/soc/"),
        (Picamera2Options(id="imx477"), "no camera has the id 'imx477'; there are 0: "),
    ],
)
def test_a_camera_that_is_not_there_is_told_with_those_that_are(options: Picamera2Options, text: str) -> None:
    with pytest.raises(CameraUnavailableError, match=text):
        choose(CAMERAS, options)


def test_an_id_that_several_cameras_have_is_refused() -> None:
    twins = [{**CAMERAS[0], "Id": f"/base/i2c@{number}/imx708@1a", "Num": number} for number in range(2)]
    with pytest.raises(CameraUnavailableError, match="several cameras have the id 'imx708@1a'"):
        choose(twins, Picamera2Options(id="imx708@1a"))


def test_no_camera_at_all_is_told() -> None:
    with pytest.raises(CameraUnavailableError, match="finds no camera: check the cable"):
        choose([], Picamera2Options())


def test_index_and_id_are_not_given_both() -> None:
    with pytest.raises(ValidationError, match="keep one of them"):
        Picamera2Options(index=0, id="x")


def test_a_tuning_file_is_set_before_the_cameras_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tuning = tmp_path / "mine.json"
    tuning.write_text('{"version": 2.0, "algorithms": []}', encoding="utf-8")
    monkeypatch.setenv(VARIABLE, "before")
    world = World((SENSORS["imx708"],))
    backend = world.backend()
    listed: list[str | None] = []
    real = backend.picamera2.global_camera_info

    def info() -> object:
        listed.append(os.environ.get(VARIABLE))
        return real()

    monkeypatch.setattr(backend.picamera2, "global_camera_info", info)
    driver = Picamera2Driver(
        options=Picamera2Options(tuning_file=tuning), clock=SystemClock(), load_backend=lambda: backend
    )
    driver.open()
    assert listed == [str(tuning)]
    assert world.camera.tuning == str(tuning)


def test_a_tuning_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"tuning file .* is not there"):
        use_tuning(tmp_path / "none.json")


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    assert "'picamera2' is not installed: apt install" in str(missing(root=tmp_path, find=lambda _: None))
    assert "no camera is connected" in str(missing(root=tmp_path, find=lambda _: object()))
    (tmp_path / "sys/class/video4linux/v4l-subdev0").mkdir(parents=True)
    assert missing(root=tmp_path, find=lambda _: object()) is None


def test_the_agent_s_process_imports_none_of_it() -> None:
    code = (
        "import sys; from edge_agent.camera.drivers.registry import entries, options_of, survey; "
        "options_of(entries()['picamera2'], {'index': 0}); survey(); "
        "print([name for name in ('av', 'numpy', 'picamera2', 'libcamera') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
