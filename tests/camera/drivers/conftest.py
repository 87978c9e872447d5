"""Clips that several tests play."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.camera.drivers.clips import make_clip


@pytest.fixture(scope="module")
def passable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clips") / "passable.mp4")


@pytest.fixture(scope="module")
def reordered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clips") / "reordered.mp4", b_frames=2)


@pytest.fixture(scope="module")
def mpeg4(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clips") / "mpeg4.avi", codec="mpeg4")
