from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent.camera.limits import resolve, what_is_offered
from edge_agent.camera.settings import CameraSettings
from edge_agent.errors import RefusedError
from edge_agent.profiles.feature import shipped_directory
from edge_agent.profiles.profile import Profile, Profiles, load_profiles
from edge_agent.schedules.schedule import load_schedules
from tests.camera.imx708 import IMX708


def load(tmp_path: Path, text: str | bytes) -> tuple[Profiles, list[str]]:
    (tmp_path / "p.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_profiles([tmp_path])


def test_a_profile_stands_on_what_it_extends() -> None:
    profiles = Profiles(
        [
            Profile(name="base", settings={"image": {"contrast": 1.0, "sharpness": 2.0}, "hdr": "off"}),
            Profile(name="night", extends="base", settings={"image": {"contrast": 1.5}}),
            Profile(name="storm", extends="night", settings={"exposure": {"ev": 1.0}}),
        ]
    )
    assert profiles.patch("storm") == {
        "image": {"contrast": 1.5, "sharpness": 2.0},
        "hdr": "off",
        "exposure": {"ev": 1.0},
    }
    assert profiles.names == ["base", "night", "storm"]


def test_a_loop_is_refused_and_named() -> None:
    profiles = Profiles([Profile(name="a", extends="b"), Profile(name="b", extends="a")])
    with pytest.raises(RefusedError, match="a -> b -> a") as refused:
        profiles.patch("a")
    assert refused.value.code == "profile_loop"


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    profiles = Profiles([Profile(name="night"), Profile(name="day")])
    with pytest.raises(RefusedError) as refused:
        profiles.patch("nigth")
    assert refused.value.message == "there is no profile 'nigth'; did you mean 'night'?"
    assert (refused.value.code, refused.value.allowed) == ("unknown_profile", ["day", "night"])


def test_a_later_directory_wins(tmp_path: Path) -> None:
    for place, contrast in (("shipped", 1.0), ("own", 2.0)):
        (tmp_path / place).mkdir()
        (tmp_path / place / "p.yaml").write_text(f"night: {{settings: {{image: {{contrast: {contrast}}}}}}}")
    profiles, wrong = load_profiles([tmp_path / "shipped", tmp_path / "own", tmp_path / "nowhere"])
    assert wrong == []
    assert profiles.patch("night") == {"image": {"contrast": 2.0}}


def test_what_yaml_gives_as_text_becomes_the_settings_type(tmp_path: Path) -> None:
    profiles, wrong = load(tmp_path, 'night: {settings: {exposure: {gain: "99"}}}')
    assert wrong == []
    assert profiles.patch("night") == {"exposure": {"gain": 99.0}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("night: [", "p.yaml, line 1: not YAML"),
        ("day: {}\nnight:\n  settings: {\n", "p.yaml, line 4: not YAML"),
        ("- night\n", "p.yaml: a file of profiles maps names to profiles"),
        ("night: 5\n", "p.yaml: profile 'night' is no mapping"),
        ("Night: {}\n", "p.yaml: profile 'Night': 'name' cannot be 'Night'"),
        ("night: {setings: {}}\n", "there is no 'setings'; did you mean 'settings'?"),
        ("night: {settings: {exposure: {tim_us: 1}}}\n", "there is no 'exposure.tim_us'; did you mean"),
        ("night: {settings: {image: {contrast: much}}}\n", "'image.contrast' cannot be 'much'"),
        ("night: {settings: {image: {noise_reduction: off}}}\n", "in YAML, on and off as words need quotes"),
        ("night: {settings: {exposure: {ev: .nan}}}\n", "it should be a finite number"),
        ("night: {description: 2026-13-45}\n", "p.yaml: not YAML: month must be in 1..12"),
        (b"night: \xff\n", "p.yaml: not YAML"),
        ("[" * 100_000, "p.yaml: not YAML"),
        ("night: !!python/object:os.system {}\n", "p.yaml, line 1: not YAML"),
        ("x" * (1024 * 1024 + 1), "larger than 1048576 bytes"),
        ("night: {extends: dusk}\n", "profile 'night': there is no profile 'dusk'"),
        (
            "night: {extends: night}\n",
            "profile 'night': profiles extend each other in a loop: night -> night",
        ),
        ("5: {}\n? [1]\n: {}\n", "p.yaml"),
    ],
)
def test_a_file_with_a_fault_is_told_and_the_others_hold(
    tmp_path: Path, text: str | bytes, message: str
) -> None:
    (tmp_path / "a.yaml").write_text("day: {}\n")
    (tmp_path / "z.yaml").write_text("indoor: {}\n")
    profiles, wrong = load(tmp_path, text)
    assert len(wrong) == 1
    assert message in wrong[0]
    assert len(wrong[0]) < 1000
    assert {"day", "indoor"} <= set(profiles.names)


def test_an_empty_file_holds_nothing(tmp_path: Path) -> None:
    profiles, wrong = load(tmp_path, "# nothing yet\n")
    assert (profiles.names, wrong) == ([], [])


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").mkdir()
    _, wrong = load_profiles([tmp_path])
    assert wrong == [f"{tmp_path / 'p.yaml'}: Is a directory"]


def test_what_is_shipped_is_without_faults() -> None:
    place = shipped_directory()
    assert place is not None
    profiles, wrong = load_profiles([place / "profiles"])
    assert wrong == []
    assert {"day", "night"} <= set(profiles.names)
    schedules, wrong = load_schedules([place])
    assert wrong == []
    assert schedules
    assert {schedule.profile for schedule in schedules} <= set(profiles.names)


@pytest.mark.parametrize("name", ["day", "night"])
def test_the_shipped_profiles_fit_a_camera_module_3(name: str) -> None:
    place = shipped_directory()
    assert place is not None
    profiles, _ = load_profiles([place / "profiles"])
    current = CameraSettings()
    patch, left_out = what_is_offered(profiles.patch(name), current=current, capabilities=IMX708)
    assert left_out == {}
    assert resolve(patch, current=current, capabilities=IMX708).clamped == {}
