from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent.errors import RefusedError, StorageError
from edge_agent.schedules.store import MAX_SAVED, Saved, Store
from tests.schedules.places import NOWHERE, planned


def store(path: Path) -> Store:
    opened = Store(path=path / "schedules.d/saved.json")
    assert opened.load() is None
    return opened


def test_what_is_saved_is_there_after_a_restart_with_its_version(tmp_path: Path) -> None:
    first = store(tmp_path)
    schedule = planned(
        NOWHERE, name="dusk", cron="0 20 * * *", until="12-24", misfire={"run_if_within": "5m"}
    ).schedule
    first.put(schedule)
    first.switch("dawn", enabled=False)
    again = store(tmp_path)
    assert again.saved.version == 2
    assert again.saved.schedules == {"dusk": schedule}
    assert again.saved.switches == {"dawn": False}
    again.switch("dusk", enabled=False)
    again.drop("dawn")
    assert not store(tmp_path).saved.schedules["dusk"].enabled
    assert store(tmp_path).saved.switches == {}
    again.drop("dusk")
    assert (store(tmp_path).saved.schedules, store(tmp_path).saved.version) == ({}, 5)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'{"version": 1}',
        b'{"version": -1, "schedules": {}}',
        b'{"version": 1, "schedules": {"x": {"cron": 7}}}',
        b'{"version": 1, "schedules": {"x": 7}}',
        b"[" * 100_000,
    ],
)
def test_what_is_damaged_is_set_aside_and_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "schedules.d/saved.json"
    path.parent.mkdir()
    path.write_bytes(content)
    damaged = Store(path=path)
    assert "it was damaged and is set aside as saved.damaged" in (damaged.load() or "")
    assert (path.parent / "saved.damaged").read_bytes() == content
    damaged.put(planned(NOWHERE, name="x", cron="0 7 * * *").schedule)
    assert store(tmp_path).saved.version == 1


def test_a_disk_that_refuses_changes_nothing(tmp_path: Path) -> None:
    opened = store(tmp_path)
    (tmp_path / "schedules.d").write_text("")
    with pytest.raises(StorageError):
        opened.put(planned(NOWHERE, name="x", cron="0 7 * * *").schedule)
    assert (opened.saved.schedules, opened.saved.version) == ({}, 0)


def test_a_version_that_is_not_the_present_one_is_refused(tmp_path: Path) -> None:
    opened = store(tmp_path)
    opened.switch("dawn", enabled=False)
    opened.require(None)
    opened.require(1)
    with pytest.raises(RefusedError, match="at version 1, not 0: somebody else changed them") as refused:
        opened.require(0)
    assert (refused.value.code, refused.value.allowed) == ("version_conflict", 1)


def test_there_is_an_end_to_what_is_saved(tmp_path: Path) -> None:
    opened = store(tmp_path)
    schedule = planned(NOWHERE, name="s0", cron="0 7 * * *").schedule
    opened.saved = Saved(schedules={f"s{number}": schedule for number in range(MAX_SAVED)})
    with pytest.raises(RefusedError, match="delete one first"):
        opened.put(planned(NOWHERE, name="one-more", cron="0 7 * * *").schedule)
    opened.put(planned(NOWHERE, name="s7", cron="0 8 * * *").schedule)
    assert store(tmp_path).saved.schedules["s7"].cron == "0 8 * * *"
