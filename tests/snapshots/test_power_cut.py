"""A kill or a power cut at any point: what was said to be stored, locked or deleted is so afterwards."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge_agent.snapshots.index import Query
from tests.snapshots.gallery import content, files_in, picture
from tests.snapshots.killed_writer import new_shelf

_KILLS = 40


def test_a_kill_at_any_moment_loses_nothing_that_was_said(tmp_path: Path) -> None:
    program = [sys.executable, "-m", "tests.snapshots.killed_writer", str(tmp_path), str(_KILLS)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said.keys() >= {"stored", "locked", "deleted"}
    assert sum(said.values()) > _KILLS


class Disk:
    """What a power cut would leave: contents as of their last fsync, names as of their folder's.

    `check` is called for each such state, with the directory in which it was laid out.
    """

    def __init__(self, root: Path, scratch: Path, check: Callable[[Path], None]) -> None:
        self._root = root
        self._scratch = scratch
        self._check = check
        self._contents: dict[int, bytes] = {}
        self._names: dict[Path, dict[str, int]] = {}
        self._fsync = os.fsync
        self.states = 0

    def fsync(self, descriptor: int) -> None:
        self._fsync(descriptor)
        found = os.fstat(descriptor)
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if stat.S_ISDIR(found.st_mode):
            self._names[path] = {entry.name: entry.inode() for entry in os.scandir(path)}
        else:
            self._contents[found.st_ino] = path.read_bytes()
        self.cut()

    def cut(self) -> None:
        """Have the power fail here."""
        self.states += 1
        for with_index in (True, False):
            left = self._scratch / f"{self.states}-{with_index}"
            self._lay_out(self._root / "pictures", left / "pictures")
            if with_index:
                for file in self._root.glob("index.sqlite3*"):
                    shutil.copy(file, left)
            self._check(left)
            shutil.rmtree(left)

    def _lay_out(self, source: Path, target: Path) -> None:
        target.mkdir(parents=True)
        for name, inode in self._names.get(source, {}).items():
            if (source / name) in self._names or (source / name).is_dir():
                self._lay_out(source / name, target / name)
            else:
                (target / name).write_bytes(self._contents.get(inode, b""))


def test_a_power_cut_at_any_point_loses_nothing_that_was_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: dict[str, dict[str, Any]] = {}
    gone: set[str] = set()
    under_way: set[str] = set()

    def check(left: Path) -> None:
        shelf = new_shelf(left)
        shelf.open()
        for day in shelf.days():
            for _ in shelf.compare(day):
                pass
        found = {each.id: each for each in shelf.newest(Query(), limit=100)}
        shelf.close()
        for id_, promised in said.items():
            if id_ not in under_way:
                assert {key: getattr(found[id_], key) for key in promised} == promised
        assert not gone & found.keys()
        assert files_in(left) == {each.file_name for each in found.values()}
        for each in found.values():
            file = next((left / "pictures").rglob(each.file_name))
            assert hashlib.sha256(file.read_bytes()).hexdigest() == each.sha256

    root = tmp_path / "store"
    disk = Disk(root, tmp_path / "after", check)
    monkeypatch.setattr(os, "fsync", disk.fsync)
    shelf = new_shelf(root)
    shelf.open()
    for number in range(0, 200_000, 40_000):  # over several days
        taken = content(number)
        new = picture(number, taken, reason="why")
        shelf.add(new, taken)
        said[new.id] = {"sha256": new.sha256, "reason": "why", "locked": False}
        disk.cut()
    for id_ in list(said)[:3]:
        under_way.add(id_)
        shelf.lock([id_], locked=True)
        said[id_]["locked"] = True
        under_way.clear()
        disk.cut()
    for id_ in list(said)[2:]:
        under_way.add(id_)
        del said[id_]
        shelf.delete([id_], force=True)
        gone.add(id_)
        disk.cut()
    shelf.close()
    assert disk.states > 30
