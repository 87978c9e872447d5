from __future__ import annotations

from pathlib import Path

import pytest

from tests.configuration.loader import Loader


@pytest.fixture
def read(tmp_path: Path) -> Loader:
    return Loader(tmp_path)
