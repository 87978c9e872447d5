from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from edge_agent.errors import RefusedError, StorageError
from edge_agent.profiles.library import Library, load_profiles
from edge_agent.profiles.profile import Definition, Profiles


def load(tmp_path: Path, text: str | bytes) -> tuple[Profiles, list[str]]:
    (tmp_path / "p.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_profiles([(tmp_path, "file")])


def library(tmp_path: Path) -> Library:
    found = Library(directories=[tmp_path / "own"], saved=tmp_path / "saved")
    found.load()
    return found


def test_a_later_directory_wins(tmp_path: Path) -> None:
    for place, contrast in (("shipped", 1.0), ("own", 2.0)):
        (tmp_path / place).mkdir()
        (tmp_path / place / "p.yaml").write_text(f"night: {{settings: {{image: {{contrast: {contrast}}}}}}}")
    profiles, wrong = load_profiles(
        [(tmp_path / "shipped", "shipped"), (tmp_path / "own", "file"), (tmp_path / "nowhere", "file")]
    )
    assert wrong == []
    assert profiles.wanted("night").patch == {"image": {"contrast": 2.0}}
    assert profiles.find("night").source == "file"


def test_what_yaml_gives_as_text_becomes_the_settings_type(tmp_path: Path) -> None:
    profiles, wrong = load(tmp_path, 'night: {settings: {exposure: {ev: "1.5", flicker: off}}}')
    assert wrong == []
    assert profiles.wanted("night").patch == {"exposure": {"ev": 1.5, "flicker": "off"}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("night: [", "p.yaml, line 1: this is not valid YAML"),
        ("day: {}\nnight:\n  settings: {\n", "p.yaml, line 4: this is not valid YAML"),
        ("- night\n", "p.yaml: a file of profiles maps names to profiles"),
        ("\nnight: 5\n", "p.yaml, line 2: profile 'night': "),
        ("day: {}\nNight: {}\n", "p.yaml, line 2: a profile cannot be named 'Night'"),
        ("defaults: {}\n", "p.yaml, line 1: a profile cannot be named 'defaults': that one is built in"),
        (
            "night:\n  setings: {}\n",
            "p.yaml, line 2: profile 'night': unknown key 'night.setings'; did you mean 'settings'?",
        ),
        (
            "dusk: {}\nnight:\n  settings:\n    exposure: {tim_us: 1}\n",
            "p.yaml, line 4: profile 'night': unknown key 'night.settings.exposure.tim_us'; did you mean",
        ),
        (
            "night:\n  settings:\n    image:\n      contrast: much\n",
            "p.yaml, line 4: profile 'night': 'settings.image.contrast' must be a number, not 'much'",
        ),
        ("night:\n  settings: {exposure: {mode: atuo}}\n", "did you mean 'auto'?"),
        ("night: {settings: {exposure: {ev: .nan}}}\n", "'settings.exposure.ev' must be"),
        ("night: {settings: {image: {contrast: null}}}\n", "'settings.image.contrast' must be a number"),
        ("night:\n  reset: [vdeo.fps]\n", "p.yaml, line 2: profile 'night': 'reset': there is no setting"),
        (b"night: \xff\n", "p.yaml, line 1: this is not UTF-8"),
        ("[" * 100_000, "p.yaml"),
        ("night: !!python/object:os.system {}\n", "p.yaml, line 1"),
        ("x" * (1024 * 1024 + 1), "larger than 1048576 bytes"),
        (
            "night:\n  extends: dusk\n",
            "p.yaml, line 2: profile 'night', 'extends': there is no profile 'dusk'",
        ),
        (
            "night:\n  description: Dark\n  extends: night\n",
            "line 3: profile 'night', 'extends': profiles extend each other in a loop: night -> night",
        ),
        ("day: {}\nnight: {}\nnight: {}\n", "p.yaml, line 3: profile 'night': 'night' is given twice"),
        ("? [1]\n: {}\n", "p.yaml, line 1"),
    ],
)
def test_a_fault_is_told_with_line_and_key_and_the_others_hold(
    tmp_path: Path, text: str | bytes, message: str
) -> None:
    (tmp_path / "a.yaml").write_text("day: {}\n")
    (tmp_path / "z.yaml").write_text("indoor: {}\n")
    profiles, wrong = load(tmp_path, text)
    assert len(wrong) == 1
    assert message in wrong[0]
    assert len(wrong[0]) < 1000
    assert {"day", "indoor"} <= set(profiles.names)


def test_one_with_a_fault_is_left_out_and_the_others_of_its_file_hold(tmp_path: Path) -> None:
    text = "a: {}\nb: {setings: {}}\nc:\n  settings: {image: {contrast: much}}\nd: {}\n"
    profiles, wrong = load(tmp_path, text)
    assert profiles.names == ["a", "d", "defaults"]
    assert len(wrong) == 2


def test_an_empty_file_holds_nothing(tmp_path: Path) -> None:
    profiles, wrong = load(tmp_path, "# nothing yet\n")
    assert (profiles.names, wrong) == (["defaults"], [])


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").mkdir()
    _, wrong = load_profiles([(tmp_path, "file")])
    assert wrong == [f"{tmp_path / 'p.yaml'}: Is a directory"]


def test_what_is_saved_is_a_file_that_people_can_read(tmp_path: Path) -> None:
    definition = Definition.model_validate(
        {"description": "Grün", "extends": "day", "settings": {"exposure": {"flicker": "off"}}}
    )
    library(tmp_path).save({"mine": definition})
    text = (tmp_path / "saved/mine.yaml").read_text()
    assert text.startswith("# Saved by command")
    assert yaml.safe_load(text) == {"mine": definition.document()}
    again = library(tmp_path).profiles.find("mine")
    assert (again.definition, again.source) == (definition, "saved")


def test_there_are_not_more_than_can_be_kept(tmp_path: Path) -> None:
    many = library(tmp_path)
    with pytest.raises(RefusedError, match="201 profiles would be saved, 200 at most") as refused:
        many.save({f"p{number}": Definition() for number in range(201)})
    assert refused.value.code == "too_many"
    assert not (tmp_path / "saved").exists()


def test_a_disk_that_refuses_loses_nothing(tmp_path: Path) -> None:
    (tmp_path / "saved").write_text("")
    broken = library(tmp_path)
    before = broken.profiles.names
    with pytest.raises(StorageError):
        broken.save({"mine": Definition()})
    assert broken.profiles.names == before


def test_one_in_a_file_that_no_command_wrote_is_not_deleted(tmp_path: Path) -> None:
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved/copied.yaml").write_text("mine: {}\n")
    with pytest.raises(RefusedError, match=r"it stands in .*copied\.yaml, line 1, which"):
        library(tmp_path).delete("mine")
