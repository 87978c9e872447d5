"""What is in the store, in a form that can be asked: an SQLite file that the pictures can always make anew.

It is kept cheap for a memory card: a commit waits for no disk (a power cut takes back the last ones, and
the next start compares with the files), but for that of a lock, which no comparison of names would find.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import ValidationError

from edge_agent.errors import StorageError
from edge_agent.snapshots.limits import Excess, Totals
from edge_agent.snapshots.picture import PICTURE_ID, Picture, PictureFormat

__all__ = ["DAMAGED", "Index", "Loose", "Query"]

# The code of the error that `Index.discard` and a look at all files are the answer to.
DAMAGED: Final = "index_damaged"

_VERSION: Final = 1
# A search reads the narrow table only.
_SCHEMA: Final = """
CREATE TABLE pictures (
    id TEXT PRIMARY KEY, size_bytes INTEGER NOT NULL, thumbnail_bytes INTEGER NOT NULL DEFAULT 0,
    locked INTEGER NOT NULL, format TEXT NOT NULL, reason TEXT
) WITHOUT ROWID;
CREATE TABLE records (id TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID;
"""
_PRAGMAS: Final = (
    "locking_mode = EXCLUSIVE",  # one agent, and no shared memory, which not every disk can
    "journal_mode = WAL",
    "synchronous = NORMAL",
    "cache_size = -1024",
    "journal_size_limit = 1048576",
    "temp_store = MEMORY",
)
_WAIT_S: Final = 1.0
_OURS_TO_MEND: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR})
# Codes carry details in their upper bits.
_PRIMARY: Final = 0xFF


@dataclass(frozen=True, kw_only=True)
class Query:
    """Which pictures: ids below `before` and above `after` (any text), and what else must be so."""

    before: str | None = None
    after: str | None = None
    format: str | None = None
    locked: bool | None = None
    reason: str | None = None

    def where(self) -> tuple[str, list[Any]]:
        """Return the condition and its values."""
        conditions = {
            "p.id < ?": self.before,
            "p.id > ?": self.after,
            "format = ?": self.format,
            "locked = ?": self.locked,
            "reason = ?": self.reason,
        }
        asked = {condition: value for condition, value in conditions.items() if value is not None}
        return " AND ".join(asked) or "TRUE", list(asked.values())


@dataclass(frozen=True, slots=True)
class Loose:
    """A picture that may be deleted, and what that frees."""

    id: str
    format: PictureFormat
    size_bytes: int


class Index:
    """One connection, for one thread. Raises StorageError, with the code `index_damaged` where it is that."""

    def __init__(self, *, path: Path) -> None:
        self._path = path
        self._database: sqlite3.Connection | None = None
        self.totals = Totals()

    def open(self) -> None:
        """Open or make it."""
        self.close()
        with self._translated():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # What else it makes has the mode of this.
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self._database = sqlite3.connect(self._path, isolation_level=None, timeout=_WAIT_S)
            for pragma in _PRAGMAS:
                self._database.execute(f"PRAGMA {pragma}")
            (version,) = self._row("PRAGMA user_version")
            (tables,) = self._row("SELECT COUNT(*) FROM sqlite_schema")
            if version != _VERSION and (version or tables):
                raise StorageError(f"{self._path} is of another version ({version})", code=DAMAGED)
            if version == 0:
                self._database.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT")
            (fault,) = self._row("PRAGMA quick_check(1)")
            if fault != "ok":
                raise StorageError(f"{self._path} is damaged: {fault}", code=DAMAGED)
            self._count()

    def close(self) -> None:
        """Close it; nothing happens where it is not open."""
        database, self._database = self._database, None
        if database is not None:
            with contextlib.suppress(sqlite3.Error):
                database.close()

    def discard(self) -> None:
        """Close it and remove its files, so that it can be made anew. Raises StorageError."""
        self.close()
        self.totals = Totals()
        with self._translated():
            for suffix in ("", "-wal", "-shm", "-journal"):
                Path(f"{self._path}{suffix}").unlink(missing_ok=True)

    # ---- asking

    def find(self, id_: str) -> Picture | None:
        """Return a picture."""
        with self._translated():
            row = self._connection.execute("SELECT record FROM records WHERE id = ?", (id_,)).fetchone()
            return Picture.model_validate_json(row[0]) if row else None

    def newest(self, query: Query, *, limit: int) -> list[Picture]:
        """Return pictures, the newest first."""
        where, values = query.where()
        with self._translated():
            rows = self._connection.execute(
                f"SELECT record FROM records WHERE id IN (SELECT p.id FROM pictures p WHERE {where} "  # noqa: S608 - fixed words
                "ORDER BY p.id DESC LIMIT ?) ORDER BY id DESC",
                (*values, limit),
            )
            return [Picture.model_validate_json(record) for (record,) in rows]

    def ids(self, day: str) -> set[str]:
        """Return the ids of a day (`2026/11/21`)."""
        first = day.replace("/", "")
        with self._translated():
            rows = self._connection.execute(
                "SELECT id FROM pictures WHERE id >= ? AND id < ?", (f"{first}T", f"{first}U")
            )
            return {row[0] for row in rows}

    def day_count(self, day: str) -> int:
        """Return how many pictures a day has."""
        first = day.replace("/", "")
        with self._translated():
            (count,) = self._row(
                "SELECT COUNT(*) FROM pictures WHERE id >= ? AND id < ?", f"{first}T", f"{first}U"
            )
            return int(count)

    def has_day(self, day: str) -> bool:
        """Whether a day has any picture."""
        first = day.replace("/", "")
        with self._translated():
            return (
                self._row("SELECT 1 FROM pictures WHERE id >= ? AND id < ? LIMIT 1", f"{first}T", f"{first}U")
                is not None
            )

    def days(self) -> list[str]:
        """Return the days that have pictures, the oldest first."""
        found: list[str] = []
        with self._translated():
            row = self._row("SELECT MIN(id) FROM pictures")
            while row[0] is not None:
                day = row[0][:8]
                found.append(f"{day[:4]}/{day[4:6]}/{day[6:]}")
                row = self._row("SELECT MIN(id) FROM pictures WHERE id > ?", f"{day}U")
        return found

    def ends(self) -> tuple[str | None, str | None]:
        """Return the oldest and the newest id."""
        with self._translated():
            (oldest,) = self._row("SELECT MIN(id) FROM pictures")
            (newest,) = self._row("SELECT MAX(id) FROM pictures")
            return oldest, newest

    def oldest_loose(self, excess: Excess, *, limit: int) -> list[Loose]:
        """Return the oldest pictures that are not locked, as many as the excess wants, at most `limit`."""
        chosen: list[Loose] = []
        freed = 0
        with self._translated():
            rows = self._connection.execute(
                "SELECT id, format, size_bytes + thumbnail_bytes FROM pictures WHERE locked = 0 "
                "ORDER BY id LIMIT ?",
                (limit,),
            )
            for row in rows:
                if len(chosen) >= excess.count and freed >= excess.size_bytes:
                    break
                chosen.append(self._loose(row))
                freed += chosen[-1].size_bytes
        return chosen

    def loose_before(self, bound: str, *, limit: int, locked_too: bool = False) -> list[Loose]:
        """Return the oldest pictures below an id that are not locked."""
        with self._translated():
            rows = self._connection.execute(
                "SELECT id, format, size_bytes + thumbnail_bytes FROM pictures WHERE id < ? AND locked <= ? "
                "ORDER BY id LIMIT ?",
                (bound, locked_too, limit),
            )
            return [self._loose(row) for row in rows]

    def count_before(self, bound: str) -> tuple[int, int]:
        """Return how many pictures below an id there are, and how many of them are locked."""
        with self._translated():
            count, locked = self._row("SELECT COUNT(*), TOTAL(locked) FROM pictures WHERE id < ?", bound)
            return count, int(locked)

    # ---- changing

    def add(self, pictures: Iterable[Picture]) -> None:
        """Take pictures in, in place of what had their ids."""
        with self._translated(), self._transaction():
            for picture in pictures:
                self._forget(picture.id)
                self._connection.execute(
                    "INSERT INTO pictures (id, size_bytes, locked, format, reason) VALUES (?, ?, ?, ?, ?)",
                    (picture.id, picture.size_bytes, picture.locked, picture.format, picture.reason),
                )
                self._connection.execute(
                    "INSERT INTO records (id, record) VALUES (?, ?)", (picture.id, picture.model_dump_json())
                )
                self._change(1, picture.size_bytes, locked=picture.locked)

    def remove(self, ids: Iterable[str]) -> None:
        """Forget pictures; unknown ids are no fault."""
        with self._translated(), self._transaction():
            for id_ in ids:
                self._forget(id_)

    def lock(self, picture: Picture) -> None:
        """Note that a picture is locked, or is not any more; the disk knows when this returns."""
        with self._translated():
            self._connection.execute("PRAGMA synchronous = FULL")
            try:
                with self._transaction():
                    self._relock(picture)
            finally:
                self._connection.execute("PRAGMA synchronous = NORMAL")

    def thumbnail(self, id_: str, size_bytes: int) -> None:
        """Note how large a picture's thumbnail is."""
        with self._translated(), self._transaction():
            row = self._connection.execute(
                "SELECT thumbnail_bytes, locked FROM pictures WHERE id = ?", (id_,)
            ).fetchone()
            if row is not None:
                self._connection.execute(
                    "UPDATE pictures SET thumbnail_bytes = ? WHERE id = ?", (size_bytes, id_)
                )
                self._change(0, size_bytes - row[0], locked=bool(row[1]))

    # ---- inside

    @property
    def _connection(self) -> sqlite3.Connection:
        if self._database is None:
            raise StorageError(f"{self._path} is not open")
        return self._database

    def _row(self, statement: str, *values: Any) -> Any:
        return self._connection.execute(statement, values).fetchone()

    def _loose(self, row: tuple[str, PictureFormat, int]) -> Loose:
        # It becomes a file's name: a damaged page must not make one that is no picture's.
        if PICTURE_ID.fullmatch(row[0]) is None or row[1] not in get_args(PictureFormat):
            raise StorageError(f"{self._path} is damaged: {row[0]!r} is no picture", code=DAMAGED)
        return Loose(*row)

    def _count(self) -> None:
        row = self._row(
            "SELECT COUNT(*), TOTAL(size_bytes + thumbnail_bytes), TOTAL(locked), "
            "TOTAL(locked * (size_bytes + thumbnail_bytes)) FROM pictures"
        )
        count, size_bytes, locked, locked_bytes = (int(value) for value in row)
        self.totals = Totals(count=count, size_bytes=size_bytes, locked=locked, locked_bytes=locked_bytes)

    def _forget(self, id_: str) -> None:
        row = self._row("SELECT size_bytes + thumbnail_bytes, locked FROM pictures WHERE id = ?", id_)
        if row is not None:
            self._connection.execute("DELETE FROM pictures WHERE id = ?", (id_,))
            self._connection.execute("DELETE FROM records WHERE id = ?", (id_,))
            self._change(-1, -row[0], locked=bool(row[1]))

    def _relock(self, picture: Picture) -> None:
        row = self._row("SELECT size_bytes + thumbnail_bytes, locked FROM pictures WHERE id = ?", picture.id)
        if row is None or bool(row[1]) == picture.locked:
            return
        self._connection.execute("UPDATE pictures SET locked = ? WHERE id = ?", (picture.locked, picture.id))
        self._connection.execute(
            "UPDATE records SET record = ? WHERE id = ?", (picture.model_dump_json(), picture.id)
        )
        self._change(-1, -row[0], locked=bool(row[1]))
        self._change(1, row[0], locked=picture.locked)

    def _change(self, count: int, size_bytes: int, *, locked: bool) -> None:
        self.totals = self.totals.changed(count=count, size_bytes=size_bytes, locked=locked)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        before = self.totals
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            self.totals = before
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.ProgrammingError, sqlite3.InterfaceError):
            raise  # this program's own mistake
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & _PRIMARY
            if code in _OURS_TO_MEND:
                raise StorageError(f"{self._path} is damaged: {error}", code=DAMAGED) from error
            full = "disk_full" if code == sqlite3.SQLITE_FULL else None
            raise StorageError(f"{self._path}: {error}", code=full, value=str(self._path)) from error
        except ValidationError as error:
            raise StorageError(f"{self._path} is damaged: a record is none", code=DAMAGED) from error
        except OSError as error:
            raise StorageError(f"{self._path}: {error.strerror or error}", value=str(self._path)) from error
