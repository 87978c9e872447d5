from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

import pytest

from edge_agent.errors import StorageError
from edge_agent.storage import Remembered, set_aside_in, write_atomically


def names(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir())


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep/er/file.json"
    write_atomically(path, b"old")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert names(path.parent) == ["file.json"]


@pytest.mark.parametrize("step", ["replace", "fsync"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_interruption_leaves_the_old_file_and_no_rubbish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException
) -> None:
    path = tmp_path / "file.json"
    write_atomically(path, b"old")

    def interrupt(*_: Any) -> None:
        raise error

    monkeypatch.setattr(os, step, interrupt)
    with pytest.raises((StorageError, KeyboardInterrupt)) as raised:
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file.json"]
    if isinstance(error, OSError):
        assert "file.json: No space left on device" in str(raised.value)


def test_a_place_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"file/x\.json") as refused:
        write_atomically(tmp_path / "file/x.json", b"new")
    assert refused.value.value == str(tmp_path / "file/x.json")
    with pytest.raises(StorageError):
        write_atomically(tmp_path, b"new")


def test_a_file_is_its_owners_unless_said_otherwise(tmp_path: Path) -> None:
    write_atomically(tmp_path / "own", b"")
    write_atomically(tmp_path / "open", b"", mode=0o644)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("own", "open")] == [0o600, 0o644]


def remembered(tmp_path: Path, configured: Any = True) -> Remembered:
    return Remembered(path=tmp_path / "value.json", configured=configured)


def test_what_was_remembered_outlives_a_restart(tmp_path: Path) -> None:
    assert remembered(tmp_path).value() is True
    remembered(tmp_path).remember(value=False)
    assert remembered(tmp_path).value() is False


def test_an_edited_configuration_wins(tmp_path: Path) -> None:
    remembered(tmp_path, {"mode": "auto"}).remember({"mode": "night"})
    assert remembered(tmp_path, {"mode": "auto"}).value() == {"mode": "night"}
    assert remembered(tmp_path, {"mode": "day"}).value() == {"mode": "day"}


def test_a_file_cut_at_any_byte_leaves_the_configured_value(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    remembered(tmp_path, "configured").remember("remembered")
    path = tmp_path / "value.json"
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert remembered(tmp_path, "configured").value() == "configured"


@pytest.mark.parametrize(
    "content", [b"null", b"5", b"[]", b"{}", b'{"configured": true}', b"[" * 100_000, b"\xff"]
)
def test_a_damaged_file_is_told(tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "value.json").write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert remembered(tmp_path).value() is True
    assert "value.json is damaged and set aside" in caplog.text
    assert set_aside_in(tmp_path).keys() == {tmp_path / "value.json.damaged"}
    assert (tmp_path / "value.json.damaged").read_bytes() == content


def test_what_is_written_is_json(tmp_path: Path) -> None:
    remembered(tmp_path).remember({"a": [1]})
    assert json.loads((tmp_path / "value.json").read_bytes()) == {"configured": True, "value": {"a": [1]}}
