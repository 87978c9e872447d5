"""A short run of the crash suite; `make crash` is the long one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import pytest

from tests.crash.disk import small_disk
from tests.crash.suite import crash


@pytest.mark.parametrize(("method", "kills"), [("PUT", 30), ("POST", 10)])
def test_what_was_promised_is_on_the_server_once_after_kills(
    tmp_path: Path, method: Literal["PUT", "POST"], kills: int
) -> None:
    outcome = crash(tmp_path, kills=kills, method=method, at_least=kills)
    assert outcome.is_right, outcome
    assert outcome.kills >= kills
    assert outcome.promised >= kills


def test_and_on_a_disk_that_fills(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    try:
        with small_disk(tmp_path / "disk", kib=1000) as disk:
            outcome = crash(tmp_path, kills=10, spool=disk.path / "spool", failing=0.95)
    except OSError as error:
        pytest.skip(f"no disk can be mounted here: {error}")
    assert outcome.is_right, outcome
    assert outcome.refused["disk_full"] > 0
    assert outcome.promised > 0
