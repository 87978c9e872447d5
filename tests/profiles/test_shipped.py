"""What is shipped in schedules/ is installed with the package, too."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_shipped_file_is_installed() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        data_files = tomllib.load(file)["tool"]["setuptools"]["data-files"]
    installed = {
        path for patterns in data_files.values() for pattern in patterns for path in ROOT.glob(pattern)
    }
    assert installed == {path for path in (ROOT / "schedules").rglob("*") if path.is_file()}
