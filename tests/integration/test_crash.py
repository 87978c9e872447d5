"""A short run of the crash suite over a whole agent; `make crash` is the long one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.brokers import mosquitto_executable
from tests.crash.agents import crash_agent
from tests.crash.disk import small_disk

pytestmark = [
    pytest.mark.skipif(mosquitto_executable() is None, reason="mosquitto is not installed"),
    # Many starts of a whole agent; seconds each beside other work.
    pytest.mark.timeout(300),
]


def test_what_an_agent_has_promised_is_kept_once_after_kills(tmp_path: Path) -> None:
    outcome = crash_agent(
        tmp_path, kills=6, seed=7, enough=lambda promises: promises.for_upload and promises.for_store
    )
    assert outcome.is_right, outcome
    assert outcome.kills >= 6
    assert outcome.for_upload > 0
    assert outcome.for_store > 0


def test_and_on_a_disk_that_fills(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    try:
        with small_disk(tmp_path / "disk", kib=1500) as disk:
            outcome = crash_agent(
                tmp_path,
                kills=2,
                failing=0.9,
                state=disk.path / "state",
                is_small=True,
                shortest=0.8,
                make_room=disk.grow,
                enough=lambda promises: promises.for_upload and promises.refused["disk_full"],
            )
    except OSError as error:
        pytest.skip(f"no disk can be mounted here: {error}")
    assert outcome.is_right, outcome
    assert outcome.refused["disk_full"] > 0
    assert outcome.for_upload > 0
