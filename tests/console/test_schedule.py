"""`edge-agent schedule show`, as people and machines see it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from edge_agent.cli import app
from edge_agent.errors import ConfigError

GARDEN = """
dawn: {cron: "0 7 * * *", profile: day}
dusk: {sun: {event: sunset, offset: "-30m"}, profile: night}
picture: {cron: "0 12 * * *", command: snapshot}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    own = tmp_path / "own"
    own.mkdir()
    (own / "garden.yaml").write_text(GARDEN)
    path = tmp_path / "config.yaml"
    path.write_text(
        f"node: {{id: porch, name: Front porch}}\nstate_dir: {tmp_path}/state\nprofiles:\n"
        f"  directories: [{own}]\n  timezone: Europe/Paris\n  latitude: 48.8566\n  longitude: 2.3522\n"
    )
    return path


def show(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(
        app,
        ["schedule", "show", "--config", str(config), "--from", "2026-10-24", *arguments],
        env={"COLUMNS": "110"},
        catch_exceptions=False,
    )


def test_a_week_in_the_terminal(config: Path) -> None:
    shown = show(config, "--days", "2")
    assert shown.exit_code == 0
    lines = [line.rstrip() for line in shown.output.splitlines()]
    assert lines[0] == "Front porch: Sat 24 Oct to Sun 25 Oct 2026"
    [saturday] = [line for line in lines if line.startswith("Sat 24 Oct")]
    # Night until seven, day until half an hour before the sunset, night.
    assert saturday == "Sat 24 Oct  " + "█" * 28 + "▓" * 45 + "█" * 23
    assert "            07:00  ▓ day  (dawn: cron 0 7 * * *)" in lines
    assert "            12:00  command snapshot  (picture: cron 0 12 * * *)" in lines
    assert "            18:14:07  █ night  (dusk: sunset - 30m)" in lines
    assert "            dawn 07:52, sunrise 08:24, sunset 18:44, dusk 19:16" in lines
    assert "            the clocks change: this day has 25 hours" in lines


@pytest.mark.parametrize("columns", ["20", "60", "80", "200"])
def test_it_fits_the_terminal(config: Path, columns: str) -> None:
    shown = CliRunner().invoke(
        app, ["schedule", "show", "--config", str(config)], env={"COLUMNS": columns}, catch_exceptions=False
    )
    assert shown.exit_code == 0
    assert all(len(line) <= int(columns) for line in shown.output.splitlines())


def test_for_machines(config: Path) -> None:
    document = json.loads(show(config, "--json", "--days", "3").output)
    assert [day["date"] for day in document["days"]] == ["2026-10-24", "2026-10-25", "2026-10-26"]


def test_a_picture_has_a_row_for_each_day(config: Path, tmp_path: Path) -> None:
    path = tmp_path / "week.png"
    assert show(config, "--png", str(path), "--days", "2").exit_code == 0
    with Image.open(path) as picture:
        assert picture.format == "PNG"

        # Just above the legend's first bar, at 03:00 and at noon: dark and light sky, night's and day's bar.
        def at(hour: float, y: int) -> tuple[int, ...]:
            return picture.convert("RGB").getpixel((170 + round(1290 * hour / 24) + 3, y))  # type: ignore[return-value]

        assert sum(at(2, 150)) < 200
        assert sum(at(12.5, 150)) > 500
        assert at(2, 225) != at(12.5, 225)
        assert at(12.5, 225) == at(16, 225)


def test_what_is_wrong_is_told_beside_the_rest(config: Path) -> None:
    (config.parent / "own/more.yaml").write_text('bad: {cron: "0 25 * * *", profile: day}\n')
    shown = show(config)
    assert shown.exit_code == 1
    assert "Sat 24 Oct" in shown.output
    assert "more.yaml, line 1: schedule 'bad': cron '0 25 * * *': hour '25'" in shown.output


def test_check_tells_what_is_wrong_in_schedules(config: Path) -> None:
    (config.parent / "own/more.yaml").write_text(
        "a:\n  cron: 0 7 * * *\n  profile: dya\n"
        "b:\n  cron: 0 7 * * *\n  command: snapshoot\n"
        "c:\n  cron: 0 7 * * *\n  command: snapshot\n  arguments: {qualty: 3}\n"
        "d:\n  cron: 0 7 30 2 *\n  profile: day\n"
        "e: {cron: 0 7 * * *, command: schedule, arguments: {action: run_now, name: a}}\n"
    )
    checked = CliRunner().invoke(app, ["check", "--config", str(config)], catch_exceptions=False)
    assert checked.exit_code == 1
    for line, said in (
        (3, "schedule 'a': profile: there is no profile 'dya'; did you mean 'day'?"),
        (6, "schedule 'b': command: there is no command 'snapshoot'; did you mean 'snapshot'?"),
        (10, "schedule 'c': arguments: there is no 'qualty'; did you mean 'quality'?"),
        (12, "schedule 'd': cron '0 7 30 2 *': there is no such day"),
        (14, "schedule 'e': arguments: a schedule that runs schedules would go in circles"),
    ):
        assert f"more.yaml, line {line}: {said}" in checked.output


def test_a_place_that_cannot_be_is_refused(config: Path) -> None:
    config.write_text(config.read_text().replace("Europe/Paris", "Europe/Pari"))
    with pytest.raises(ConfigError, match="'Europe/Pari' is not known"):
        show(config)
