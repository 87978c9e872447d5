from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge_agent.errors import StorageError
from edge_agent.snapshots.files import PictureFiles

DAY = "2026/06/15"


@pytest.fixture
def files(tmp_path: Path) -> PictureFiles:
    found = PictureFiles(directory=tmp_path / "pictures")
    found.prepare()
    return found


def test_a_file_is_written_and_read_and_removed(files: PictureFiles, tmp_path: Path) -> None:
    with files.folder(DAY, create=True) as folder:
        folder.write("a.jpg", b"12345")
        folder.append("lines", b"1\n")
        folder.append("lines", b"2\n")
        assert folder.names() == {"a.jpg", "lines"}
        assert folder.size("a.jpg") == 5
        assert folder.remove("lines")
        assert not folder.remove("lines")
    assert (tmp_path / "pictures" / DAY / "a.jpg").read_bytes() == b"12345"
    assert files.days() == [DAY]


def test_half_a_line_does_not_spoil_the_next(files: PictureFiles, tmp_path: Path) -> None:
    with files.folder(DAY, create=True) as folder:
        (tmp_path / "pictures" / DAY / "lines").write_bytes(b"1\ntor")
        folder.append("lines", b"2\n")
    assert (tmp_path / "pictures" / DAY / "lines").read_bytes() == b"1\ntor\n2\n"


@pytest.mark.parametrize("day", ["../../etc", "..", "", "2026/06", "2026/06/15/16", "2026/6/15", "a/b/c"])
def test_what_is_no_day_has_no_folder(files: PictureFiles, day: str) -> None:
    with pytest.raises(FileNotFoundError), files.folder(day, create=True):
        pass


@pytest.mark.parametrize("linked", ["2026", "2026/06", "2026/06/15"])
def test_a_link_in_a_folder_s_place_leads_nowhere(files: PictureFiles, tmp_path: Path, linked: str) -> None:
    outside = tmp_path / "outside"
    (outside / "06" / "15").mkdir(parents=True)
    (outside / "15").mkdir()
    link = tmp_path / "pictures" / linked
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(outside)
    for create in (False, True):
        with pytest.raises(StorageError), files.folder(DAY, create=create):
            pass
    assert files.days() == []


def test_a_link_and_a_pipe_in_a_file_s_place_are_not_opened(files: PictureFiles, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    with files.folder(DAY, create=True) as folder:
        (tmp_path / "pictures" / DAY / "link.jpg").symlink_to(secret)
        os.mkfifo(tmp_path / "pictures" / DAY / "pipe.jpg")
        for name in ("link.jpg", "pipe.jpg"):
            with pytest.raises(StorageError):
                folder.open(name)
        with pytest.raises(StorageError):
            folder.write("link.jpg", b"overwritten")
        assert folder.names() == set()
    assert secret.read_bytes() == b"secret"


def test_empty_folders_go_and_others_stay(files: PictureFiles, tmp_path: Path) -> None:
    for day in (DAY, "2026/06/16"):
        with files.folder(day, create=True):
            pass
    (tmp_path / "pictures/2026/06/16/mine.txt").touch()
    files.prune(DAY)
    files.prune("2026/06/16")
    assert files.days() == ["2026/06/16"]
    (tmp_path / "pictures/2026/06/16/mine.txt").unlink()
    files.prune("2026/06/16")
    assert list((tmp_path / "pictures").iterdir()) == []


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="file/pictures: Not a directory"):
        PictureFiles(directory=tmp_path / "file" / "pictures").prepare()
