"""The spool on disk: each upload is a record `<ticket>.json` and its picture, both there or neither.

The order of writing is what makes a kill or a power cut harmless at any point: first the picture and what
is to be its record, whole, then the record's name by renaming, then the directory. Removing goes the other
way: first the record, then, when that is on disk for good, the picture. So a picture without a record is one
that nobody was promised, or one that is done with, and is swept at the next start.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final

from edge_agent.errors import RefusedError, StorageError
from edge_agent.snapshots.upload.record import MAX_RECORD_BYTES, TICKET, Record

__all__ = ["Found", "Spool", "Writing"]

logger = logging.getLogger(__name__)

_RECORD: Final = ".json"
_UNFINISHED: Final = ".new"
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
# What says nothing about the file itself: too many are open, there is no memory.
_PASSING: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR, errno.EAGAIN})
_CHUNK: Final = 1024 * 1024
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Writing:
    """An upload on its way to the disk, and its open files."""

    record: Record
    files: tuple[int, ...]

    def close(self) -> None:
        """Close the files."""
        for descriptor in self.files:
            os.close(descriptor)


@dataclass(slots=True)
class Found:
    """What a start finds. `damaged` are the tickets that were set aside now, `aside` how many lie there."""

    records: list[Record] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    aside: int = 0


class Spool:
    """Everything here blocks for the disk, may be called from any thread, and raises StorageError.

    `store` is the directory under which pictures may be linked into the spool; None allows any.
    """

    def __init__(self, *, directory: Path, store: Path | None = None) -> None:
        self.directory = directory
        self.aside = directory / "damaged"
        self._prefix = f"{directory}{os.sep}"
        self._store = store

    def open(self) -> Found:
        """Read what is there; what is damaged is set aside, what is left over is swept."""
        found = Found()
        with self._translated("read"):
            _make_directory(self.directory)
            names = sorted(os.listdir(self.directory))  # noqa: PTH208 - only the names
        pictures = {
            name for name in names if TICKET.match(name) and not name.endswith((_RECORD, _UNFINISHED))
        }
        for name in names:
            if name.endswith(_UNFINISHED):
                self._sweep(name)
            elif name.endswith(_RECORD):
                ticket = name.removesuffix(_RECORD)
                try:
                    record = self.read(ticket)
                    self.check(record)
                except StorageError as error:
                    logger.warning("The upload %s is damaged and set aside: %s", ticket[:80], error.message)
                    own = {picture for picture in pictures if picture.startswith(f"{ticket}.")}
                    pictures -= own
                    if error.code != "storage_failed":
                        self._move_aside([name, *own])
                    found.damaged.append(ticket)
                else:
                    pictures.discard(record.content_name)
                    found.records.append(record)
        for name in pictures:
            self._sweep(name)
        found.aside = self._count_aside()
        return found

    def begin(self, record: Record, content: bytes | Path) -> Writing:
        """Begin to put a picture and its record down; to be flushed, then published, then synced."""
        files: list[int] = []
        try:
            with self._translated("keep"):
                for path, bring in (
                    (self._content(record), partial(self._bring, content, record.picture.size_bytes)),
                    (self._unfinished(record.ticket), partial(_create, record.encoded())),
                ):
                    files.append(_anew(path, bring))
                    # It starts the writing, and lets go of what is written, which nobody reads soon.
                    os.posix_fadvise(files[-1], 0, 0, os.POSIX_FADV_DONTNEED)
        except BaseException:
            Writing(record, tuple(files)).close()
            raise
        return Writing(record, tuple(files))

    def flush(self, writing: Writing) -> None:
        """Wait until the disk has a picture and its record whole, and close them."""
        with self._translated("keep"), contextlib.closing(writing):
            for descriptor in writing.files:
                os.fsync(descriptor)

    def publish(self, writing: Writing) -> None:
        """Give a record that was flushed its name; for good only with the next `sync`."""
        with self._translated("keep"):
            ticket = writing.record.ticket
            _rename(self._unfinished(ticket), self._path(ticket))

    def write(self, record: Record, content: bytes | Path) -> None:
        """Put a picture and its record down, each of them whole; for good only with the next `sync`."""
        writing = self.begin(record, content)
        self.flush(writing)
        self.publish(writing)

    def rewrite(self, record: Record) -> None:
        """Replace a record; for good only with the next `sync`."""
        unfinished = self._unfinished(record.ticket)
        with self._translated("keep"), contextlib.ExitStack() as stack:
            file = _anew(unfinished, partial(_create, record.encoded()))
            stack.callback(os.close, file)
            os.fsync(file)
            _rename(unfinished, self._path(record.ticket))

    def sync(self) -> None:
        """Make everything that was published or removed so far outlive a power cut."""
        with self._translated("keep"):
            _sync(self.directory, os.O_DIRECTORY)

    def read(self, ticket: str) -> Record:
        """Return a record. Raises StorageError `record_damaged`, too."""
        if TICKET.fullmatch(ticket) is None:
            raise StorageError("its name is no upload's", code="record_damaged")
        try:
            descriptor = os.open(self._path(ticket), _READ)
            with os.fdopen(descriptor, "rb") as file:
                content = file.read(MAX_RECORD_BYTES + 1)
        except OSError as error:
            raise _unreadable("record", error) from error
        return Record.decoded(content, ticket=ticket)

    def open_content(self, record: Record) -> int:
        """Return a descriptor of the picture. Raises StorageError `content_damaged` where it is not whole."""
        try:
            descriptor = os.open(self._content(record), _READ)
        except OSError as error:
            raise _unreadable("content", error) from error
        size = os.fstat(descriptor).st_size
        if size != record.picture.size_bytes:
            os.close(descriptor)
            raise StorageError(
                f"its picture has {size} bytes in place of {record.picture.size_bytes}",
                code="content_damaged",
            )
        return descriptor

    def check(self, record: Record) -> None:
        """Raise StorageError `content_damaged` where the picture is missing or cut short."""
        os.close(self.open_content(record))

    def remove(self, uploads: Mapping[str, str]) -> None:
        """Remove uploads, tickets with the names of their pictures, for good."""
        with self._translated("clear"):
            for ticket in uploads:
                _unlink(self._path(ticket))
        self.sync()
        for name in uploads.values():
            self._sweep(name)

    def forget(self, ticket: str) -> None:
        """Remove a record, for good only with the next `sync`; a disk that refuses tells `remove`."""
        with contextlib.suppress(OSError):
            _unlink(self._path(ticket))

    def discard(self, record: Record) -> None:
        """Remove what is left of an upload that was not taken on."""
        for path in (self._path(record.ticket), self._unfinished(record.ticket), self._content(record)):
            with contextlib.suppress(OSError):
                _unlink(path)

    def set_aside(self, ticket: str, content_name: str) -> None:
        """Move a damaged upload out of the way."""
        self._move_aside([f"{ticket}{_RECORD}", content_name])

    def free_bytes(self) -> int:
        """Return the bytes that are free on the disk."""
        with self._translated("measure"):
            return shutil.disk_usage(self.directory).free

    def _path(self, ticket: str) -> str:
        return f"{self._prefix}{ticket}{_RECORD}"

    def _unfinished(self, ticket: str) -> str:
        return f"{self._prefix}{ticket}{_UNFINISHED}"

    def _content(self, record: Record) -> str:
        return self._prefix + record.content_name

    def _bring(self, content: bytes | Path, size_bytes: int, picture: str) -> int:
        """Bring a picture into the spool, and return its descriptor; it is yet to be waited for."""
        if isinstance(content, bytes):
            return _create(content, picture)
        return self._link(content, picture, size_bytes)

    def _link(self, source: Path, picture: str, size_bytes: int) -> int:
        """Take the store's file: the same bytes under a second name, so that a card is written once."""
        if self._store is not None and not source.resolve().is_relative_to(self._store.resolve()):
            raise RefusedError(f"{source} is not a file of the store {self._store}", code="outside_the_store")
        found = os.lstat(source)
        if not stat.S_ISREG(found.st_mode):
            raise RefusedError(f"{source} is not a plain file", code="outside_the_store")
        if found.st_size != size_bytes:
            raise RefusedError(
                f"{source} has {found.st_size} bytes, its picture {size_bytes}", field="content"
            )
        try:
            os.link(source, picture, follow_symlinks=False)
        except OSError as error:
            if error.errno not in {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP}:
                raise
            return _copy(source, picture)
        # It is waited for, too: the store need not have done so.
        return os.open(picture, _READ)

    def _sweep(self, name: str) -> None:
        try:
            _unlink(self._prefix + name)
        except OSError as error:
            logger.warning("The leftover %s stays in the spool: %s", name[:80], error.strerror)

    def _move_aside(self, names: Iterable[str]) -> None:
        try:
            self.aside.mkdir(mode=0o700, exist_ok=True)
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    (self.directory / name).replace(self.aside / name)
        except OSError as error:
            # Then it stays, is passed over in this run and told again at the next start.
            logger.warning("A damaged upload cannot be set aside: %s", error)

    def _count_aside(self) -> int:
        try:
            return sum(name.endswith(_RECORD) for name in os.listdir(self.aside))  # noqa: PTH208 - only the names
        except OSError:
            return 0

    def _translated(self, doing: str) -> _Translated:
        return _Translated(doing, self.directory)


