"""Pictures as files: `<directory>/<YYYY>/<MM>/<DD>/<name>`, whole or not at all, and none outside.

Every step goes from one open directory into the next and never through a symbolic link, so that nothing
that somebody put there leads out of the store. All of it blocks for the disk.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from edge_agent.errors import StorageError

__all__ = ["DayFolder", "PictureFiles", "day_of"]

_PARTS: Final = (re.compile(r"[0-9]{4}"), re.compile(r"[0-9]{2}"), re.compile(r"[0-9]{2}"))
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# A pipe in a file's place would block for ever.
_FILE: Final = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def day_of(id_: str) -> str:
    """Return the folder of a picture or thumbnail: `2026/11/21`."""
    return f"{id_[:4]}/{id_[4:6]}/{id_[6:8]}"


class DayFolder:
    """The open folder of one day. A missing file is FileNotFoundError, other trouble StorageError."""

    def __init__(self, descriptor: int, path: Path) -> None:
        self._descriptor = descriptor
        self._path = path

    def names(self) -> set[str]:
        """Return the names of all files, links and folders left out."""
        with self._translated("."), os.scandir(self._descriptor) as entries:
            return {entry.name for entry in entries if entry.is_file(follow_symlinks=False)}

    def size(self, name: str) -> int:
        """Return a file's size in bytes."""
        with self._translated(name):
            return os.stat(name, dir_fd=self._descriptor, follow_symlinks=False).st_size

    def exists(self, name: str) -> bool:
        """Whether anything has that name."""
        try:
            self.size(name)
        except FileNotFoundError:
            return False
        return True

    def open(self, name: str, flags: int = os.O_RDONLY) -> int:
        """Return the descriptor of a plain file."""
        with self._translated(name):
            descriptor = os.open(name, flags | _FILE, 0o640, dir_fd=self._descriptor)
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                os.close(descriptor)
                raise OSError(errno.EINVAL, "it is not a plain file")
            return descriptor

    def write(self, name: str, content: bytes) -> None:
        """Write a file and wait until the disk has its content; what was there before is gone."""
        with self._translated(name), os.fdopen(self._fresh(name), "wb", buffering=0) as file:
            view = memoryview(content)
            while view:
                view = view[file.write(view) :]
            os.fsync(file.fileno())

    def append(self, name: str, content: bytes) -> None:
        """Append lines to a file and wait until the disk has them: all of them, or none is left behind."""
        descriptor = self.open(name, os.O_RDWR | os.O_CREAT)
        with self._translated(name), os.fdopen(descriptor, "r+b", buffering=0) as file:
            end = file.seek(0, os.SEEK_END)
            # A power cut may have left half a line.
            torn = end > 0 and os.pread(descriptor, 1, end - 1) != b"\n"
            view = memoryview(b"\n" + content if torn else content)
            try:
                while view:
                    view = view[file.write(view) :]
                os.fsync(descriptor)
            except OSError:
                with contextlib.suppress(OSError):
                    os.ftruncate(descriptor, end)
                raise

    def rename(self, name: str, new_name: str) -> None:
        """Give a file another name, in place of what had it."""
        with self._translated(name):
            os.rename(name, new_name, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)

    def remove(self, name: str) -> bool:
        """Remove a file; return whether there was one."""
        with self._translated(name):
            try:
                os.unlink(name, dir_fd=self._descriptor)
            except FileNotFoundError:
                return False
        return True

    def sync(self) -> None:
        """Wait until the disk knows the names."""
        with self._translated("."):
            os.fsync(self._descriptor)

    def _fresh(self, name: str) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _FILE
        return os.open(name, flags, 0o640, dir_fd=self._descriptor)

    @contextlib.contextmanager
    def _translated(self, name: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            raise _translation(self._path / name, error) from error


class PictureFiles:
    """The store's directory."""

    def __init__(self, *, directory: Path) -> None:
        self.directory = directory

    def prepare(self) -> None:
        """Make the directory and see that it can be written to. Raises StorageError."""
        try:
            self.directory.mkdir(mode=0o750, parents=True, exist_ok=True)
            descriptor = os.open(self.directory, _DIRECTORY)
            try:
                if not os.access(".", os.W_OK | os.X_OK, dir_fd=descriptor, effective_ids=True):
                    if os.fstatvfs(descriptor).f_flag & os.ST_RDONLY:
                        raise OSError(errno.EROFS, os.strerror(errno.EROFS))
                    raise OSError(errno.EACCES, "this user may not write there")
            finally:
                os.close(descriptor)
        except OSError as error:
            raise _translation(self.directory, error) from error

    def free_bytes(self) -> int:
        """Return what may still be written. Raises StorageError."""
        try:
            found = os.statvfs(self.directory)
        except OSError as error:
            raise _translation(self.directory, error) from error
        return found.f_bavail * found.f_frsize

    @contextlib.contextmanager
    def folder(self, day: str, *, create: bool = False) -> Iterator[DayFolder]:
        """Open the folder of a day (`2026/11/21`).

        Raises FileNotFoundError where there is none, StorageError.
        """
        path = self.directory / day
        parts = day.split("/")
        try:
            descriptor = self._descend(_checked(parts), create=create)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise _translation(path, error) from error
        try:
            yield DayFolder(descriptor, path)
        finally:
            os.close(descriptor)

    def days(self) -> list[str]:
        """Return the days that have a folder, the oldest first. Raises StorageError."""
        try:
            return sorted(self._days())
        except OSError as error:
            raise _translation(self.directory, error) from error

    def prune(self, day: str) -> None:
        """Remove a day's folder and those above it as far as they are empty."""
        parts = day.split("/")
        while parts:
            name = parts.pop()
            try:
                descriptor = self._descend(parts)
                try:
                    os.rmdir(name, dir_fd=descriptor)
                finally:
                    os.close(descriptor)
            except OSError:
                return  # it holds something, or is gone: both are fine

    def _descend(self, parts: list[str], *, create: bool = False) -> int:
        descriptor = os.open(self.directory, _DIRECTORY)
        for part in parts:
            try:
                if create:
                    _make(part, descriptor)
                below = os.open(part, _DIRECTORY | os.O_NOFOLLOW, dir_fd=descriptor)
            finally:
                os.close(descriptor)
            descriptor = below
        return descriptor

    def _days(self) -> Iterator[str]:
        for year in self._folders([]):
            for month in self._folders([year]):
                for day in self._folders([year, month]):
                    yield f"{year}/{month}/{day}"

    def _folders(self, parts: list[str]) -> list[str]:
        descriptor = self._descend(parts)
        try:
            with os.scandir(descriptor) as entries:
                return [
                    entry.name
                    for entry in entries
                    if _PARTS[len(parts)].fullmatch(entry.name) and entry.is_dir(follow_symlinks=False)
                ]
        finally:
            os.close(descriptor)


def _checked(parts: list[str]) -> list[str]:
    if len(parts) != len(_PARTS) or not all(map(re.Pattern.fullmatch, _PARTS, parts)):
        raise FileNotFoundError(errno.ENOENT, "this is no day", "/".join(parts))
    return parts


def _make(name: str, parent: int) -> None:
    try:
        os.mkdir(name, 0o750, dir_fd=parent)
    except FileExistsError:
        return
    # A new folder is as lost in a power cut as a new file, unless the one above it is on the disk.
    os.fsync(parent)


def _translation(path: Path, error: OSError) -> StorageError:
    code = "disk_full" if error.errno in _FULL else None
    return StorageError(f"{path}: {error.strerror or error}", code=code, value=str(path))