class _Translated:
    """Raises StorageError in place of what the system says; a generator would take four times as long."""

    __slots__ = ("_directory", "_doing")

    def __init__(self, doing: str, directory: Path) -> None:
        self._doing = doing
        self._directory = directory

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, OSError):
            code = "disk_full" if error.errno in _FULL else "storage_failed"
            raise StorageError(
                f"cannot {self._doing} uploads in {self._directory}: {error.strerror or error}",
                code=code,
                value=str(self._directory),
            ) from error


def _unreadable(what: str, error: OSError) -> StorageError:
    code = "storage_failed" if error.errno in _PASSING else f"{what}_damaged"
    return StorageError(f"its {what} cannot be read: {error.strerror}", code=code)


def _make_directory(directory: Path) -> None:
    """Make a directory and those above it so that a power cut does not take them away again."""
    if directory.is_dir():
        return
    _make_directory(directory.parent)
    directory.mkdir(mode=0o700, exist_ok=True)
    _sync(directory.parent, os.O_DIRECTORY)


def _anew(path: str, bring: Callable[[str], int]) -> int:
    """Return a new file. One of an earlier run is never opened for writing: it may be the store's own."""
    try:
        return bring(path)
    except FileExistsError:
        _unlink(path)
        return bring(path)


def _create(content: bytes, path: str) -> int:
    descriptor = os.open(path, _NEW, 0o600)
    try:
        _write(descriptor, content)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _copy(source: Path, path: str) -> int:
    reading = os.open(source, _READ)
    with os.fdopen(reading, "rb") as original:
        descriptor = os.open(path, _NEW, 0o600)
        try:
            while chunk := original.read(_CHUNK):
                _write(descriptor, chunk)
        except BaseException:
            os.close(descriptor)
            raise
    return descriptor


def _write(descriptor: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


# Paths as texts: there are several to each picture, and a Path takes longer than the kernel does.
def _unlink(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)  # noqa: PTH108 - see above


def _rename(path: str, to: str) -> None:
    os.rename(path, to)  # noqa: PTH104 - see above


def _sync(path: Path, flags: int = 0) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
